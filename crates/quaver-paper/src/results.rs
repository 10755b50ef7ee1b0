//! Everything `quaver reproduce` prints, as plain data.
//!
//! What is written of them only lays these values out; whatever needs computing
//! (intervals, verdicts, moments over seeds) is here already. Values of single images
//! live in npz files beside, not here. A number that does not exist is `None`, never 0,
//! and every number here is finite.

pub mod claim;
pub mod figure;
pub mod measured;

use serde::{Deserialize, Serialize};

pub use claim::{Claim, ClaimReading, ClaimTest, Scope, Verdict};
pub use figure::{
    ExampleGrid, ExampleImage, ExampleRow, Histogram, HistogramPanel, UncertaintyFigure,
};
pub use measured::{
    AcrossSeeds, AttackOutcome, Detectors, HonestCell, HonestMoments, InputMoments, InputResults,
    SeedResults, Training,
};

pub use quaver::evaluate::checks::{CheckResult, CheckStatus};
pub use quaver::evaluate::detection::{Detection, OperatingPoint, Performance};
pub use quaver::evaluate::interval::{Estimate, Rate};
pub use quaver::evaluate::seeds::Moments;
pub use quaver::evaluate::spread::Spread;

/// Version of the layout of [`Results`]; a file with another one is refused.
pub const SCHEMA: u32 = 1;

/// Id of the unattacked inputs in [`InputResults::input`].
pub const CLEAN: &str = "clean";

/// One run of the paper's experiment (spec §9).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Version of the program that computed the numbers, as `0.1.0`.
    pub version: String,
    /// Id of the dataset, as `mnist`.
    pub dataset: String,
    /// Id of the architecture, as `lenet5`.
    pub arch: String,
    /// Whether this is the small run that only shows that everything works.
    pub quick: bool,
    /// The command line that makes the same results again, without machine-specific paths.
    pub command: String,
    /// Attacked images in each model; at least 1.
    pub n: u64,
    /// Monte-Carlo passes T; at least 1.
    pub n_passes: u32,
    /// Seeds in the order run; at least one.
    pub seeds: Vec<u64>,
    /// Every setting in force, in the order to print.
    pub configuration: Vec<Setting>,
    /// Attacks in the order of the tables.
    pub attacks: Vec<AttackInfo>,
    /// The topologies, the paper's seven first in its order, then the controls.
    pub topologies: Vec<TopologyResults>,
    /// Columns of the honest reading, in the order to print; empty when it was not asked for.
    pub honest_columns: Vec<HonestColumn>,
    /// Verdicts on the paper's claims, a to g.
    pub claims: Vec<Claim>,
    /// Figure 2 of the paper.
    pub figure: Option<UncertaintyFigure>,
    /// A few attacked images to look at.
    pub examples: Option<ExampleGrid>,
    /// What a reader must know before trusting the numbers, one sentence each.
    pub warnings: Vec<String>,
}

/// One value in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// What it belongs to, as `training`; settings of a group are adjacent.
    pub group: String,
    /// Its name, as on the command line or in the configuration file.
    pub name: String,
    /// Its value, as it would be typed.
    pub value: String,
}

/// An attack as it was run for the paper's tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttackInfo {
    /// Its id, as `fgsm`; [`InputResults::input`] refers to it.
    pub id: String,
    /// Its name for people, as `FGSM`.
    pub title: String,
    /// Canonical spec string with all parameters.
    pub spec: String,
    /// Randomness of the model during the attack: `off`, `fixed`, `per-step`, `per-backward` or `eot(K)`.
    pub noise: String,
    /// Where its labels come from: `predicted` or `true`.
    pub labels: String,
}

/// A network's place in the tables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// Its id, as `rand-bnn`.
    pub id: String,
    /// Its name for people, as `Rand BNN`.
    pub title: String,
    /// Dropout probability, in [0, 1).
    pub dropout: f64,
    /// Whether it stands outside the paper's tables.
    pub control: bool,
}

impl Topology {
    /// Its name with the dropout, for people.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}, dropout {}", self.title, self.dropout)
    }
}

/// All that was measured on one topology.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopologyResults {
    /// Which one.
    pub topology: Topology,
    /// One entry a seed, in the order of [`Results::seeds`].
    pub seeds: Vec<SeedResults>,
    /// Mean and deviation over seeds; `None` with one seed.
    pub across_seeds: Option<AcrossSeeds>,
}

/// A column of the honest reading: one attack under one treatment of the model's noise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HonestColumn {
    /// Its id, unique among columns; [`HonestCell::column`] refers to it.
    pub id: String,
    /// Its heading, as `PGD, EOT 20`.
    pub title: String,
    /// Canonical spec string of the attack.
    pub attack: String,
    /// Randomness of the model during the attack, as in [`AttackInfo::noise`].
    pub noise: String,
    /// Where its labels come from, as in [`AttackInfo::labels`].
    pub labels: String,
    /// Attacked images.
    pub n: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_number_is_null_and_comes_back_missing() {
        let cell = HonestCell {
            column: "pgd-off".into(),
            accuracy: None,
        };
        let text = serde_json::to_string(&cell).unwrap();
        assert_eq!(text, r#"{"column":"pgd-off","accuracy":null}"#);
        assert_eq!(serde_json::from_str::<HonestCell>(&text).unwrap(), cell);
    }

    #[test]
    fn names_in_files_are_the_names_people_read() {
        for verdict in [
            Verdict::Supported,
            Verdict::NotSupported,
            Verdict::Undecided,
        ] {
            let text = serde_json::to_string(&verdict).unwrap();
            assert_eq!(text, format!("{:?}", verdict.as_str()));
        }
        assert_eq!(
            serde_json::to_string(&CheckStatus::NotApplicable).unwrap(),
            r#""N.A.""#
        );
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let text = r#"{"k":1,"n":2,"value":0.5,"low":0.1,"high":0.9,"mean":0.5}"#;
        assert!(serde_json::from_str::<Rate>(text).is_err());
    }
}

//! The paper's claims and the verdicts on them (spec §9.2).

use serde::{Deserialize, Serialize};

/// What the data say about a hypothesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Verdict {
    /// The data show it.
    #[serde(rename = "supported")]
    Supported,
    /// The data show the contrary, or that the effect is too small.
    #[serde(rename = "not supported")]
    NotSupported,
    /// The data cannot tell.
    #[serde(rename = "undecided")]
    Undecided,
}

impl Verdict {
    /// As printed and as in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Supported => "supported",
            Self::NotSupported => "not supported",
            Self::Undecided => "undecided",
        }
    }
}

/// What a verdict speaks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// The networks that were trained: fewer than five seeds, pairs are images.
    Networks,
    /// The topology: five seeds or more, pairs are seeds.
    Topology,
}

/// One of the paper's claims.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Its letter, `a` to `g`.
    pub id: String,
    /// The claim in one plain sentence.
    pub title: String,
    /// The exact hypothesis.
    pub hypothesis: String,
    /// The verdict on the paper's seven topologies.
    pub verdict: Verdict,
    /// What the verdict speaks about.
    pub scope: Scope,
    /// The verdict without the control rows first, then with them where that makes sense.
    pub readings: Vec<ClaimReading>,
    /// What the honest reading adds, in one sentence: whether the effect is one of noisy gradients.
    pub honest: Option<String>,
}

/// A claim judged on one set of rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimReading {
    /// Whether the control rows take part.
    pub with_controls: bool,
    /// The verdict on these rows.
    pub verdict: Verdict,
    /// Why, in one sentence with the numbers that decide.
    pub sentence: String,
    /// The tests it rests on.
    pub tests: Vec<ClaimTest>,
}

/// One test of a claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimTest {
    /// What is tested, as `slope of clean accuracy over the rows`.
    pub hypothesis: String,
    /// The statistic in its unit.
    pub statistic: Option<f64>,
    /// Unit of the statistic and its interval, as `points per row`; may be empty.
    pub unit: String,
    /// Lower end of the 95 % interval.
    pub low: Option<f64>,
    /// Upper end of the 95 % interval.
    pub high: Option<f64>,
    /// What the statistic is held against, as `> 0`.
    pub criterion: String,
    /// P value before correction, in [0, 1].
    pub p: Option<f64>,
    /// P value after Holm's correction over all comparisons, in [0, 1].
    pub p_adjusted: Option<f64>,
    /// Pairs (images or seeds) it rests on.
    pub n: u64,
    /// What the interval and p let vary, as `images and drawn weights`; empty where there are none.
    pub over: String,
    /// The outcome of this test alone.
    pub verdict: Verdict,
}

//! The configuration as it is printed, and what a reader must know first.

use serde::Serialize;

use super::super::measure::Study;
use super::super::results::{SeedResults, Setting, TopologyResults};
use quaver::data::source;
use quaver::run::NUMERICS;

/// The name that serde gives a choice.
pub(super) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

pub(super) fn configuration(study: &Study<'_>) -> Vec<Setting> {
    let config = study.config;
    let seeds = config.all_seeds();
    let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
    let rows: [(&str, &str, String); 20] = [
        ("data", "dataset", study.test.name().to_owned()),
        ("data", "train-images", study.train.len().to_string()),
        ("data", "test-images", study.test.len().to_string()),
        ("data", "n", config.n.to_string()),
        ("network", "arch", config.arch.clone()),
        (
            "network",
            "dropout-placement",
            word(&config.dropout_placement),
        ),
        ("training", "epochs", config.epochs.to_string()),
        ("training", "batch-size", config.batch_size.to_string()),
        ("training", "learning-rate", config.learning_rate.to_string()),
        ("training", "seeds", seeds.join(", ")),
        ("attack", "dialect", config.dialect.to_string()),
        ("attack", "labels", word(&config.labels)),
        ("attack", "noise", config.noise.to_string()),
        ("inference", "passes", config.passes.to_string()),
        (
            "detector",
            "paper",
            "logistic-regression(c=1,standardize=false) on variance, fitted and scored on the same images".into(),
        ),
        (
            "detector",
            "honest",
            "logistic-regression(c=1,standardize=true) on variance, half of the source images to fit".into(),
        ),
        ("honest reading", "honest-n", config.honest_n.min(study.test.len()).to_string()),
        ("honest reading", "eot-n", config.eot_n.min(study.test.len()).to_string()),
        ("honest reading", "eot-draws", config.eot_draws.to_string()),
        ("version", "numerics", NUMERICS.to_string()),
    ];
    rows.into_iter()
        .map(|(group, name, value)| Setting {
            group: group.into(),
            name: name.into(),
            value,
        })
        .collect()
}

/// Networks whose voted test accuracy is within reach of chance.
fn untrained(topologies: &[TopologyResults], n_classes: usize) -> Vec<String> {
    let chance = 2.0 / n_classes as f64;
    let mut names = Vec::new();
    for row in topologies {
        let of = |seed: &SeedResults| seed.test_voted.is_some_and(|rate| rate.low < chance);
        if row.seeds.iter().any(of) {
            names.push(format!(
                "{}, dropout {}",
                row.topology.title, row.topology.dropout
            ));
        }
    }
    names
}

/// The full reading with EOT, that smaller ones are measured against.
const FULL_DRAWS: u32 = 20;

pub(super) fn warnings(
    study: &Study<'_>,
    topologies: &[TopologyResults],
    complete: bool,
) -> Vec<String> {
    let config = study.config;
    let mut warnings = Vec::new();
    if !complete {
        warnings.push(
            "The run was interrupted: what is missing was not measured. The same command goes on."
                .to_owned(),
        );
    }
    if !source::find(study.test.name()).is_some_and(|data| data.is_papers) {
        warnings.push(format!(
            "The data is {}, not the paper's MNIST: its numbers stand beside for orientation only.",
            study.test.name()
        ));
    }
    let untrained = untrained(topologies, study.test.n_classes());
    if !untrained.is_empty() {
        warnings.push(format!(
            "Not clearly better than guessing after this training: {}. Their rows, and the claims \
             that rest on them, say nothing yet.",
            untrained.join("; ")
        ));
    }
    if config.epochs != 15 || study.train.len() != 60_000 {
        warnings.push(format!(
            "Trained on {} images for {} epochs; the paper used 60000 for 15.",
            study.train.len(),
            config.epochs
        ));
    }
    if config.eot_draws < FULL_DRAWS || config.honest_n < 10_000 || config.eot_n < 1_000 {
        warnings.push(format!(
            "The honest reading is scaled down: {} images with the noise off and {} over the \
             noise with {} draws each, where the full one has 10000, 1000 and {FULL_DRAWS}.",
            config.honest_n.min(study.test.len()),
            config.eot_n.min(study.test.len()),
            config.eot_draws
        ));
    }
    if config.seeds < 5 {
        warnings.push(
            "Fewer than five seeds: verdicts speak about these networks, not about topologies."
                .to_owned(),
        );
    }
    warnings
}

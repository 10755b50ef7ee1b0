//! Difference of two logits.

use super::{Aim, Entry, LogitObjective, best_other};

pub(super) const ENTRY: Entry = Entry {
    id: "logit-difference",
    title: "logit of the target less that of the label",
    parameters: &[],
    build: |_| Ok(Box::new(LogitDifference)),
};

/// z_t - z_y; untargeted, t is the best other class.
#[derive(Clone, Copy, Debug)]
pub struct LogitDifference;

impl LogitDifference {
    fn target(logits: &[f32], aim: Aim) -> usize {
        aim.target.unwrap_or_else(|| best_other(logits, aim.label))
    }
}

impl LogitObjective for LogitDifference {
    fn value(&self, logits: &[f32], aim: Aim) -> f64 {
        f64::from(logits[Self::target(logits, aim)]) - f64::from(logits[aim.label])
    }

    fn gradient(&self, logits: &[f32], aim: Aim, weight: f64, upstream: &mut [f32]) {
        upstream[Self::target(logits, aim)] += weight as f32;
        upstream[aim.label] -= weight as f32;
    }
}

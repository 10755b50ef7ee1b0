//! Cross-entropy in double precision.

use super::softmax::{log_prob_gradient, log_softmax};
use super::{Aim, Entry, LogitObjective};

pub(super) const ENTRY: Entry = Entry {
    id: "cross-entropy-f64",
    title: "cross-entropy in double precision",
    parameters: &[],
    build: |_| Ok(Box::new(CrossEntropyF64)),
};

/// -log p_y; targeted log p_t, all in float64. Where a network is so sure that the gradient would
/// be shorter than 1e-20 it is made that long: single precision rounds shorter ones to 0.
#[derive(Clone, Copy, Debug)]
pub struct CrossEntropyF64;

impl LogitObjective for CrossEntropyF64 {
    fn value(&self, logits: &[f32], aim: Aim) -> f64 {
        let (class, sign) = aim.class_and_sign();
        sign * log_softmax(logits, class)
    }

    fn gradient(&self, logits: &[f32], aim: Aim, weight: f64, upstream: &mut [f32]) {
        let (class, sign) = aim.class_and_sign();
        log_prob_gradient(logits, class, weight * sign, upstream);
    }
}

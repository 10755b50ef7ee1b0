//! Cross-entropy as the frameworks round it.

use super::softmax::log_softmax;
use super::{Aim, Entry, LogitObjective};

pub(super) const ENTRY: Entry = Entry {
    id: "cross-entropy",
    title: "cross-entropy as the frameworks round it",
    parameters: &[],
    build: |_| Ok(Box::new(CrossEntropy)),
};

/// -log p_y; targeted log p_t. Its gradient has p and p - 1 rounded to float32, as the
/// frameworks form it: of a p that rounds to 1 nothing is left.
#[derive(Clone, Copy, Debug)]
pub struct CrossEntropy;

impl LogitObjective for CrossEntropy {
    fn value(&self, logits: &[f32], aim: Aim) -> f64 {
        let (class, sign) = aim.class_and_sign();
        sign * log_softmax(logits, class)
    }

    fn gradient(&self, logits: &[f32], aim: Aim, weight: f64, upstream: &mut [f32]) {
        let (class, sign) = aim.class_and_sign();
        let weight = weight * sign;
        let max = logits.iter().fold(f32::NEG_INFINITY, |max, z| max.max(*z));
        let total: f32 = logits.iter().map(|z| libm::expf(z - max)).sum();
        let log_total = libm::logf(total);
        for (c, (up, z)) in upstream.iter_mut().zip(logits).enumerate() {
            let p = libm::expf(z - max - log_total);
            let one = if c == class { 1.0 } else { 0.0 };
            *up = (one - p) * weight as f32;
        }
    }
}

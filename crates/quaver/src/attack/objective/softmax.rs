//! Logarithms of probabilities in double precision.

use crate::decision::softmax;

/// log p_class.
pub(super) fn log_softmax(logits: &[f32], class: usize) -> f64 {
    let max = logits.iter().fold(f32::NEG_INFINITY, |max, z| max.max(*z));
    let total: f64 = logits
        .iter()
        .map(|z| libm::exp(f64::from(*z) - f64::from(max)))
        .sum();
    f64::from(logits[class]) - f64::from(max) - libm::log(total)
}

/// Gradient of log p_class. Its own entry is the sum of the other probabilities, which keeps
/// digits that 1 - p loses on confident networks.
pub(super) fn log_prob_gradient(logits: &[f32], class: usize, weight: f64, upstream: &mut [f32]) {
    let mut others = 0.0;
    for (c, p) in softmax(logits).into_iter().enumerate() {
        if c != class {
            others += p;
            upstream[c] = (-weight * p) as f32;
        }
    }
    upstream[class] = (weight * others) as f32;
}

/// Mean over draws of each class's probability.
pub(super) fn mean(probs: &[Vec<f64>]) -> Vec<f64> {
    let n = probs.len() as f64;
    (0..probs[0].len())
        .map(|c| probs.iter().map(|p| p[c]).sum::<f64>() / n)
        .collect()
}

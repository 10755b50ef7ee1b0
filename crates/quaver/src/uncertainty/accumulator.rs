//! [`Accumulator`]: all that is kept of one image's passes.

use serde::{Deserialize, Serialize};

use crate::decision::Tally;

/// One image's passes in float64, taken in pass order: the tally that decisions read,
/// mean and squared deviations of each class's probability (Welford, "Note on a method for
/// calculating corrected sums of squares and products", 1962) and the sum of entropies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accumulator {
    tally: Tally,
    mean: Vec<f64>,
    m2: Vec<f64>,
    sum_entropy: f64,
}

impl Accumulator {
    /// No passes yet, `n_classes` classes.
    #[must_use]
    pub fn new(n_classes: usize) -> Self {
        Self {
            tally: Tally::new(n_classes),
            mean: vec![0.0; n_classes],
            m2: vec![0.0; n_classes],
            sum_entropy: 0.0,
        }
    }

    /// Takes the next pass: `probs` of length `n_classes`, summing to 1. Gives its class,
    /// `None` where an output is not a number.
    pub fn push(&mut self, probs: &[f64]) -> Option<usize> {
        let class = self.tally.push(probs);
        let n = f64::from(self.tally.n());
        for ((mean, m2), &p) in self.mean.iter_mut().zip(&mut self.m2).zip(probs) {
            let before = p - *mean;
            *mean += before / n;
            *m2 += before * (p - *mean);
        }
        self.sum_entropy += entropy(probs);
        class
    }

    /// What decisions read.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Passes taken.
    #[must_use]
    pub fn n(&self) -> u32 {
        self.tally.n()
    }

    /// Mean probability of each class over passes, `(n_classes)`; zeros before the first pass.
    #[must_use]
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Sum over passes of each class's squared deviation from its mean, `(n_classes)`.
    #[must_use]
    pub fn m2(&self) -> &[f64] {
        &self.m2
    }

    /// Sum over passes of the entropy of the output, in nats.
    #[must_use]
    pub fn sum_entropy(&self) -> f64 {
        self.sum_entropy
    }
}

/// Entropy of a distribution in nats; a probability of 0 adds nothing.
pub(super) fn entropy(probs: &[f64]) -> f64 {
    let summands = probs
        .iter()
        .map(|&p| if p == 0.0 { 0.0 } else { -p * libm::log(p) });
    at_least_zero(summands.sum())
}

/// Rounding may carry a quantity that cannot be negative just below 0. Not a number stays so.
pub(super) fn at_least_zero(value: f64) -> f64 {
    if value <= 0.0 { 0.0 } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_passes() {
        let mut seen = Accumulator::new(2);
        for probs in [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]] {
            seen.push(&probs);
        }
        assert_eq!(seen.n(), 3);
        assert_eq!(seen.mean(), [0.5, 0.5]);
        assert_eq!(seen.m2(), [0.5, 0.5]);
        assert!((seen.sum_entropy() - std::f64::consts::LN_2).abs() < 1e-15);
        assert_eq!(seen.tally().counts(), [2, 1]);
        assert_eq!(seen.tally().sum(), [1.5, 1.5]);
    }

    #[test]
    fn entropy_is_zero_only_for_certainty() {
        assert_eq!(entropy(&[0.0, 1.0]), 0.0);
        assert!((entropy(&[0.25; 4]) - 4f64.ln()).abs() < 1e-15);
        assert!(entropy(&[f64::NAN, 1.0]).is_nan());
        assert!(at_least_zero(f64::NAN).is_nan());
    }
}

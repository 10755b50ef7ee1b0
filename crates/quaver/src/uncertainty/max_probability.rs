//! Doubt in the likeliest class.

use super::{Accumulator, Measure, at_least_zero, two_largest};
use crate::decision::argmax;

/// Maximum probability, turned round so that higher is more uncertain: what the mean over
/// passes leaves to all but the likeliest class.
///
/// # Method
/// `1 - max_c p̄_c`, `p̄ = (1/T) Σ_t O_t`
///
/// # Source
/// Hendrycks and Gimpel, "A baseline for detecting misclassified and
/// out-of-distribution examples in neural networks", 2017
pub(super) const MEASURE: Measure = Measure {
    id: "max-probability",
    title: "1 - maximum probability",
    maximum: |n_classes| 1.0 - 1.0 / n_classes,
    of: doubt,
    slopes: Some(|seen, _, out| {
        if let Some(first) = argmax(seen.mean()) {
            out[first] = -1.0 / f64::from(seen.n());
        }
    }),
};

fn doubt(seen: &Accumulator) -> f64 {
    let [first, _] = two_largest(seen.mean());
    at_least_zero(1.0 - first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_the_mean_not_the_passes() {
        let mut seen = Accumulator::new(2);
        seen.push(&[1.0, 0.0]);
        seen.push(&[0.25, 0.75]);
        assert_eq!(doubt(&seen), 0.375);
    }
}

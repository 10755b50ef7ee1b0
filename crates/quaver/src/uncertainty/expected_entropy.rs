//! Mean entropy of the outputs.

use super::{Measure, entropy_slope};

/// Expected entropy: how undecided each pass is on average.
///
/// # Method
/// `(1/T) Σ_t H(O_t)`, in nats
///
/// # Source
/// Smith and Gal, "Understanding measures of uncertainty for adversarial
/// example detection", 2018
pub(super) const MEASURE: Measure = Measure {
    id: "expected-entropy",
    title: "expected entropy",
    maximum: libm::log,
    of: |seen| seen.sum_entropy() / f64::from(seen.n()),
    slopes: Some(|seen, probs, out| {
        for (out, &p) in out.iter_mut().zip(probs) {
            *out = entropy_slope(p) / f64::from(seen.n());
        }
    }),
};

#[cfg(test)]
mod tests {
    use super::super::Accumulator;
    use super::*;

    #[test]
    fn it_is_the_mean_over_passes() {
        let mut seen = Accumulator::new(2);
        seen.push(&[1.0, 0.0]);
        seen.push(&[0.5, 0.5]);
        assert_eq!((MEASURE.of)(&seen), std::f64::consts::LN_2 / 2.0);
    }
}

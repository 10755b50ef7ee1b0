//! Entropy of the mean output.

use super::{Measure, entropy, entropy_slope};

/// Predictive entropy: how undecided the mean over passes is.
///
/// # Method
/// `H(p̄)`, `p̄ = (1/T) Σ_t O_t`, in nats
///
/// # Source
/// Gal, "Uncertainty in deep learning", 2016, section 3.3
///
/// # Limits
/// does not tell scatter between passes from doubt inside each
pub(super) const MEASURE: Measure = Measure {
    id: "predictive-entropy",
    title: "predictive entropy",
    maximum: libm::log,
    of: |seen| entropy(seen.mean()),
    slopes: Some(|seen, _, out| {
        for (out, &mean) in out.iter_mut().zip(seen.mean()) {
            *out = entropy_slope(mean) / f64::from(seen.n());
        }
    }),
};

#[cfg(test)]
mod tests {
    use super::super::Accumulator;
    use super::*;

    #[test]
    fn certain_passes_that_disagree_leave_ln_2() {
        let mut seen = Accumulator::new(2);
        seen.push(&[1.0, 0.0]);
        seen.push(&[0.0, 1.0]);
        assert_eq!((MEASURE.of)(&seen), std::f64::consts::LN_2);
    }
}

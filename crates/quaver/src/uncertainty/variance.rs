//! Mean over classes of the variance of the output over passes.

use super::{Accumulator, Measure};

/// Mean predictive variance: how much the outputs of the passes scatter.
///
/// # Method
/// `(1/C) Σ_i Var_t(O_i)` over T passes (population variance) and C classes,
/// O the softmax output
///
/// # Source
/// Guan, "Adversarial example defense and detection using quantized neural
/// networks with inference time dropout", eq. 12; Feinman, Curtin, Shintre and
/// Gardner, "Detecting adversarial samples from artifacts", 2017
///
/// # Limits
/// 0 for a deterministic network, whatever it thinks of the image
pub(super) const MEASURE: Measure = Measure {
    id: "variance",
    title: "variance over passes",
    maximum: |n_classes| (1.0 - 1.0 / n_classes) / n_classes,
    of: variance,
    slopes: Some(|seen, probs, out| {
        let n_summands = probs.len() as f64 * f64::from(seen.n());
        for ((out, p), mean) in out.iter_mut().zip(probs).zip(seen.mean()) {
            *out = 2.0 * (p - mean) / n_summands;
        }
    }),
};

fn variance(seen: &Accumulator) -> f64 {
    let n_summands = seen.m2().len() as f64 * f64::from(seen.n());
    seen.m2().iter().sum::<f64>() / n_summands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_passes_that_contradict_each_other_reach_the_maximum() {
        let mut seen = Accumulator::new(2);
        seen.push(&[1.0, 0.0]);
        seen.push(&[0.0, 1.0]);
        assert_eq!(variance(&seen), 0.25);
        assert_eq!((MEASURE.maximum)(2.0), 0.25);
    }

    #[test]
    fn it_divides_by_passes_and_by_classes() {
        let mut seen = Accumulator::new(3);
        seen.push(&[0.6, 0.4, 0.0]);
        seen.push(&[0.2, 0.4, 0.4]);
        assert!((variance(&seen) - (0.04 + 0.0 + 0.04) / 3.0).abs() < 1e-15);
    }
}

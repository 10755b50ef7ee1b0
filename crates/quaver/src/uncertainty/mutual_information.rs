//! What the output tells about the randomness.

use super::{Accumulator, Measure, at_least_zero, entropy, entropy_slope};

/// Mutual information of output and randomness (BALD): how much the passes disagree
/// beyond the doubt inside each.
///
/// # Method
/// `H(p̄) - (1/T) Σ_t H(O_t)`, in nats
///
/// # Source
/// Houlsby, Huszár, Ghahramani and Lengyel, "Bayesian active learning for
/// classification and preference learning", 2011; Smith and Gal,
/// "Understanding measures of uncertainty for adversarial example detection",
/// 2018
///
/// # Limits
/// 0 for a deterministic network
pub(super) const MEASURE: Measure = Measure {
    id: "mutual-information",
    title: "mutual information",
    maximum: libm::log,
    of: mutual_information,
    slopes: Some(|seen, probs, out| {
        for ((out, &p), &mean) in out.iter_mut().zip(probs).zip(seen.mean()) {
            *out = (entropy_slope(mean) - entropy_slope(p)) / f64::from(seen.n());
        }
    }),
};

fn mutual_information(seen: &Accumulator) -> f64 {
    at_least_zero(entropy(seen.mean()) - seen.sum_entropy() / f64::from(seen.n()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_gap_between_the_entropies() {
        let mut seen = Accumulator::new(2);
        seen.push(&[1.0, 0.0]);
        seen.push(&[0.0, 1.0]);
        assert_eq!(mutual_information(&seen), std::f64::consts::LN_2);
    }

    #[test]
    fn equal_passes_have_none_in_spite_of_rounding() {
        let mut seen = Accumulator::new(3);
        for _ in 0..50 {
            seen.push(&[0.1, 0.2, 0.7]);
        }
        assert!((0.0..1e-12).contains(&mutual_information(&seen)));
    }
}

//! Share of passes that do not name the commonest class.

use super::{Accumulator, Measure};

/// Variation ratio: the share of passes outside the commonest class.
///
/// # Method
/// `1 - max_c n_c / T`, `n_c` passes naming class c
///
/// # Source
/// Freeman, "Elementary applied statistics", 1965; Gal, "Uncertainty in deep
/// learning", 2016, section 3.3
///
/// # Limits
/// a multiple of `1/T`, hence many ties; 0 for a deterministic network
pub(super) const MEASURE: Measure = Measure {
    id: "variation-ratio",
    title: "variation ratio",
    maximum: |n_classes| 1.0 - 1.0 / n_classes,
    of: variation_ratio,
    slopes: None,
};

fn variation_ratio(seen: &Accumulator) -> f64 {
    if seen.mean().iter().any(|p| p.is_nan()) {
        return f64::NAN;
    }
    let largest = seen.tally().counts().iter().copied().max().unwrap_or(0);
    1.0 - f64::from(largest) / f64::from(seen.n())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_dissenter_in_four_is_a_quarter() {
        let mut seen = Accumulator::new(2);
        for probs in [[0.9, 0.1], [0.6, 0.4], [0.1, 0.9], [0.9, 0.1]] {
            seen.push(&probs);
        }
        assert_eq!(variation_ratio(&seen), 0.25);
    }
}

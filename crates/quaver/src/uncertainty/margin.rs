//! Closeness of the two likeliest classes.

use super::{Accumulator, Measure, at_least_zero, two_largest};
use crate::decision::argmax;

/// Margin, turned round so that higher is more uncertain: how close the two likeliest
/// classes of the mean over passes are.
///
/// # Method
/// `1 - (p̄_(1) - p̄_(2))`, the two largest of `p̄ = (1/T) Σ_t O_t`
///
/// # Source
/// Scheffer, Decomain and Wrobel, "Active hidden Markov models for
/// information extraction", 2001
pub(super) const MEASURE: Measure = Measure {
    id: "margin",
    title: "1 - margin of the two likeliest classes",
    maximum: |_| 1.0,
    of: closeness,
    slopes: Some(|seen, _, out| {
        let mut others = seen.mean().to_vec();
        for slope in [-1.0, 1.0] {
            if let Some(class) = argmax(&others) {
                out[class] = slope / f64::from(seen.n());
                others[class] = f64::NEG_INFINITY;
            }
        }
    }),
};

fn closeness(seen: &Accumulator) -> f64 {
    let [first, second] = two_largest(seen.mean());
    at_least_zero(1.0 - (first - second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_leaders_are_at_the_maximum() {
        let mut seen = Accumulator::new(3);
        seen.push(&[0.5, 0.5, 0.0]);
        assert_eq!(closeness(&seen), 1.0);
    }

    #[test]
    fn it_falls_as_the_leader_pulls_away() {
        let mut seen = Accumulator::new(3);
        seen.push(&[0.125, 0.625, 0.25]);
        assert_eq!(closeness(&seen), 0.625);
    }
}

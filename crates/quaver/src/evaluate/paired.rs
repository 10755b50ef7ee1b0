//! Two classifiers on the same images.

use serde::{Deserialize, Serialize};

use super::interval::Rate;
use crate::binomial::sign_test;

/// Difference of two accuracies on the same images: exact McNemar test (McNemar, "Note on
/// the sampling error of the difference between correlated proportions or percentages",
/// 1947) and the 95 % interval of Newcombe's method 10 ("Improved confidence intervals for
/// the difference between binomial proportions based on paired data", 1998).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paired {
    /// Images; at least 1.
    pub n: u64,
    /// Images that only the first gets right.
    pub only_first: u64,
    /// Images that only the second gets right.
    pub only_second: u64,
    /// Accuracy of the first minus that of the second, in [-1, 1].
    pub difference: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Two-sided p value of "equally often right", in [0, 1].
    pub p: f64,
}

impl Paired {
    /// Of one pair (first right, second right) an image; `None` where there are no images.
    pub fn of(pairs: impl IntoIterator<Item = (bool, bool)>) -> Option<Self> {
        let mut counts = [0u64; 4];
        for (first, second) in pairs {
            counts[usize::from(first) * 2 + usize::from(second)] += 1;
        }
        let [neither, only_second, only_first, both] = counts;
        let n = counts.iter().sum();
        let first = Rate::new(both + only_first, n)?;
        let second = Rate::new(both + only_second, n)?;
        let phi = correlation(both, only_first, only_second, neither);
        let squares = |a: f64, b: f64| (a * a - 2.0 * phi * a * b + b * b).max(0.0).sqrt();
        let difference = (only_first as f64 - only_second as f64) / n as f64;
        let down = squares(first.value - first.low, second.high - second.value);
        let up = squares(first.high - first.value, second.value - second.low);
        Some(Self {
            n,
            only_first,
            only_second,
            difference,
            low: difference - down,
            high: difference + up,
            p: sign_test(only_first, only_second),
        })
    }
}

/// Newcombe's phi with its continuity correction for positive association.
fn correlation(both: u64, only_first: u64, only_second: u64, neither: u64) -> f64 {
    let [a, b, c, d] = [both, only_first, only_second, neither].map(|count| count as f64);
    let margins = (a + b) * (c + d) * (a + c) * (b + d);
    if margins == 0.0 {
        return 0.0;
    }
    let association = a * d - b * c;
    let corrected = if association > 0.0 {
        (association - (a + b + c + d) / 2.0).max(0.0)
    } else {
        association
    };
    corrected / margins.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paired(both: usize, only_first: usize, only_second: usize, neither: usize) -> Paired {
        let repeat = std::iter::repeat_n;
        let pairs = repeat((true, true), both)
            .chain(repeat((true, false), only_first))
            .chain(repeat((false, true), only_second))
            .chain(repeat((false, false), neither));
        Paired::of(pairs).unwrap()
    }

    /// Newcombe's first example: 36, 12, 2, 0 gives 0.2, from 0.0569 to 0.3404.
    #[test]
    fn the_interval_is_the_published_one() {
        let seen = paired(36, 12, 2, 0);
        assert!((seen.difference - 0.2).abs() < 1e-12);
        assert!((seen.low - 0.0569).abs() < 5e-5, "{seen:?}");
        assert!((seen.high - 0.3404).abs() < 5e-5, "{seen:?}");
        // 2 · (1 + 14 + 91) / 2^14.
        assert!((seen.p - 212.0 / 16384.0).abs() < 1e-12);
    }

    #[test]
    fn swapping_the_two_mirrors_everything() {
        let (seen, mirrored) = (paired(43, 8, 3, 46), paired(43, 3, 8, 46));
        assert_eq!(seen.p, mirrored.p);
        assert!((seen.low + mirrored.high).abs() < 1e-15);
        assert!((seen.high + mirrored.low).abs() < 1e-15);
    }

    #[test]
    fn equal_answers_differ_by_nothing() {
        let seen = paired(300, 0, 0, 0);
        assert_eq!((seen.difference, seen.p), (0.0, 1.0));
        assert_eq!(Paired::of([]), None);
    }
}

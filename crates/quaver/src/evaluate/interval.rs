//! Numbers that carry how sure they are.

use serde::{Deserialize, Serialize};

/// The 97.5 % quantile of the standard normal: two-sided 95 %.
pub(crate) const Z_95: f64 = 1.959_963_984_540_054;

/// A share of `n` cases with its Wilson 95 % interval (Wilson, "Probable inference, the
/// law of succession, and statistical inference", 1927).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Cases counted.
    pub k: u64,
    /// Cases in all; at least 1.
    pub n: u64,
    /// `k / n`, in [0, 1].
    pub value: f64,
    /// Lower end, in [0, value].
    pub low: f64,
    /// Upper end, in [value, 1].
    pub high: f64,
}

impl Rate {
    /// `k` of `n`; `None` where there are no cases or more counted than there are.
    #[must_use]
    pub fn new(k: u64, n: u64) -> Option<Self> {
        if n == 0 || k > n {
            return None;
        }
        let (count, total) = (k as f64, n as f64);
        let value = count / total;
        let z2 = Z_95 * Z_95;
        let center = (count + z2 / 2.0) / (total + z2);
        let half = Z_95 / (total + z2) * (count * (1.0 - value) + z2 / 4.0).sqrt();
        // The ends are exact where all or none count; elsewhere rounding cannot reach them.
        let low = if k == 0 { 0.0 } else { center - half };
        let high = if k == n { 1.0 } else { center + half };
        Some(Self {
            k,
            n,
            value,
            low,
            high,
        })
    }

    /// The share of `true`; `None` where there are no cases.
    pub fn of(cases: impl IntoIterator<Item = bool>) -> Option<Self> {
        let (mut k, mut n) = (0, 0);
        for case in cases {
            k += u64::from(case);
            n += 1;
        }
        Self::new(k, n)
    }
}

/// A statistic that is no share of cases (AUROC, a mean over passes), with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// Units resampled or averaged: source images, or seeds; at least 1.
    pub n: u64,
    /// The statistic on all of them.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_near(got: f64, expected: f64) {
        assert!((got - expected).abs() < 5e-5, "{got} is not {expected}");
    }

    /// Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I,
    /// method 3 (score, no continuity correction).
    #[test]
    fn wilson_interval_is_the_published_one() {
        for (k, n, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let rate = Rate::new(k, n).unwrap();
            assert_near(rate.low, low);
            assert_near(rate.high, high);
        }
    }

    #[test]
    fn half_of_500_is_known_to_4_4_points() {
        let rate = Rate::new(250, 500).unwrap();
        assert_near(rate.high - rate.value, 0.0437);
        assert_near(rate.value - rate.low, 0.0437);
    }

    #[test]
    fn all_and_none_touch_the_ends() {
        assert_eq!(Rate::new(7, 7).unwrap().high, 1.0);
        assert_eq!(Rate::new(0, 7).unwrap().low, 0.0);
    }

    #[test]
    fn no_cases_have_no_rate() {
        assert_eq!(Rate::new(0, 0), None);
        assert_eq!(Rate::new(3, 2), None);
        assert_eq!(Rate::of([]), None);
        assert_eq!(Rate::of([true, false, true]), Rate::new(2, 3));
    }
}

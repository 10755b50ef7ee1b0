//! Means over seeds: each seed trains a network of its own, so these speak about the
//! topology and not about one network.

use serde::{Deserialize, Serialize};

use super::interval::Estimate;
use super::student;

/// Mean and deviation of a number over seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moments {
    /// Seeds; at least 1.
    pub k: u64,
    /// Mean over seeds.
    pub mean: f64,
    /// Sample standard deviation over seeds; `None` with one seed.
    pub deviation: Option<f64>,
}

impl Moments {
    /// Of one value a seed; `None` where there are none or one is not finite.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() || values.iter().any(|v| !v.is_finite()) {
            return None;
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
        Some(Self {
            k: values.len() as u64,
            mean,
            deviation: (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt()),
        })
    }

    /// The mean with its 95 % t interval; `None` with one seed.
    #[must_use]
    pub fn estimate(&self) -> Option<Estimate> {
        let k = self.k as f64;
        let half = student::quantile_975(k - 1.0) * self.deviation? / k.sqrt();
        Some(Estimate {
            n: self.k,
            value: self.mean,
            low: self.mean - half,
            high: self.mean + half,
        })
    }

    /// One-sided p value of "the mean is at most `threshold`" against "above" (one-sample t
    /// test); `None` with one seed. Where all seeds agree exactly it is 0 or 1.
    #[must_use]
    pub fn p_above(&self, threshold: f64) -> Option<f64> {
        let k = self.k as f64;
        let deviation = self.deviation?;
        let excess = self.mean - threshold;
        if deviation == 0.0 {
            return Some(if excess > 0.0 { 0.0 } else { 1.0 });
        }
        Some(student::upper_tail(excess * k.sqrt() / deviation, k - 1.0))
    }

    /// One-sided p value of "the mean is at least `threshold`" against "below".
    #[must_use]
    pub fn p_below(&self, threshold: f64) -> Option<f64> {
        let mirrored = Self {
            mean: -self.mean,
            ..*self
        };
        mirrored.p_above(-threshold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean 3, deviation sqrt(2.5), standard error sqrt(0.5), t(0.975; 4) = 2.7764.
    #[test]
    fn five_seeds_by_hand() {
        let moments = Moments::of(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert_eq!((moments.k, moments.mean), (5, 3.0));
        assert!((moments.deviation.unwrap() - 2.5f64.sqrt()).abs() < 1e-15);
        let estimate = moments.estimate().unwrap();
        assert!((estimate.high - (3.0 + 2.776_445_105 * 0.5f64.sqrt())).abs() < 1e-8);
        // t = (3 - 3 + sqrt 2) / sqrt 0.5 = 2: upper tail 0.05806 at 4 degrees of freedom.
        let p = moments.p_above(3.0 - 2f64.sqrt()).unwrap();
        assert!((p - 0.058_058_261_758).abs() < 1e-10);
        let below = moments.p_below(3.0 - 2f64.sqrt()).unwrap();
        assert!((p + below - 1.0).abs() < 1e-12);
    }

    #[test]
    fn one_seed_has_no_interval() {
        let moments = Moments::of(&[0.9]).unwrap();
        assert_eq!(moments.deviation, None);
        assert_eq!(moments.estimate(), None);
        assert_eq!(moments.p_above(0.0), None);
        assert_eq!(Moments::of(&[]), None);
        assert_eq!(Moments::of(&[1.0, f64::NAN]), None);
    }

    #[test]
    fn seeds_that_agree_exactly_decide() {
        let moments = Moments::of(&[0.0; 5]).unwrap();
        assert_eq!(moments.p_below(0.05), Some(0.0));
        assert_eq!(moments.p_above(0.0), Some(1.0));
    }
}

//! How a per-image quantity is spread over images.

use serde::{Deserialize, Serialize};

use super::interval::Z_95;

/// Mean, standard deviation and variance over images. The paper's tables 3 and 4 call the
/// variance sigma.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// Images; at least 1.
    pub n: u64,
    /// Mean, in the quantity's unit.
    pub mean: f64,
    /// Lower end of the mean's 95 % interval (normal); the mean itself for one image.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Standard deviation (population), in the quantity's unit.
    pub standard_deviation: f64,
    /// Its square.
    pub variance: f64,
}

impl Spread {
    /// Of one value an image; `None` where there are none or one is not finite.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() || values.iter().any(|v| !v.is_finite()) {
            return None;
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
        let half = Z_95 * (variance / (n - 1.0).max(1.0)).sqrt();
        Some(Self {
            n: values.len() as u64,
            mean,
            low: mean - half,
            high: mean + half,
            standard_deviation: variance.sqrt(),
            variance,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_divides_by_the_number_of_images() {
        let spread = Spread::of(&[1.0, 3.0]).unwrap();
        assert_eq!((spread.n, spread.mean), (2, 2.0));
        assert_eq!((spread.standard_deviation, spread.variance), (1.0, 1.0));
    }

    #[test]
    fn missing_values_are_not_averaged_over() {
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[1.0, f64::INFINITY]), None);
    }
}

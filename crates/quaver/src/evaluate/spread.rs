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
        let mut running = Running::default();
        values.iter().for_each(|&value| running.push(value));
        running.spread()
    }
}

/// A [`Spread`] gathered value by value (Welford, "Note on a method for calculating corrected
/// sums of squares and products", 1962).
#[derive(Clone, Copy, Debug, Default)]
pub struct Running {
    n: u64,
    mean: f64,
    squares: f64,
}

impl Running {
    /// Takes the next image's value. One that is not finite leaves no spread.
    pub fn push(&mut self, value: f64) {
        self.n += 1;
        let before = value - self.mean;
        self.mean += before / self.n as f64;
        self.squares += before * (value - self.mean);
    }

    /// The spread so far; `None` where there are no values or one was not finite.
    #[must_use]
    pub fn spread(&self) -> Option<Spread> {
        if self.n == 0 || !self.mean.is_finite() || !self.squares.is_finite() {
            return None;
        }
        let (n, mean) = (self.n as f64, self.mean);
        let variance = self.squares / n;
        let half = Z_95 * (variance / (n - 1.0).max(1.0)).sqrt();
        Some(Spread {
            n: self.n,
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

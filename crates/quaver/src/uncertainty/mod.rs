//! How unsure a randomized network is of an image: measures over its Monte-Carlo passes.
//!
//! [`monte_carlo`] runs the passes and keeps one [`Accumulator`] an image; every
//! [`Measure`] reads only that. A new measure is a file here and a line in [`MEASURES`].

mod accumulator;
mod expected_entropy;
mod margin;
mod max_probability;
mod monte_carlo;
mod mutual_information;
mod predictive_entropy;
mod variance;
mod variation_ratio;

pub use accumulator::Accumulator;
use accumulator::{at_least_zero, entropy};
pub use monte_carlo::{ClassSink, McOutputs, monte_carlo, monte_carlo_classes};

use crate::spec::{SpecError, find_name};

/// All measures, the paper's first.
pub const MEASURES: &[Measure] = &[
    variance::MEASURE,
    predictive_entropy::MEASURE,
    expected_entropy::MEASURE,
    mutual_information::MEASURE,
    variation_ratio::MEASURE,
    max_probability::MEASURE,
    margin::MEASURE,
];

/// An uncertainty measure: a number of an image's passes, higher = more uncertain.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// Name in flags, files and reports.
    pub id: &'static str,
    /// Name for people.
    pub title: &'static str,
    maximum: fn(f64) -> f64,
    of: fn(&Accumulator) -> f64,
    slopes: Option<Slopes>,
}

/// Writes the derivative of a measure with respect to the output `probs` of one of the passes
/// into the last argument, which arrives zeroed.
type Slopes = fn(&Accumulator, &[f64], &mut [f64]);

impl Measure {
    /// The uncertainty, in [0, [`Measure::maximum`]] up to rounding; `None` before the first
    /// pass and where an output was not a number.
    #[must_use]
    pub fn of(&self, seen: &Accumulator) -> Option<f64> {
        let value = (seen.n() > 0).then(|| (self.of)(seen))?;
        value.is_finite().then_some(value)
    }

    /// Whether it changes smoothly with the passes' outputs.
    #[must_use]
    pub const fn has_gradient(&self) -> bool {
        self.slopes.is_some()
    }

    /// Its derivative with respect to each probability of a pass that gave `probs`, which is one
    /// of those seen; zeros without [`Measure::has_gradient`].
    #[must_use]
    pub fn gradient(&self, seen: &Accumulator, probs: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; probs.len()];
        if let Some(slopes) = self.slopes {
            slopes(seen, probs, &mut out);
        }
        out
    }

    /// Largest value there can be with `n_classes` classes; the smallest is 0.
    #[must_use]
    pub fn maximum(&self, n_classes: usize) -> f64 {
        (self.maximum)(n_classes as f64)
    }
}

/// The measure named `id`.
///
/// # Errors
/// [`SpecError::UnknownName`] listing all.
pub fn measure(id: &str) -> Result<Measure, SpecError> {
    let ids: Vec<&str> = MEASURES.iter().map(|measure| measure.id).collect();
    Ok(MEASURES[find_name("uncertainty measure", id, &ids)?])
}

/// Derivative of [`entropy`] with respect to a probability; 0 where that is 0, as the entropy is.
fn entropy_slope(p: f64) -> f64 {
    if p == 0.0 { 0.0 } else { -libm::log(p) - 1.0 }
}

/// The two largest values, largest first; not numbers where one is not.
fn two_largest(values: &[f64]) -> [f64; 2] {
    let mut largest = [f64::NEG_INFINITY; 2];
    for &value in values {
        if value.is_nan() {
            return [f64::NAN; 2];
        }
        if value > largest[0] {
            largest = [value, largest[0]];
        } else if value > largest[1] {
            largest[1] = value;
        }
    }
    largest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::softmax;
    use crate::rng::Rng;

    fn random_passes(id: u64, n_classes: usize, scale: f64) -> Accumulator {
        let mut rng = Rng::new(0, "test", id);
        let mut seen = Accumulator::new(n_classes);
        for _ in 0..20 {
            let logits: Vec<f32> = (0..n_classes)
                .map(|_| (rng.normal() * scale) as f32)
                .collect();
            seen.push(&softmax(&logits));
        }
        seen
    }

    #[test]
    fn ids_are_unique_and_found() {
        for (index, found) in MEASURES.iter().enumerate() {
            assert!(MEASURES[..index].iter().all(|other| other.id != found.id));
            assert_eq!(measure(found.id).unwrap().id, found.id);
        }
        let error = measure("entropy").unwrap_err().to_string();
        assert!(error.contains("\"entropy\"") && error.contains("variance, predictive-entropy"));
    }

    #[test]
    fn every_measure_stays_in_its_range() {
        for id in 0..200 {
            let n_classes = 2 + id as usize % 9;
            let seen = random_passes(id, n_classes, [0.01, 1.0, 30.0][id as usize % 3]);
            for measure in MEASURES {
                let value = measure.of(&seen).unwrap();
                let allowed = 0.0..=measure.maximum(n_classes) + 1e-12;
                assert!(allowed.contains(&value), "{}: {value}", measure.id);
            }
        }
    }

    #[test]
    fn contradicting_passes_are_more_uncertain_than_agreeing_ones() {
        let (mut agreeing, mut contradicting) = (Accumulator::new(3), Accumulator::new(3));
        for pass in 0..10 {
            agreeing.push(&[0.98, 0.01, 0.01]);
            contradicting.push(&[[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]][pass % 2]);
        }
        for measure in MEASURES {
            let [low, high] = [&agreeing, &contradicting].map(|seen| measure.of(seen).unwrap());
            assert!(low < high, "{}: {low} {high}", measure.id);
        }
    }

    #[test]
    fn not_a_number_and_no_passes_give_none() {
        let mut broken = Accumulator::new(2);
        broken.push(&[0.5, 0.5]);
        broken.push(&[f64::NAN, f64::NAN]);
        for measure in MEASURES {
            assert_eq!(measure.of(&broken), None, "{}", measure.id);
            assert_eq!(measure.of(&Accumulator::new(2)), None, "{}", measure.id);
        }
    }
}

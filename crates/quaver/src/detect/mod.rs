//! Detectors: telling adversarial inputs from clean ones by their features.
//!
//! A [`Detector`] is fitted on labeled vectors and gives a [`Fitted`], which can be saved.
//! How well it works is measured in [`crate::evaluate::detection`]. A new detector is a
//! file here and a line in [`REGISTRY`].

mod saved;

pub use logistic_regression::{FittedLogisticRegression, LogisticRegression};
pub use saved::{Named, SCHEMA, Saved};

use serde_json::Value;

use crate::feature::FeatureError;
use crate::spec::{Parameter, Spec, SpecError, Values, find_name};

plug_ins! {
    /// All detectors.
    pub const REGISTRY: Entry = [logistic_regression];
}

/// Features of one input, with where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Id of the source image: a clean input and the adversarial ones made of it share it.
    pub source: u64,
    /// The numbers that the detector reads, as many for each sample; finite.
    pub features: Vec<f64>,
    /// Whether the input is adversarial.
    pub adversarial: bool,
}

/// A way of finding adversarial inputs.
pub trait Detector: Send + Sync {
    /// Its id and all parameters in force.
    ///
    /// # Errors
    /// [`SpecError`] where a parameter has no written form.
    fn spec(&self) -> Result<Spec, SpecError>;
    /// Fits on `samples`, which hold clean and adversarial ones.
    ///
    /// # Errors
    /// [`DetectError`] where a kind is missing, a number is not finite or fitting fails.
    fn fit(&self, samples: &[Sample]) -> Result<Box<dyn Fitted>, DetectError>;
}

/// A fitted detector.
pub trait Fitted: Send + Sync {
    /// Id of its [`Entry`].
    fn id(&self) -> &'static str;
    /// Numbers that it reads.
    fn width(&self) -> usize;
    /// How adversarial an input of these features looks: higher = more, log odds where the
    /// detector has a notion of probability. Unbounded, because probabilities near 1 would
    /// round to ties.
    fn suspicion(&self, features: &[f64]) -> f64;
    /// Derivative of the suspicion with respect to each feature, which an attack on the detector
    /// needs; `None` where it has none.
    fn gradient(&self, features: &[f64]) -> Option<Vec<f64>>;
    /// Suspicion above which the fitted rule itself calls an input adversarial.
    fn threshold(&self) -> f64;
    /// What was fitted, for [`Saved`]; [`Entry::load`] takes it back.
    fn parameters(&self) -> Value;
}

/// A detector as it is found by name.
#[derive(Clone, Copy)]
pub struct Entry {
    /// Name in flags, files and reports.
    pub id: &'static str,
    /// Name for people.
    pub title: &'static str,
    /// Where it comes from: title and year.
    pub paper: &'static str,
    /// What its spec takes.
    pub parameters: &'static [Parameter],
    /// Builds it from their values.
    pub build: fn(&Values) -> Result<Box<dyn Detector>, SpecError>,
    /// Takes [`Fitted::parameters`] back.
    pub load: fn(Value) -> Result<Box<dyn Fitted>, DetectError>,
}

/// Builds a detector from a spec string such as `logistic-regression(c=1,standardize=false)`.
///
/// # Errors
/// [`SpecError`]: no spec, no such detector, no such parameter, or a value out of range.
pub fn build(text: &str) -> Result<Box<dyn Detector>, SpecError> {
    let spec: Spec = text.parse()?;
    let entry = entry(&spec.name)?;
    (entry.build)(&spec.values(entry.parameters)?)
}

/// The detector named `id`.
///
/// # Errors
/// [`SpecError::UnknownName`] listing all.
pub fn entry(id: &str) -> Result<&'static Entry, SpecError> {
    let ids: Vec<&str> = REGISTRY.iter().map(|entry| entry.id).collect();
    Ok(REGISTRY[find_name("detector", id, &ids)?])
}

/// A detector could not be fitted, saved or loaded.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// Its name or a parameter cannot be used.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// One of its features cannot be used.
    #[error(transparent)]
    Feature(#[from] FeatureError),
    /// A saved detector reads other numbers than its features give.
    #[error("saved detector reads {reads} numbers, its features give {given}")]
    Width {
        /// Numbers of the detector.
        reads: usize,
        /// Numbers of the features.
        given: usize,
    },
    /// A saved detector does not read.
    #[error("saved detector does not read: {0}")]
    Format(#[from] serde_json::Error),
    /// A saved detector of another version.
    #[error("saved detector has schema {got}, this program reads {allowed}")]
    Schema {
        /// The number in the file.
        got: u64,
        /// The number this program writes.
        allowed: u64,
    },
    /// All samples are of one kind, so there is nothing to tell apart.
    #[error(
        "a detector needs clean and adversarial inputs: got {n_clean} clean and {n_adversarial} adversarial, allowed from 1 of each"
    )]
    OneKind {
        /// Clean samples.
        n_clean: usize,
        /// Adversarial samples.
        n_adversarial: usize,
    },
    /// A feature or a suspicion is not a finite number.
    #[error("score of source image {source_id}: got {got}, allowed finite numbers")]
    NotFinite {
        /// The source image.
        source_id: u64,
        /// The number.
        got: f64,
    },
    /// Samples hold different counts of numbers.
    #[error("features of source image {source_id}: got {got} numbers, the others have {allowed}")]
    Uneven {
        /// The source image.
        source_id: u64,
        /// Its count.
        got: usize,
        /// The others' count.
        allowed: usize,
    },
    /// The fit did not settle.
    #[error("{detector} did not converge: step {got:e} after {n_steps} steps, allowed {allowed:e}")]
    NotConverged {
        /// Id of the detector.
        detector: &'static str,
        /// Steps taken.
        n_steps: u32,
        /// Size of the last step.
        got: f64,
        /// Largest size of a last step.
        allowed: f64,
    },
}

/// Numbers of each sample, where `samples` hold both kinds, and finite numbers as many each.
///
/// # Errors
/// [`DetectError::OneKind`], [`DetectError::NotFinite`], [`DetectError::Uneven`].
pub fn check_samples(samples: &[Sample]) -> Result<usize, DetectError> {
    let allowed = samples.first().map_or(0, |sample| sample.features.len());
    for sample in samples {
        let (source_id, got) = (sample.source, sample.features.len());
        if got != allowed {
            return Err(DetectError::Uneven {
                source_id,
                got,
                allowed,
            });
        }
        check_finite(source_id, &sample.features)?;
    }
    check_kinds(samples.iter().map(|sample| sample.adversarial))?;
    Ok(allowed)
}

/// Whether all `numbers` of a source image are finite.
///
/// # Errors
/// [`DetectError::NotFinite`].
pub fn check_finite(source_id: u64, numbers: &[f64]) -> Result<(), DetectError> {
    match numbers.iter().find(|number| !number.is_finite()) {
        Some(&got) => Err(DetectError::NotFinite { source_id, got }),
        None => Ok(()),
    }
}

/// Whether some inputs are adversarial and others are not.
///
/// # Errors
/// [`DetectError::OneKind`].
pub fn check_kinds(adversarial: impl Iterator<Item = bool>) -> Result<(), DetectError> {
    let mut counts = [0, 0];
    adversarial.for_each(|adversarial| counts[usize::from(adversarial)] += 1);
    let [n_clean, n_adversarial] = counts;
    if n_clean > 0 && n_adversarial > 0 {
        return Ok(());
    }
    Err(DetectError::OneKind {
        n_clean,
        n_adversarial,
    })
}

/// The suspicion above which at most a share `max_fpr` of `clean` ones lie; `None` where
/// there are none or one is not a number.
#[must_use]
pub fn threshold_at(clean: &[f64], max_fpr: f64) -> Option<f64> {
    if clean.iter().any(|suspicion| suspicion.is_nan()) {
        return None;
    }
    let mut descending = clean.to_vec();
    descending.sort_unstable_by(|a, b| b.total_cmp(a));
    // A little slack, because shares such as 0.05 are not exact in binary.
    let n_allowed = (max_fpr * clean.len() as f64 + 1e-9).floor() as usize;
    let last = clean.len().checked_sub(1)?;
    descending.get(n_allowed.min(last)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_found() {
        for (index, found) in REGISTRY.iter().enumerate() {
            assert!(REGISTRY[..index].iter().all(|other| other.id != found.id));
            assert_eq!(build(found.id).unwrap().spec().unwrap().name, found.id);
        }
        for found in REGISTRY {
            for parameter in found.parameters {
                for value in parameter.refused() {
                    let text = format!("{}({}={value})", found.id, parameter.name);
                    assert!(build(&text).is_err(), "{text}");
                }
            }
        }
        let error = entry("lid").err().unwrap().to_string();
        assert!(error.contains("\"lid\"") && error.contains("logistic-regression"));
    }

    #[test]
    fn thresholds_keep_the_false_alarms_below_the_bound() {
        let clean: Vec<f64> = (0..20).map(f64::from).collect();
        assert_eq!(threshold_at(&clean, 0.05), Some(18.0));
        assert_eq!(threshold_at(&clean, 0.04), Some(19.0));
        assert_eq!(threshold_at(&clean, 1.0), Some(0.0));
        // Ties at the bound are all let pass.
        assert_eq!(threshold_at(&[1.0, 1.0, 1.0, 0.0], 0.5), Some(1.0));
        assert_eq!(threshold_at(&[], 0.05), None);
        assert_eq!(threshold_at(&[1.0, f64::NAN], 0.05), None);
    }
}

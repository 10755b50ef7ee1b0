//! Detectors: telling adversarial inputs from clean ones by a score.
//!
//! A [`Detector`] is fitted on labeled scores and gives a [`Fitted`], which can be saved.
//! How well it works is measured in [`crate::evaluate::detection`]. A new detector is a
//! file here and a line in [`REGISTRY`].

mod logistic_regression;
mod saved;

pub use logistic_regression::{
    FittedLogisticRegression, LogisticRegression, LogisticRegressionParams,
};
pub use saved::{SCHEMA, Saved};

use serde_json::Value;

use crate::spec::{Spec, SpecError, find_name};

/// A score of one input, with where it came from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Id of the source image: a clean input and the adversarial ones made of it share it.
    pub source: u64,
    /// The score the detector reads, as an uncertainty; finite.
    pub score: f64,
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
    /// [`DetectError`] where a kind is missing, a score is not finite or fitting fails.
    fn fit(&self, samples: &[Sample]) -> Result<Box<dyn Fitted>, DetectError>;
}

/// A fitted detector.
pub trait Fitted: Send + Sync {
    /// Id of its [`Entry`].
    fn id(&self) -> &'static str;
    /// How adversarial an input of this score looks: higher = more, log odds where the
    /// detector has a notion of probability. Unbounded, because probabilities near 1 would
    /// round to ties.
    fn suspicion(&self, score: f64) -> f64;
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
    /// Builds it from the parameters of a spec, all checked.
    pub build: fn(&Spec) -> Result<Box<dyn Detector>, SpecError>,
    /// Takes [`Fitted::parameters`] back.
    pub load: fn(Value) -> Result<Box<dyn Fitted>, DetectError>,
}

/// All detectors.
pub const REGISTRY: &[Entry] = &[logistic_regression::ENTRY];

/// Builds a detector from a spec string such as `logistic-regression(c=1,standardize=false)`.
///
/// # Errors
/// [`SpecError`]: no spec, no such detector, no such parameter, or a value out of range.
pub fn build(text: &str) -> Result<Box<dyn Detector>, SpecError> {
    let spec: Spec = text.parse()?;
    (entry(&spec.name)?.build)(&spec)
}

/// The detector named `id`.
///
/// # Errors
/// [`SpecError::UnknownName`] listing all.
pub fn entry(id: &str) -> Result<&'static Entry, SpecError> {
    let ids: Vec<&str> = REGISTRY.iter().map(|entry| entry.id).collect();
    Ok(&REGISTRY[find_name("detector", id, &ids)?])
}

/// A detector could not be fitted, saved or loaded.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// Its name or a parameter cannot be used.
    #[error(transparent)]
    Spec(#[from] SpecError),
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
    /// A score is not a finite number.
    #[error("score of source image {source_id}: got {got}, allowed finite numbers")]
    NotFinite {
        /// The source image.
        source_id: u64,
        /// The score.
        got: f64,
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

/// Whether `samples` hold both kinds and only finite scores.
///
/// # Errors
/// [`DetectError::OneKind`], [`DetectError::NotFinite`].
pub fn check_samples(samples: &[Sample]) -> Result<(), DetectError> {
    if let Some(broken) = samples.iter().find(|sample| !sample.score.is_finite()) {
        return Err(DetectError::NotFinite {
            source_id: broken.source,
            got: broken.score,
        });
    }
    let n_adversarial = samples.iter().filter(|sample| sample.adversarial).count();
    let n_clean = samples.len() - n_adversarial;
    if n_clean == 0 || n_adversarial == 0 {
        return Err(DetectError::OneKind {
            n_clean,
            n_adversarial,
        });
    }
    Ok(())
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
        let error = entry("lid").err().unwrap().to_string();
        assert!(error.contains("\"lid\"") && error.contains("logistic-regression"));
    }
}

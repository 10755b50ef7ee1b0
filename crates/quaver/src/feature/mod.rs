//! Features: numbers of an input that a detector reads, such as uncertainties over passes,
//! densities of hidden layers, or distances.
//!
//! A [`Feature`] is fitted on a classifier and a [`Reference`] set and gives a [`Fitted`], which
//! can be saved. Every uncertainty measure is one by its name; another is a file here and a line
//! in [`REGISTRY`]. [`Features`] join several into one vector.

mod hex;
mod joined;
mod measure;
mod seen;

pub use joined::{Features, Saved};
pub use seen::Seen;

use ndarray::{Array2, ArrayView2};
use serde_json::Value;

use crate::classifier::{Batch, Classifier, ClassifierError, Images, Tap};
use crate::spec::{Parameter, Spec, SpecError, Values, find_name};
use crate::uncertainty::MEASURES;

plug_ins! {
    /// All features beside the uncertainty measures.
    pub const REGISTRY: Entry = [kde];
}

/// A feature as it is found by name.
pub struct Entry {
    /// Name in specs.
    pub id: &'static str,
    /// Name for people.
    pub title: &'static str,
    /// Where it comes from: title and year.
    pub paper: &'static str,
    /// What its spec takes.
    pub parameters: &'static [Parameter],
    /// Builds it from their values.
    pub build: fn(&Values) -> Result<Box<dyn Feature>, SpecError>,
}

/// Clean images that a feature may learn from; none of them should be used to fit a detector.
#[derive(Clone, Copy, Debug)]
pub struct Reference<'a> {
    /// The images.
    pub batch: Batch<'a>,
    /// Their true classes; what a classifier takes them for, it can be asked.
    pub labels: &'a [usize],
}

/// A number, or several, of an input.
pub trait Feature: Send + Sync {
    /// Fits it.
    ///
    /// # Errors
    /// [`FeatureError`] where the reference set or a layer is missing, or the classifier refuses.
    fn fit(
        &self,
        classifier: &dyn Classifier,
        reference: Option<&Reference<'_>>,
    ) -> Result<Box<dyn Fitted>, FeatureError>;
    /// Takes [`Fitted::parameters`] back.
    ///
    /// # Errors
    /// [`FeatureError`] where they do not read.
    fn load(&self, fitted: Value) -> Result<Box<dyn Fitted>, FeatureError>;
}

/// A fitted feature.
pub trait Fitted: Send + Sync {
    /// Numbers an image.
    fn width(&self) -> usize {
        1
    }
    /// Outputs, noise off, that it reads of [`Seen`].
    fn taps(&self) -> Vec<Tap<'_>> {
        Vec::new()
    }
    /// The numbers `(n, width)`; not numbers where an output is none.
    ///
    /// # Errors
    /// [`FeatureError`] where the classifier refuses.
    fn numbers(&self, seen: &Seen<'_>) -> Result<Array2<f64>, FeatureError>;
    /// Sum over numbers of `upstream` `(n, width)` times their gradients with respect to the
    /// images, classes and what the passes drew held fixed.
    ///
    /// # Errors
    /// [`FeatureError::NoGradient`], and where the classifier refuses.
    fn pull_back(
        &self,
        seen: &Seen<'_>,
        upstream: ArrayView2<'_, f64>,
    ) -> Result<Images, FeatureError>;
    /// What was fitted; [`Feature::load`] takes it back.
    fn parameters(&self) -> Value;
}

/// A feature could not be fitted, loaded or computed.
#[derive(Debug, thiserror::Error)]
pub enum FeatureError {
    /// Its name or a parameter cannot be used.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The classifier refused.
    #[error(transparent)]
    Classifier(#[from] ClassifierError),
    /// What was saved does not read.
    #[error("saved feature does not read: {0}")]
    Format(#[from] serde_json::Error),
    /// What was saved holds numbers of a wrong count, or values that are none.
    #[error("saved feature {feature} is damaged")]
    Damaged {
        /// Its name.
        feature: &'static str,
    },
    /// It learns from a reference set and was given none.
    #[error("{feature} needs a reference set of clean images with their classes")]
    NoReference {
        /// Its name.
        feature: &'static str,
    },
    /// The reference set lacks a class.
    #[error("the reference set has no image of class {class}")]
    EmptyClass {
        /// The class.
        class: usize,
    },
    /// It has no gradient.
    #[error("{feature} has no gradient")]
    NoGradient {
        /// Its name.
        feature: &'static str,
    },
}

/// The feature of a spec string such as `variance` or `kde(bandwidth=0.26)`, and the spec with
/// all parameters in force.
///
/// # Errors
/// [`SpecError`]: no spec, no such feature, no such parameter, or a value out of range.
pub fn build(text: &str) -> Result<(Spec, Box<dyn Feature>), SpecError> {
    let spec: Spec = text.parse()?;
    let ids = MEASURES.iter().map(|measure| measure.id);
    let ids: Vec<&str> = ids.chain(REGISTRY.iter().map(|entry| entry.id)).collect();
    let place = find_name("feature", &spec.name, &ids)?;
    let Some(measure) = MEASURES.get(place) else {
        let entry = REGISTRY[place - MEASURES.len()];
        let values = spec.values(entry.parameters)?;
        return Ok((values.spec().clone(), (entry.build)(&values)?));
    };
    Ok((spec.values(&[])?.spec().clone(), Box::new(*measure)))
}

#[cfg(test)]
mod tests;

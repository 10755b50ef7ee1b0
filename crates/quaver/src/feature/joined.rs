//! [`Features`]: several features as one vector.

use ndarray::{Array2, Array4, ArrayView2, Axis, Slice, concatenate};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{FeatureError, Fitted, Reference, Seen, build};
use crate::classifier::{Classifier, ClassifierError, Images, Tap};

/// A fitted feature as it lies in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    /// Its spec with all parameters.
    pub feature: String,
    /// What was fitted.
    pub fitted: Value,
}

/// Fitted features side by side, in the order they were given.
pub struct Features {
    parts: Vec<(String, Box<dyn Fitted>)>,
}

impl Features {
    /// Fits the features of `specs`.
    ///
    /// # Errors
    /// [`FeatureError`] of the first that cannot be built or fitted.
    pub fn fit(
        specs: &[String],
        classifier: &dyn Classifier,
        reference: Option<&Reference<'_>>,
    ) -> Result<Self, FeatureError> {
        let fit = |text: &String| {
            let (spec, feature) = build(text)?;
            Ok((spec.to_string(), feature.fit(classifier, reference)?))
        };
        let parts = specs.iter().map(fit).collect::<Result<_, FeatureError>>()?;
        Ok(Self { parts })
    }

    /// Takes [`Features::saved`] back.
    ///
    /// # Errors
    /// [`FeatureError`] of the first that does not read.
    pub fn load(saved: &[Saved]) -> Result<Self, FeatureError> {
        let load = |saved: &Saved| {
            let (spec, feature) = build(&saved.feature)?;
            Ok((spec.to_string(), feature.load(saved.fitted.clone())?))
        };
        let parts = saved
            .iter()
            .map(load)
            .collect::<Result<_, FeatureError>>()?;
        Ok(Self { parts })
    }

    /// What was fitted.
    #[must_use]
    pub fn saved(&self) -> Vec<Saved> {
        let saved = |(feature, fitted): &(String, Box<dyn Fitted>)| Saved {
            feature: feature.clone(),
            fitted: fitted.parameters(),
        };
        self.parts.iter().map(saved).collect()
    }

    /// Specs of the features, in order.
    pub fn specs(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|(spec, _)| spec.as_str())
    }

    /// Numbers an image.
    #[must_use]
    pub fn width(&self) -> usize {
        self.parts.iter().map(|(_, part)| part.width()).sum()
    }

    /// All outputs that they read, each once.
    #[must_use]
    pub fn taps(&self) -> Vec<Tap<'_>> {
        let mut taps = Vec::new();
        for tap in self.parts.iter().flat_map(|(_, part)| part.taps()) {
            if !taps.contains(&tap) {
                taps.push(tap);
            }
        }
        taps
    }

    /// The vectors `(n, width)`.
    ///
    /// # Errors
    /// As [`Fitted::numbers`].
    pub fn numbers(&self, seen: &Seen<'_>) -> Result<Array2<f64>, FeatureError> {
        let numbers = self.parts.iter().map(|(_, part)| part.numbers(seen));
        let numbers = numbers.collect::<Result<Vec<_>, FeatureError>>()?;
        let views: Vec<ArrayView2<'_, f64>> = numbers.iter().map(|part| part.view()).collect();
        match &views[..] {
            [] => Ok(Array2::zeros((seen.batch.ids.len(), 0))),
            _ => Ok(concatenate(Axis(1), &views).map_err(ClassifierError::Layout)?),
        }
    }

    /// As [`Fitted::pull_back`] of all.
    ///
    /// # Errors
    /// As [`Fitted::pull_back`].
    pub fn pull_back(
        &self,
        seen: &Seen<'_>,
        upstream: ArrayView2<'_, f64>,
    ) -> Result<Images, FeatureError> {
        let mut sum = Array4::zeros(seen.batch.x.raw_dim());
        let mut from = 0;
        for (_, part) in &self.parts {
            let own = Slice::from(from..from + part.width());
            sum += &part.pull_back(seen, upstream.slice_axis(Axis(1), own))?;
            from += part.width();
        }
        Ok(sum)
    }
}

//! Every uncertainty measure is a feature.

use ndarray::{Array2, ArrayView2};
use serde_json::Value;

use super::{Feature, FeatureError, Fitted, Reference, Seen};
use crate::classifier::{Classifier, Images, Tap};
use crate::decision::softmax;
use crate::uncertainty::Measure;

impl Feature for Measure {
    fn fit(
        &self,
        _: &dyn Classifier,
        _: Option<&Reference<'_>>,
    ) -> Result<Box<dyn Fitted>, FeatureError> {
        Ok(Box::new(*self))
    }

    fn load(&self, fitted: Value) -> Result<Box<dyn Fitted>, FeatureError> {
        let () = serde_json::from_value(fitted)?;
        Ok(Box::new(*self))
    }
}

impl Fitted for Measure {
    fn numbers(&self, seen: &Seen<'_>) -> Result<Array2<f64>, FeatureError> {
        let of = |(row, _)| self.of(&seen.images[row]).unwrap_or(f64::NAN);
        Ok(Array2::from_shape_fn((seen.images.len(), 1), of))
    }

    fn pull_back(
        &self,
        seen: &Seen<'_>,
        upstream: ArrayView2<'_, f64>,
    ) -> Result<Images, FeatureError> {
        if !self.has_gradient() {
            return Err(FeatureError::NoGradient { feature: self.id });
        }
        let pull = |row: usize, _, outputs: &[&[f32]], logits: &mut [&mut [f32]]| {
            let probs = softmax(outputs[0]);
            let slopes = self.gradient(&seen.images[row], &probs);
            let mean: f64 = probs.iter().zip(&slopes).map(|(p, slope)| p * slope).sum();
            for ((logit, p), slope) in logits[0].iter_mut().zip(&probs).zip(&slopes) {
                *logit = (upstream[[row, 0]] * p * (slope - mean)) as f32;
            }
        };
        let noises = seen.noises();
        let vjp = seen
            .classifier
            .vjp(seen.batch, &noises, &[Tap::Logits], &pull)?;
        Ok(vjp.gradient)
    }

    fn parameters(&self) -> Value {
        Value::Null
    }
}

//! Temperature.

use quaver_nn::op::{Affine, Op};
use serde::Deserialize;

use crate::spec::{Allowed, Interval, Parameter};

use super::logits::LogitMap;
use super::{Entry, Wrapper};

pub(super) const ENTRY: Entry = Entry {
    id: "temperature",
    title: "Logits divided by a temperature",
    paper: "On Calibration of Modern Neural Networks (2017)",
    parameters: &[Parameter {
        name: "t",
        default: "1",
        allowed: Allowed::Real(&[Interval::closed(0.001, 1000.0)]),
        about: "temperature; above 1 probabilities are closer to each other",
    }],
    build: |values| {
        let temperature: Temperature = values.read()?;
        Ok(Wrapper::Logits(Box::new(temperature)))
    },
};

/// Logits divided by a temperature: softer probabilities above 1, harder ones below.
///
/// # Method
/// z / t. The class of a pass stays; the softmax, the mean over passes and uncertainty change.
///
/// # Source
/// "Distilling the Knowledge in a Neural Network" (2015); for calibration "On Calibration of
/// Modern Neural Networks" (2017).
///
/// # Limits
/// No defense: a low temperature makes the softmax so sure that gradients of the cross-entropy
/// vanish, as defensive distillation does, and attacks on logits do not mind ("Towards Evaluating
/// the Robustness of Neural Networks", 2017).
#[derive(Deserialize)]
pub struct Temperature {
    t: f64,
}

impl Temperature {
    fn scale(&self, values: &mut [f32]) {
        let factor = (1.0 / self.t) as f32;
        values.iter_mut().for_each(|value| *value *= factor);
    }
}

impl LogitMap for Temperature {
    fn apply(&self, logits: &mut [f32]) {
        self.scale(logits);
    }

    fn pull(&self, _: &[f32], gradient: &mut [f32]) {
        self.scale(gradient);
    }

    fn op(&self) -> Option<Box<dyn Op>> {
        let (scale, shift) = (vec![1.0 / self.t], vec![0.0]);
        Some(Box::new(Affine { scale, shift }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_and_gradients_are_divided() {
        let temperature = Temperature { t: 4.0 };
        let mut logits = [8.0, -2.0];
        temperature.apply(&mut logits);
        assert_eq!(logits, [2.0, -0.5]);
        let mut gradient = [1.0, -4.0];
        temperature.pull(&[8.0, -2.0], &mut gradient);
        assert_eq!(gradient, [0.25, -1.0]);
    }
}

//! Stochastic binarization.

use super::{Checked, Quantizer, Surrogate};
use crate::noise::{LayerDraw, Purpose};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a stochastic quantizer does outside training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TestWeights {
    /// Draws anew at every pass, as in training.
    #[default]
    Resample,
    /// Takes the more likely value.
    Sign,
    /// Uses the latent value itself.
    Real,
}

/// The weights that gradients with respect to a layer's input go through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputGradient {
    /// Those that were drawn.
    #[default]
    Sample,
    /// Their expectation, which is the latent value: P(+1) = (r + 1) / 2.
    Expectation,
}

impl InputGradient {
    fn is_sample(&self) -> bool {
        *self == Self::Sample
    }
}

/// +1 with probability clip((r + 1) / 2, 0, 1), else −1 (Courbariaux et al., "Binarized Neural
/// Networks", 2016; the paper's eq. 2 and 3). One draw for all examples of a pass. While noise
/// is off: the more likely value.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StochasticSign {
    /// What stands for the gradient, which flows through the sample.
    pub surrogate: Surrogate,
    /// What happens outside training.
    pub test_weights: TestWeights,
    /// Which weights gradients with respect to the input go through.
    #[serde(skip_serializing_if = "InputGradient::is_sample")]
    pub input_gradient: InputGradient,
}

impl Checked for StochasticSign {}

impl Quantizer for StochasticSign {
    fn name(&self) -> &'static str {
        "stochastic-sign"
    }
    fn config(&self) -> Value {
        serde_json::json!(self)
    }
    fn range(&self) -> Option<(f32, f32)> {
        Some((-1.0, 1.0))
    }
    fn is_stochastic(&self) -> bool {
        true
    }
    fn is_stochastic_at_test(&self) -> bool {
        self.test_weights == TestWeights::Resample
    }
    fn is_binary(&self) -> bool {
        self.test_weights != TestWeights::Real
    }
    fn quantize(&self, latent: &[f32], draw: Option<LayerDraw>, out: &mut [f32]) {
        let training = draw.is_some_and(|draw| draw.purpose == Purpose::Train);
        match draw {
            Some(draw) if training || self.test_weights == TestWeights::Resample => {
                draw.uniforms(out);
                for (out, r) in out.iter_mut().zip(latent) {
                    *out = if *out < (r + 1.0) / 2.0 { 1.0 } else { -1.0 };
                }
            }
            _ if self.test_weights == TestWeights::Real => out.copy_from_slice(latent),
            _ => {
                for (out, r) in out.iter_mut().zip(latent) {
                    *out = if *r >= 0.0 { 1.0 } else { -1.0 };
                }
            }
        }
    }
    fn surrogate(&self) -> Surrogate {
        self.surrogate
    }
    fn gradient_values(&self, latent: &[f32], out: &mut Vec<f32>) {
        if self.input_gradient == InputGradient::Expectation {
            out.extend(latent.iter().map(|r| r.clamp(-1.0, 1.0)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::Draw;

    fn share_of_ones(r: f32) -> f64 {
        let draw = Draw {
            seed: 3,
            purpose: Purpose::Passes,
            pass: 0,
        }
        .of_layer("w");
        let mut out = vec![0.0; 40_000];
        StochasticSign::default().quantize(&vec![r; 40_000], Some(draw), &mut out);
        assert!(out.iter().all(|v| v.abs() == 1.0));
        out.iter().filter(|v| **v > 0.0).count() as f64 / 40_000.0
    }

    #[test]
    fn probability_is_the_hard_sigmoid() {
        for (r, p) in [
            (-1.5, 0.0),
            (-1.0, 0.0),
            (-0.5, 0.25),
            (0.0, 0.5),
            (0.6, 0.8),
            (1.0, 1.0),
        ] {
            assert!((share_of_ones(r) - p).abs() < 0.01, "r = {r}");
        }
    }

    #[test]
    fn only_weights_drawn_anew_are_random_outside_training() {
        for (test_weights, expected) in [
            (TestWeights::Resample, true),
            (TestWeights::Sign, false),
            (TestWeights::Real, false),
        ] {
            let quantizer = StochasticSign {
                test_weights,
                ..StochasticSign::default()
            };
            assert!(quantizer.is_stochastic());
            assert_eq!(
                quantizer.is_stochastic_at_test(),
                expected,
                "{test_weights:?}"
            );
        }
    }

    #[test]
    fn off_is_the_likelier_value() {
        let mut out = [0.0; 3];
        StochasticSign::default().quantize(&[-0.1, 0.0, 0.1], None, &mut out);
        assert_eq!(out, [-1.0, 1.0, 1.0]);
    }
}

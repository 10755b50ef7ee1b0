//! Uniform quantization with a step and a range.

use super::{Checked, Quantizer, Surrogate};
use crate::noise::LayerDraw;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `clip(round(r / step) · step, min, max)`, ties to even (Hubara et al., "Quantized Neural
/// Networks", 2016; the paper's eq. 6).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    /// Distance between levels, positive, finite and not subnormal in 32 bits.
    pub step: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value, above `min`.
    pub max: f64,
    /// What stands for the gradient.
    #[serde(default)]
    pub surrogate: Surrogate,
}

impl Checked for Linear {
    fn check(&self) -> Result<(), String> {
        let step = self.step as f32;
        if !(step > 0.0 && step.is_normal()) {
            return Err(format!(
                "step must be {:e} to {:e}, got {:e}",
                f32::MIN_POSITIVE,
                f32::MAX,
                self.step
            ));
        }
        if !(self.min < self.max && self.min.is_finite() && self.max.is_finite()) {
            return Err(format!(
                "min must be below max, both finite, got {} and {}",
                self.min, self.max
            ));
        }
        Ok(())
    }
}

impl Quantizer for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }
    fn config(&self) -> Value {
        serde_json::json!(self)
    }
    fn range(&self) -> Option<(f32, f32)> {
        Some((self.min as f32, self.max as f32))
    }
    fn quantize(&self, latent: &[f32], _draw: Option<LayerDraw>, out: &mut [f32]) {
        let (step, min, max) = (self.step as f32, self.min as f32, self.max as f32);
        for (out, r) in out.iter_mut().zip(latent) {
            *out = ((r / step).round_ties_even() * step).clamp(min, max);
        }
    }
    fn surrogate(&self) -> Surrogate {
        self.surrogate
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Simd;

    #[test]
    fn steps_and_clips() {
        let quantizer = Linear {
            step: 0.25,
            min: -0.5,
            max: 1.0,
            surrogate: Surrogate::default(),
        };
        let mut out = [0.0; 5];
        quantizer.quantize(&[-3.0, -0.3, 0.125, 0.38, 9.0], None, &mut out);
        assert_eq!(out, [-0.5, -0.25, 0.0, 0.5, 1.0]);
        let mut gradient = [1.0; 3];
        let range = quantizer.range().unwrap();
        let surrogate = quantizer.surrogate();
        surrogate.apply(Simd::best(), &[-0.6, 0.0, 1.0], &mut gradient, range);
        assert_eq!(gradient, [0.0, 1.0, 1.0]);
    }

    #[test]
    fn steps_whose_inverse_is_no_number_are_refused() {
        let check = |step: f64| {
            let (min, max, surrogate) = (0.0, 1.0, Surrogate::default());
            let quantizer = Linear {
                step,
                min,
                max,
                surrogate,
            };
            quantizer.check()
        };
        for step in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e39, 1e-39, 2.278e-41] {
            assert!(
                check(step).unwrap_err().starts_with("step must be "),
                "{step}"
            );
        }
        assert!(check(1e-30).is_ok() && check(1e30).is_ok());
    }
}

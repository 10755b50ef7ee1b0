//! Uniform quantization to a number of bits.

use super::{Checked, Quantizer, Surrogate};
use crate::noise::LayerDraw;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `clip(round(r · 2^(b−1)) / 2^(b−1), −1, 1)`, ties to even (the paper's eq. 11, its lower
/// bound corrected to −1): 2^b + 1 levels.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KBit {
    /// b, 1 to 16.
    pub bits: u32,
    /// What stands for the gradient.
    #[serde(default)]
    pub surrogate: Surrogate,
}

impl Checked for KBit {
    fn check(&self) -> Result<(), String> {
        if (1..=16).contains(&self.bits) {
            return Ok(());
        }
        Err(format!("bits must be 1 to 16, got {}", self.bits))
    }
}

impl Quantizer for KBit {
    fn name(&self) -> &'static str {
        "k-bit"
    }
    fn config(&self) -> Value {
        serde_json::json!(self)
    }
    fn range(&self) -> Option<(f32, f32)> {
        Some((-1.0, 1.0))
    }
    fn quantize(&self, latent: &[f32], _draw: Option<LayerDraw>, out: &mut [f32]) {
        // Adding and taking away 1.5 · 2²³ rounds to the nearest integer, ties to even.
        const ROUND: f32 = 12_582_912.0;
        let levels = (1_u32 << (self.bits - 1)) as f32;
        for (out, r) in out.iter_mut().zip(latent) {
            let scaled = (r.clamp(-2.0, 2.0) * levels + ROUND) - ROUND;
            *out = (scaled / levels).clamp(-1.0, 1.0);
        }
    }
    fn surrogate(&self) -> Surrogate {
        self.surrogate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_bits_have_five_levels_and_ties_go_to_even() {
        let quantizer = KBit {
            bits: 2,
            surrogate: Surrogate::default(),
        };
        let latent = [
            -7.0,
            -0.76,
            -0.75,
            -0.25,
            0.2,
            0.25,
            0.26,
            0.75,
            0.99,
            f32::MAX,
        ];
        let mut out = [0.0; 10];
        quantizer.quantize(&latent, None, &mut out);
        assert_eq!(out, [-1.0, -1.0, -1.0, 0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn rounding_equals_the_library_function() {
        for bits in 1..=16 {
            let levels = (1_u32 << (bits - 1)) as f32;
            for i in -4000..4000 {
                let r = i as f32 / 3217.0;
                let mut out = [0.0];
                KBit {
                    bits,
                    surrogate: Surrogate::default(),
                }
                .quantize(&[r], None, &mut out);
                let expected = ((r * levels).round_ties_even() / levels).clamp(-1.0, 1.0);
                assert_eq!(out[0], expected, "bits = {bits}, r = {r}");
            }
        }
    }
}

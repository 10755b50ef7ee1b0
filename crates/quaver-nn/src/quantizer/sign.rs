//! Deterministic binarization.

use super::{Checked, Quantizer, Surrogate};
use crate::noise::LayerDraw;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// +1 if r ≥ 0, else −1; zero maps to +1 (Courbariaux et al., "Binarized Neural Networks",
/// 2016; the paper's eq. 1).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sign {
    /// What stands for the gradient.
    pub surrogate: Surrogate,
}

impl Checked for Sign {}

impl Quantizer for Sign {
    fn name(&self) -> &'static str {
        "sign"
    }
    fn config(&self) -> Value {
        serde_json::json!(self)
    }
    fn range(&self) -> Option<(f32, f32)> {
        Some((-1.0, 1.0))
    }
    fn is_binary(&self) -> bool {
        true
    }
    fn quantize(&self, latent: &[f32], _draw: Option<LayerDraw>, out: &mut [f32]) {
        for (out, r) in out.iter_mut().zip(latent) {
            *out = if *r >= 0.0 { 1.0 } else { -1.0 };
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
    fn zero_is_plus_one() {
        let mut out = [0.0; 4];
        Sign::default().quantize(&[0.0, -0.0, -1e-30, 2.0], None, &mut out);
        assert_eq!(out, [1.0, 1.0, -1.0, 1.0]);
    }
}

//! Weights on a grid: which quantizer makes them, and from what.

use super::array::Array;
use super::fold::Constant;
use crate::quantizer::{Quantization, Surrogate};
use serde_json::json;

/// Most bits that are looked for.
const MAX_BITS: u32 = 8;

/// Weights as a layer stores them.
pub(super) struct Weights {
    pub(super) values: Vec<f32>,
    pub(super) quantizer: Option<Quantization>,
}

/// The quantizer and latent values whose grid values are exactly the numbers of `constant`.
/// Without one, the numbers themselves.
pub(super) fn recognize(constant: &Constant, surrogate: Surrogate) -> Weights {
    let grid = constant.array.as_floats();
    let latent = constant.latent.as_ref().map(Array::as_floats);
    let candidates = latent.as_ref().into_iter().chain([&grid]);
    for candidate in candidates.filter(|_| is_grid(&grid)) {
        if let Some((values, quantizer)) = quantizer(candidate, &grid, surrogate) {
            return Weights {
                values,
                quantizer: Some(quantizer),
            };
        }
    }
    Weights {
        values: grid,
        quantizer: None,
    }
}

/// Few values, each many times: what trained float weights never are.
fn is_grid(values: &[f32]) -> bool {
    let mut distinct: Vec<u32> = Vec::new();
    for value in values {
        // Both zeros are one value.
        let bits = (value + 0.0).to_bits();
        if let Err(at) = distinct.binary_search(&bits) {
            distinct.insert(at, bits);
            if distinct.len() > (1 << MAX_BITS) + 1 || 2 * distinct.len() > values.len() {
                return false;
            }
        }
    }
    distinct.len() > 1
}

fn quantizer(
    latent: &[f32],
    grid: &[f32],
    surrogate: Surrogate,
) -> Option<(Vec<f32>, Quantization)> {
    let makes = |quantizer: &Quantization, latent: &[f32]| {
        let mut out = vec![0.0; latent.len()];
        quantizer.get().quantize(latent, None, &mut out);
        out == grid
    };
    let sign = Quantization::from_config("sign", json!({ "surrogate": surrogate })).ok()?;
    if makes(&sign, latent) {
        return Some((latent.to_vec(), sign));
    }
    let largest = grid.iter().fold(0.0, |m: f32, v| m.max(v.abs()));
    for bits in 1..=MAX_BITS {
        let config = json!({ "bits": bits, "surrogate": surrogate });
        let k_bit = Quantization::from_config("k-bit", config).ok()?;
        // Exporters fold the first product of a quantizer into its weights.
        for scale in [1.0, (1_u32 << (bits - 1)) as f32] {
            let scaled: Vec<f32> = latent.iter().map(|v| v / scale).collect();
            if largest <= 1.0 && makes(&k_bit, &scaled) {
                return Some((scaled, k_bit));
            }
        }
    }
    // Multiples of one step, the smallest distance from 0.
    let nonzero = grid.iter().map(|v| v.abs()).filter(|v| *v > 0.0);
    let step = nonzero.fold(f32::INFINITY, f32::min);
    let low = grid.iter().copied().fold(0.0, f32::min);
    let high = grid.iter().copied().fold(0.0, f32::max);
    let config = json!({ "step": f64::from(step), "min": f64::from(low), "max": f64::from(high),
                         "surrogate": surrogate });
    let linear = Quantization::from_config("linear", config).ok()?;
    makes(&linear, latent).then(|| (latent.to_vec(), linear))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(values: Vec<f32>, latent: Option<Vec<f32>>) -> Option<&'static str> {
        let n = values.len();
        let constant = Constant {
            array: Array::floats(vec![n], values),
            latent: latent.map(|latent| Array::floats(vec![n], latent)),
        };
        recognize(&constant, Surrogate::default())
            .quantizer
            .map(|q| q.get().name())
    }

    #[test]
    fn grids_are_recognized_and_others_left() {
        assert_eq!(name(vec![1.0, -1.0, -1.0, 1.0], None), Some("sign"));
        assert_eq!(
            name(vec![0.5, -1.0, 0.5, -1.0, 0.0, 0.0], None),
            Some("k-bit")
        );
        assert_eq!(name(vec![0.3, -0.3, 0.3, -0.3], None), Some("linear"));
        assert_eq!(name(vec![0.3, -0.2, 0.1, 0.25], None), None);
        assert_eq!(name(vec![0.7; 4], None), None);
    }

    #[test]
    fn latent_values_survive_with_the_scale_that_was_folded_into_them() {
        let (grid, latent) = (vec![0.5, -1.0, 0.5, -1.0], vec![1.2, -7.0, 0.9, -1.6]);
        let constant = Constant {
            array: Array::floats(vec![4], grid),
            latent: Some(Array::floats(vec![4], latent)),
        };
        let weights = recognize(&constant, Surrogate::Identity);
        assert_eq!(weights.values, [0.6, -3.5, 0.45, -0.8]);
        let config = weights.quantizer.unwrap().get().config();
        assert_eq!(config, json!({ "bits": 2, "surrogate": "identity" }));
    }
}

//! Weights on a grid: which quantizer makes them, and from what.

use super::array::Array;
use super::constant::Constant;
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

/// The same where every output channel (axis 0) has a positive factor of its own, as in
/// XNOR-Net (Rastegari et al., 2016) and in weights of 8 bits: signs, or the integers that the
/// numbers were made from. Nothing if the product is not the constant to the last bit.
pub(super) fn recognize_scaled(
    constant: &Constant,
    surrogate: Surrogate,
) -> Option<(Weights, Vec<f32>)> {
    let grid = constant.array.as_floats();
    let latent = constant.latent.as_ref().map(Array::as_floats);
    let width = grid.len() / constant.array.shape.first()?.max(&1);
    let rows = || grid.chunks_exact(width.max(1));
    if width < 2 {
        return None;
    }
    let size = |row: &[f32]| row[0].abs();
    let sign = json!({ "surrogate": surrogate });
    let integers = json!({ "step": 1, "min": -128, "max": 127, "surrogate": surrogate });
    let factors: Vec<f32> = rows().map(size).collect();
    let made = |name: &str, config, values: Vec<f32>, factors: Vec<f32>| {
        let quantizer = Quantization::from_config(name, config).ok()?;
        let mut out = vec![0.0; values.len()];
        quantizer.get().quantize(&values, None, &mut out);
        let scaled = out.chunks_exact(width).zip(&factors);
        let scaled = scaled.flat_map(|(row, factor)| row.iter().map(move |v| v * factor));
        let is_same = factors.iter().all(|f| *f > 0.0) && scaled.eq(grid.iter().copied());
        let quantizer = Some(quantizer);
        is_same.then_some((Weights { values, quantizer }, factors))
    };
    let candidates = latent.iter().chain([&grid]);
    let signs = candidates.filter_map(|v| made("sign", sign.clone(), v.clone(), factors.clone()));
    signs.into_iter().next().or_else(|| {
        let values = latent.clone()?;
        let largest = |row: &[f32], of: &[f32]| {
            let pairs = row.iter().zip(of);
            let (w, q) = pairs.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))?;
            Some(w / q)
        };
        let factors = rows().zip(values.chunks_exact(width));
        let factors: Option<Vec<f32>> = factors.map(|(w, q)| largest(w, q)).collect();
        made("linear", integers, values, factors?)
    })
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
            is_fixed: false,
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
            is_fixed: false,
        };
        let weights = recognize(&constant, Surrogate::Identity);
        assert_eq!(weights.values, [0.6, -3.5, 0.45, -0.8]);
        let config = weights.quantizer.unwrap().get().config();
        assert_eq!(config, json!({ "bits": 2, "surrogate": "identity" }));
    }
}

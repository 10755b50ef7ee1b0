//! What convolutions and dense layers share: how weights start, are quantized and get their
//! biases' gradient.

use super::{Init, Param, Prepare};
use crate::kernel::{Lanes, Simd};
use crate::noise::Randomness;
use crate::quantizer::Quantization;

/// Where latent weights and biases start: quantized layers from a cut normal of deviation
/// 0.2, others as PyTorch does (Kaiming-uniform with a = √5, that is ±1/√fan_in).
pub(super) fn weight_params(
    shape: Vec<usize>,
    bias: bool,
    quantizer: Option<&Quantization>,
) -> Vec<Param> {
    let fan_in = shape[1..].iter().product::<usize>() as f32;
    let uniform = Init::Uniform(1.0 / fan_in.sqrt());
    let out = shape[0];
    let weight = Param {
        name: "weight",
        shape,
        trainable: true,
        clip: quantizer.and_then(|q| q.get().range()),
        init: if quantizer.is_some() {
            Init::TruncatedNormal(0.2)
        } else {
            uniform
        },
    };
    let bias = bias.then(|| Param {
        name: "bias",
        shape: vec![out],
        trainable: true,
        clip: None,
        init: uniform,
    });
    std::iter::once(weight).chain(bias).collect()
}

/// What calls on a trained network draw; the trainer asks quantizers itself.
pub(super) fn weight_stochastic(quantizer: Option<&Quantization>) -> Randomness {
    if quantizer.is_some_and(|q| q.get().is_stochastic_at_test()) {
        Randomness::PerPass
    } else {
        Randomness::None
    }
}

/// Weights ready to be multiplied.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weights {
    /// As used: quantized, drawn.
    pub(crate) effective: Vec<f32>,
    /// What input gradients go through, where that is not the same.
    pub(crate) for_gradient: Vec<f32>,
    /// `effective` packed for the forward product.
    pub(crate) forward: Vec<f32>,
    /// What input gradients go through, packed for them.
    pub(crate) backward: Vec<f32>,
    /// Added to each output channel.
    pub(crate) bias: Vec<f32>,
}

impl Weights {
    /// Quantizes the weights into `effective` and copies the bias.
    pub(crate) fn quantize(&mut self, quantizer: Option<&Quantization>, args: Prepare<'_>) {
        let latent = &args.params[0];
        self.effective.resize(latent.len(), 0.0);
        match quantizer {
            Some(q) => q.get().quantize(latent, args.draw, &mut self.effective),
            None => self.effective.copy_from_slice(latent),
        }
        self.for_gradient.clear();
        if let Some(q) = quantizer {
            q.get().gradient_values(latent, &mut self.for_gradient);
        }
        self.bias.clear();
        self.bias.extend(args.params.get(1).into_iter().flatten());
    }
}

/// `for_gradient` where that was written, else `effective`.
pub(crate) fn of_gradient<'a>(effective: &'a [f32], for_gradient: &'a [f32]) -> &'a [f32] {
    match for_gradient {
        [] => effective,
        others => others,
    }
}

/// Sum of the upstream gradient of each output over a chunk.
pub(crate) fn bias_gradient(simd: Simd, upstream: &[Lanes], positions: usize, out: &mut [f32]) {
    let block = out.len() * positions;
    simd.vectorize(|| {
        for (o, out) in out.iter_mut().enumerate() {
            let mut sum = Lanes::ZERO;
            for block in upstream.chunks_exact(block) {
                for u in &block[o * positions..(o + 1) * positions] {
                    sum = sum.zip(*u, |s, u| s + u);
                }
            }
            *out = sum.sum();
        }
    });
}

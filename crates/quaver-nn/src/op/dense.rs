//! Dense (fully connected) layer.

use super::weights::{Weights, bias_gradient, of_gradient, weight_params, weight_stochastic};
use super::{Backward, BuiltLayer, Checked, Forward, Layer, Op, OpError, Param, Prepare, Shape};
use super::{MAX_BLOCKS, single};
use crate::kernel::outer::{Outer, OuterPart};
use crate::kernel::tap::{TapPlan, TapProduct, pack, tile_outputs};
use crate::kernel::transpose::ToExamples;
use crate::kernel::{LANES, Lanes, Simd, flat_mut};
use crate::noise::Randomness;
use crate::quantizer::Quantization;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// `W x + b`, weights `(out, in)` as PyTorch's `Linear`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dense {
    /// Input features.
    pub in_features: usize,
    /// Output features.
    pub out_features: usize,
    /// Whether a bias is added.
    pub bias: bool,
    /// Quantizer of the weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantizer: Option<Quantization>,
}

impl Checked for Dense {
    fn check(&self) -> Result<(), OpError> {
        for (name, value) in [
            ("in_features", self.in_features),
            ("out_features", self.out_features),
        ] {
            if !(1..=1 << 24).contains(&value) {
                let got = value.to_string();
                return Err(OpError::Setting {
                    op: "dense",
                    name,
                    got,
                    allowed: "1 to 2^24",
                });
            }
        }
        Ok(())
    }
}

impl Op for Dense {
    fn name(&self) -> &'static str {
        "dense"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let allowed = format!("({})", self.in_features);
        let shape = single("dense", inputs, Some(1), &allowed)?;
        if shape[0] != self.in_features {
            return Err(OpError::Shape {
                op: "dense",
                got: super::shapes_text(inputs),
                allowed,
            });
        }
        Ok(vec![self.out_features])
    }
    fn params(&self, _inputs: &[Shape]) -> Vec<Param> {
        let shape = vec![self.out_features, self.in_features];
        weight_params(shape, self.bias, self.quantizer.as_ref())
    }
    fn stochastic(&self) -> Randomness {
        weight_stochastic(self.quantizer.as_ref())
    }
    fn layer(&self, _inputs: &[Shape]) -> BuiltLayer {
        let (inputs, outputs) = (self.in_features, self.out_features);
        let products = |from: usize, to: usize| {
            (1..=MAX_BLOCKS)
                .map(|blocks| block_product(from, to, blocks))
                .collect()
        };
        BuiltLayer::new(DenseLayer {
            op: self.clone(),
            forward: products(inputs, outputs),
            input_gradient: products(outputs, inputs),
            weights: Weights::default(),
        })
    }
}

/// A product of vectors of `from` features into `to`, the blocks of a chunk as positions.
fn block_product(from: usize, to: usize, blocks: usize) -> TapPlan {
    let mut plan = TapPlan::new((0..from as i32).collect(), to, 1);
    for block in 0..blocks {
        plan.push(
            &[(0, from as u32)],
            0,
            ((block * from) as i32, (block * to) as u32),
        );
    }
    plan
}

/// A dense layer with its products for chunks of 1, 2, … blocks.
#[derive(Clone)]
struct DenseLayer {
    op: Dense,
    forward: Arc<[TapPlan]>,
    input_gradient: Arc<[TapPlan]>,
    weights: Weights,
}

impl DenseLayer {
    fn tiles(&self, simd: Simd) -> (usize, usize) {
        let tile = |outputs| tile_outputs(outputs, simd.is_wide(), true);
        (tile(self.op.out_features), tile(self.op.in_features))
    }

    /// Lanes of one block's inputs, transposed.
    fn transposed(&self) -> usize {
        LANES * self.op.in_features.div_ceil(LANES)
    }
}

impl Layer for DenseLayer {
    fn prepare(&mut self, args: Prepare<'_>) {
        self.weights.quantize(self.op.quantizer.as_ref(), args);
        let (inputs, outputs) = (self.op.in_features, self.op.out_features);
        let (tile, tile_back) = self.tiles(args.simd);
        let Weights {
            effective: weights,
            for_gradient,
            forward: ahead,
            backward: back,
            ..
        } = &mut self.weights;
        let (weights, gradient) = (&*weights, args.input_gradient);
        rayon::join(
            || pack(outputs, inputs, tile, ahead, |o, k| weights[o * inputs + k]),
            || {
                let weights = of_gradient(weights, for_gradient);
                let weight = |i, k| weights[k * inputs + i];
                if gradient {
                    pack(inputs, outputs, tile_back, back, weight);
                }
            },
        );
    }

    fn forward(&self, chunk: Forward<'_>) {
        let (tile, _) = self.tiles(chunk.simd);
        chunk.simd.run(TapProduct {
            plan: &self.forward[chunk.blocks - 1],
            x: chunk.inputs[0],
            weights: &self.weights.forward,
            bias: self.op.bias.then_some(&self.weights.bias),
            tile,
            out: chunk.output,
        });
    }

    fn backward(&self, mut chunk: Backward<'_>) {
        if let Some(out) = chunk.input_gradients[0].take() {
            let (_, tile) = self.tiles(chunk.simd);
            let plan = &self.input_gradient[chunk.blocks - 1];
            let (x, weights) = (chunk.upstream, &self.weights.backward);
            chunk.simd.run(TapProduct {
                plan,
                x,
                weights,
                bias: None,
                tile,
                out,
            });
        }
        if let Some(gradients) = chunk.param_gradients.take() {
            let (x, upstream) = chunk
                .gathered
                .split_at_mut(chunk.blocks * self.transposed());
            let features = self.op.in_features;
            let blocks = chunk.inputs[0].chunks_exact(features);
            for (block, out) in blocks.zip(x.chunks_exact_mut(self.transposed())) {
                chunk.simd.run(ToExamples {
                    block,
                    n: features,
                    at: |i| i,
                    example: out.len(),
                    out: flat_mut(out),
                });
            }
            upstream.copy_from_slice(chunk.upstream);
            if let Some(bias) = gradients.get_mut(1) {
                bias_gradient(chunk.simd, chunk.upstream, 1, bias);
            }
        }
    }

    fn gathered(&self) -> usize {
        self.transposed() + self.op.out_features
    }

    fn join(&self, simd: Simd, chunks: &[&[Lanes]], first: usize, rows: &mut [f32]) {
        let parts: Vec<OuterPart<'_>> = chunks
            .iter()
            .map(|chunk| {
                let blocks = chunk.len() / self.gathered();
                let (x, upstream) = chunk.split_at(blocks * self.transposed());
                OuterPart { x, upstream }
            })
            .collect();
        simd.run(Outer {
            parts: &parts,
            inputs: self.op.in_features,
            n_outputs: self.op.out_features,
            first,
            out: rows,
        });
    }

    fn surrogate(&self, simd: Simd, latent: &[f32], gradient: &mut [f32]) {
        if let Some(quantizer) = &self.op.quantizer {
            quantizer.pull(simd, latent, gradient);
        }
    }

    fn products(&self) -> u64 {
        self.forward[0].products()
    }
}

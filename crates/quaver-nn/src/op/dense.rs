//! Dense (fully connected) layer.

use super::weights::{bias_gradient, prepare_weights, weight_params, weight_stochastic};
use super::{Backward, Checked, Forward, Layer, Op, OpError, Param, Prepare, Prepared, Shape};
use super::{MAX_BLOCKS, Stochastic, single};
use crate::kernel::tap::{TapPlan, TapProduct, pack, tile_outputs};
use crate::kernel::{LANES, Lanes, Simd, flat};
use crate::quantizer::Quantization;
use serde::{Deserialize, Serialize};

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
    fn stochastic(&self) -> Stochastic {
        weight_stochastic(self.quantizer.as_ref())
    }
    fn layer(&self, _inputs: &[Shape]) -> Box<dyn Layer> {
        let (inputs, outputs) = (self.in_features, self.out_features);
        let products = |from: usize, to: usize| {
            (1..=MAX_BLOCKS)
                .map(|blocks| block_product(from, to, blocks))
                .collect()
        };
        let groups = inputs.div_ceil(LANES);
        let weight_gradients = (1..=MAX_BLOCKS).map(|blocks| {
            let taps = (0..blocks * LANES).map(|e| (e * groups) as i32).collect();
            let mut plan = TapPlan::new(taps, outputs, groups);
            let all = [(0, (blocks * LANES) as u32)];
            (0..groups).for_each(|g| plan.push(&all, 0, (g as i32, g as u32)));
            plan
        });
        Box::new(DenseLayer {
            op: self.clone(),
            forward: products(inputs, outputs),
            input_gradient: products(outputs, inputs),
            weight_gradients: weight_gradients.collect(),
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
struct DenseLayer {
    op: Dense,
    forward: Vec<TapPlan>,
    input_gradient: Vec<TapPlan>,
    weight_gradients: Vec<TapPlan>,
}

impl DenseLayer {
    fn tiles(&self, simd: Simd) -> (usize, usize) {
        let tile = |outputs| tile_outputs(outputs, simd.is_wide(), true);
        (tile(self.op.out_features), tile(self.op.in_features))
    }

    /// With features in lanes instead of examples the weight gradient is the same tiled
    /// product: taps are the examples, weights their upstream gradients.
    fn weight_gradient(&self, chunk: &mut Backward<'_>, out: &mut [f32]) {
        let (inputs, outputs) = (self.op.in_features, self.op.out_features);
        let groups = inputs.div_ceil(LANES);
        let examples = chunk.blocks * LANES;
        let plan = &self.weight_gradients[chunk.blocks - 1];
        chunk.scratch.clear();
        chunk
            .scratch
            .resize((examples + outputs) * groups, Lanes::ZERO);
        let (transposed, gradient) = chunk.scratch.split_at_mut(examples * groups);
        transpose(chunk.inputs[0], inputs, transposed);
        let tile = tile_outputs(outputs, chunk.simd.is_wide(), false);
        let upstream = flat(chunk.upstream);
        let mut weights = Vec::new();
        pack(outputs, examples, tile, &mut weights, |o, e| {
            upstream[((e / LANES) * outputs + o) * LANES + e % LANES]
        });
        let weights = &weights;
        chunk.simd.run(TapProduct {
            plan,
            x: transposed,
            weights,
            bias: None,
            tile,
            out: gradient,
        });
        let rows = flat(gradient).chunks_exact(groups * LANES);
        for (out, row) in out.chunks_exact_mut(inputs).zip(rows) {
            out.copy_from_slice(&row[..inputs]);
        }
    }
}

/// `[block][feature]` of lanes = examples to `[example][group]` of lanes = features.
fn transpose(x: &[Lanes], features: usize, out: &mut [Lanes]) {
    let groups = features.div_ceil(LANES);
    for (block, x) in x.chunks_exact(features).enumerate() {
        let out = &mut out[block * LANES * groups..(block + 1) * LANES * groups];
        for (group, x) in x.chunks(LANES).enumerate() {
            for (f, x) in x.iter().enumerate() {
                for (e, value) in x.0.iter().enumerate() {
                    out[e * groups + group].0[f] = *value;
                }
            }
        }
    }
}

impl Layer for DenseLayer {
    fn prepare(&self, args: Prepare<'_>, into: &mut Prepared) {
        prepare_weights(self.op.quantizer.as_ref(), args, into);
        let (inputs, outputs) = (self.op.in_features, self.op.out_features);
        let (tile, tile_back) = self.tiles(args.simd);
        let weights = &into.effective;
        pack(outputs, inputs, tile, &mut into.forward, |o, k| {
            weights[o * inputs + k]
        });
        if args.input_gradient {
            pack(inputs, outputs, tile_back, &mut into.backward, |i, k| {
                weights[k * inputs + i]
            });
        }
    }

    fn forward(&self, prepared: &Prepared, chunk: Forward<'_>) {
        let (tile, _) = self.tiles(chunk.simd);
        chunk.simd.run(TapProduct {
            plan: &self.forward[chunk.blocks - 1],
            x: chunk.inputs[0],
            weights: &prepared.forward,
            bias: self.op.bias.then_some(&prepared.bias),
            tile,
            out: chunk.output,
        });
    }

    fn backward(&self, prepared: &Prepared, mut chunk: Backward<'_>) {
        if let Some(out) = chunk.input_gradients[0].take() {
            let (_, tile) = self.tiles(chunk.simd);
            let plan = &self.input_gradient[chunk.blocks - 1];
            let (x, weights) = (chunk.upstream, &prepared.backward);
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
            self.weight_gradient(&mut chunk, &mut gradients[0]);
            if let Some(bias) = gradients.get_mut(1) {
                bias_gradient(chunk.simd, chunk.upstream, 1, bias);
            }
        }
    }

    fn surrogate(&self, params: &[Vec<f32>], gradients: &mut [Vec<f32>]) {
        if let Some(quantizer) = &self.op.quantizer {
            quantizer
                .get()
                .surrogate_grad(&params[0], &mut gradients[0]);
        }
    }

    fn products(&self) -> u64 {
        self.forward[0].products()
    }
}

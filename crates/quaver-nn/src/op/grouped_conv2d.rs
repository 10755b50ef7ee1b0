//! Convolution in groups, with gaps, or with strides of its own down and across.

use super::weights::{Weights, bias_gradient, of_gradient, weight_params, weight_stochastic};
use super::{Backward, BuiltLayer, Checked, Forward, Layer, Op, OpError, Param, Prepare};
use super::{Shape, single};
use crate::kernel::correlate::{Correlate, LaneSums};
use crate::kernel::tap::{TapPlan, TapProduct, pack, tile_outputs};
use crate::kernel::{Lanes, Simd};
use crate::noise::Randomness;
use crate::quantizer::Quantization;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Two-dimensional convolution without padding whose channels are seen in groups, weights
/// `(out, in / groups, kh, kw)` as PyTorch's `Conv2d`. One group for each channel is the
/// depthwise convolution of Howard et al., "MobileNets", 2017; gaps between taps are those of Yu
/// and Koltun, "Multi-Scale Context Aggregation by Dilated Convolutions", 2015.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupedConv2d {
    /// Input channels, a multiple of `groups`.
    pub in_channels: usize,
    /// Output channels, a multiple of `groups`.
    pub out_channels: usize,
    /// Height and width of the kernel, in pixels, 1 to 64.
    pub kernel: [usize; 2],
    /// Distance between positions, down and across, in pixels, 1 to 64.
    pub stride: [usize; 2],
    /// Distance between taps of the kernel, down and across, in pixels, 1 to 64.
    pub dilation: [usize; 2],
    /// Number of groups, each of which sees its own channels alone.
    pub groups: usize,
    /// Whether a bias is added.
    pub bias: bool,
    /// Quantizer of the weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantizer: Option<Quantization>,
}

impl Checked for GroupedConv2d {
    fn check(&self) -> Result<(), OpError> {
        let wrong = |name, got: String, allowed| {
            Err(OpError::Setting {
                op: "grouped_conv2d",
                name,
                got,
                allowed,
            })
        };
        for (name, values) in [
            ("kernel", self.kernel),
            ("stride", self.stride),
            ("dilation", self.dilation),
        ] {
            if !values.iter().all(|v| (1..=64).contains(v)) {
                return wrong(name, format!("{values:?}"), "1 to 64");
            }
        }
        for (name, channels) in [
            ("in_channels", self.in_channels),
            ("out_channels", self.out_channels),
        ] {
            if !(1..=65_536).contains(&channels) || !channels.is_multiple_of(self.groups) {
                let allowed = "1 to 65536, a multiple of groups";
                return wrong(name, channels.to_string(), allowed);
            }
        }
        Ok(())
    }
}

impl GroupedConv2d {
    /// Output size along `axis` over `n` pixels, if the kernel fits.
    fn along(&self, n: usize, axis: usize) -> Option<usize> {
        let reach = (self.kernel[axis] - 1) * self.dilation[axis] + 1;
        Some(n.checked_sub(reach)? / self.stride[axis] + 1)
    }
}

impl Op for GroupedConv2d {
    fn name(&self) -> &'static str {
        "grouped_conv2d"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let allowed = format!(
            "({}, height, width) that {:?} taps {:?} apart fit into",
            self.in_channels, self.kernel, self.dilation
        );
        let shape = single("grouped_conv2d", inputs, Some(3), &allowed)?;
        let out = (self.along(shape[1], 0), self.along(shape[2], 1));
        match out {
            (Some(rows), Some(columns)) if shape[0] == self.in_channels => {
                Ok(vec![self.out_channels, rows, columns])
            }
            _ => Err(OpError::Shape {
                op: "grouped_conv2d",
                got: super::shapes_text(inputs),
                allowed,
            }),
        }
    }
    fn params(&self, _inputs: &[Shape]) -> Vec<Param> {
        let [kh, kw] = self.kernel;
        let channels = self.in_channels / self.groups;
        let shape = vec![self.out_channels, channels, kh, kw];
        weight_params(shape, self.bias, self.quantizer.as_ref())
    }
    fn stochastic(&self) -> Randomness {
        weight_stochastic(self.quantizer.as_ref())
    }
    fn layer(&self, inputs: &[Shape]) -> BuiltLayer {
        let size = [inputs[0][1], inputs[0][2]];
        let out = [0, 1].map(|axis| self.along(size[axis], axis).unwrap_or_default());
        BuiltLayer::new(Groups {
            forward: Arc::new(forward_plan(self, size, out)),
            input_gradient: Arc::new(input_gradient_plan(self, size, out)),
            weights: Weights::default(),
            op: self.clone(),
            size,
            out,
        })
    }
}

/// A grouped convolution over images of one size. All groups do the same products.
#[derive(Clone)]
struct Groups {
    op: GroupedConv2d,
    forward: Arc<TapPlan>,
    input_gradient: Arc<TapPlan>,
    size: [usize; 2],
    out: [usize; 2],
    weights: Weights,
}

/// The product behind one group's output.
fn forward_plan(op: &GroupedConv2d, [height, width]: [usize; 2], out: [usize; 2]) -> TapPlan {
    let channels = op.in_channels / op.groups;
    let mut taps = Vec::new();
    for y in 0..op.kernel[0] {
        for x in 0..op.kernel[1] {
            let at = y * op.dilation[0] * width + x * op.dilation[1];
            taps.extend((0..channels).map(|c| (c * height * width + at) as i32));
        }
    }
    let all = [(0, taps.len() as u32)];
    let mut plan = TapPlan::new(taps, op.out_channels / op.groups, out[0] * out[1]);
    for y in 0..out[0] {
        for x in 0..out[1] {
            let base = y * op.stride[0] * width + x * op.stride[1];
            plan.push(&all, 0, (base as i32, (y * out[1] + x) as u32));
        }
    }
    plan
}

/// The product behind one group's input gradient: a pixel is seen through the taps whose
/// distance to it is a whole number of strides.
fn input_gradient_plan(op: &GroupedConv2d, size: [usize; 2], out: [usize; 2]) -> TapPlan {
    let outputs = op.out_channels / op.groups;
    let mut taps = Vec::new();
    for y in 0..op.kernel[0] {
        for x in 0..op.kernel[1] {
            let down = y * op.dilation[0] / op.stride[0];
            let back = down * out[1] + x * op.dilation[1] / op.stride[1];
            taps.extend((0..outputs).map(|o| (o * out[0] * out[1]) as i32 - back as i32));
        }
    }
    let mut plan = TapPlan::new(taps, op.in_channels / op.groups, size[0] * size[1]);
    let seen = |at: usize, tap: usize, axis: usize| {
        let away = at.checked_sub(tap * op.dilation[axis]);
        away.is_some_and(|d| d.is_multiple_of(op.stride[axis]) && d / op.stride[axis] < out[axis])
    };
    for y in 0..size[0] {
        for x in 0..size[1] {
            let mut ranges: Vec<(u32, u32)> = Vec::new();
            for row in (0..op.kernel[0]).filter(|&row| seen(y, row, 0)) {
                for column in (0..op.kernel[1]).filter(|&column| seen(x, column, 1)) {
                    let from = ((row * op.kernel[1] + column) * outputs) as u32;
                    ranges.push((from, from + outputs as u32));
                }
            }
            let base = y / op.stride[0] * out[1] + x / op.stride[1];
            plan.push(&ranges, 0, (base as i32, (y * size[1] + x) as u32));
        }
    }
    plan
}

impl Groups {
    /// Channels in and out of one group, and taps of its kernel.
    fn group(&self) -> (usize, usize, usize) {
        let op = &self.op;
        let taps = op.kernel[0] * op.kernel[1];
        (
            op.in_channels / op.groups,
            op.out_channels / op.groups,
            taps,
        )
    }

    fn tiles(&self, simd: Simd) -> (usize, usize) {
        let (channels, outputs, _) = self.group();
        let tile = |outputs| tile_outputs(outputs, simd.is_wide(), false);
        (tile(outputs), tile(channels))
    }

    /// One product for each group and block: `from` and `to` hold the groups of a block behind
    /// each other.
    fn multiply(
        &self,
        (simd, tile, blocks): (Simd, usize, usize),
        plan: &TapPlan,
        (weights, bias): (&[f32], Option<&[f32]>),
        (from, to): (&[Lanes], &mut [Lanes]),
    ) {
        let parts = self.op.groups * blocks;
        let (from_part, to_part) = (from.len() / parts, to.len() / parts);
        let weights_part = weights.len() / self.op.groups;
        let parts = from
            .chunks_exact(from_part)
            .zip(to.chunks_exact_mut(to_part));
        for (i, (x, out)) in parts.enumerate() {
            let group = i % self.op.groups;
            let n = plan.n_outputs;
            simd.run(TapProduct {
                plan,
                x,
                weights: &weights[group * weights_part..(group + 1) * weights_part],
                bias: bias.map(|bias| &bias[group * n..(group + 1) * n]),
                tile,
                out,
            });
        }
    }

    fn weight_gradient(&self, chunk: &Backward<'_>, out: &mut [f32]) {
        let (channels, outputs, _) = self.group();
        let [height, width] = self.size;
        let op = &self.op;
        let mut taps = Vec::new();
        for c in 0..channels {
            for y in 0..op.kernel[0] {
                let row = (c * height + y * op.dilation[0]) * width;
                taps.extend((0..op.kernel[1]).map(|x| (row + x * op.dilation[1]) as u32));
            }
        }
        let parts = op.groups * chunk.blocks;
        let x = chunk.inputs[0];
        let x = x.chunks_exact(x.len() / parts);
        let upstream = chunk.upstream.chunks_exact(chunk.upstream.len() / parts);
        let mut lanes = vec![Lanes::ZERO; out.len()];
        let group = out.len() / op.groups;
        for (i, (x, upstream)) in x.zip(upstream).enumerate() {
            let from = i % op.groups * group;
            chunk.simd.run(Correlate {
                x,
                upstream,
                n_outputs: outputs,
                rows: self.out[0],
                columns: self.out[1],
                row_step: op.stride[0] * width,
                column_step: op.stride[1],
                taps: &taps,
                sums: &mut lanes[from..from + group],
            });
        }
        let (lanes, sums) = (&lanes, out);
        chunk.simd.run(LaneSums { lanes, sums });
    }
}

impl Layer for Groups {
    fn prepare(&mut self, args: Prepare<'_>) {
        self.weights.quantize(self.op.quantizer.as_ref(), args);
        let (channels, outputs, taps) = self.group();
        let (tile, tile_back) = self.tiles(args.simd);
        let size = outputs * channels * taps;
        let into = &mut self.weights;
        into.forward.clear();
        into.backward.clear();
        let mut packed = Vec::new();
        let gradient = of_gradient(&into.effective, &into.for_gradient).chunks_exact(size);
        for (weights, gradient) in into.effective.chunks_exact(size).zip(gradient) {
            let at = |weights: &[f32], o: usize, c: usize, t: usize| {
                weights[(o * channels + c) * taps + t]
            };
            pack(outputs, taps * channels, tile, &mut packed, |o, k| {
                at(weights, o, k % channels, k / channels)
            });
            into.forward.extend(&packed);
            if args.input_gradient {
                pack(channels, taps * outputs, tile_back, &mut packed, |c, k| {
                    at(gradient, k % outputs, c, k / outputs)
                });
                into.backward.extend(&packed);
            }
        }
    }

    fn forward(&self, chunk: Forward<'_>) {
        let (tile, _) = self.tiles(chunk.simd);
        let bias = self.op.bias.then_some(&self.weights.bias[..]);
        let how = (chunk.simd, tile, chunk.blocks);
        let weights = (&self.weights.forward[..], bias);
        self.multiply(how, &self.forward, weights, (chunk.inputs[0], chunk.output));
    }

    fn backward(&self, mut chunk: Backward<'_>) {
        if let Some(dx) = chunk.input_gradients[0].take() {
            let (_, tile) = self.tiles(chunk.simd);
            let how = (chunk.simd, tile, chunk.blocks);
            let weights = (&self.weights.backward[..], None);
            self.multiply(how, &self.input_gradient, weights, (chunk.upstream, dx));
        }
        if let Some(gradients) = chunk.param_gradients.take() {
            self.weight_gradient(&chunk, &mut gradients[0]);
            if let Some(bias) = gradients.get_mut(1) {
                let positions = self.out[0] * self.out[1];
                bias_gradient(chunk.simd, chunk.upstream, positions, bias);
            }
        }
    }

    fn surrogate(&self, simd: Simd, latent: &[f32], gradient: &mut [f32]) {
        if let Some(quantizer) = &self.op.quantizer {
            quantizer.pull(simd, latent, gradient);
        }
    }

    fn products(&self) -> u64 {
        self.forward.products() * self.op.groups as u64
    }
}

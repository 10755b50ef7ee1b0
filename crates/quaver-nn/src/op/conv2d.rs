//! Convolution.

use super::conv_plan::{Positions, TapOrder, forward_plan, input_gradient_plan};
use super::pad::Pad;
use super::weights::{Weights, bias_gradient, of_gradient, weight_params, weight_stochastic};
use super::{Backward, BuiltLayer, Checked, Forward, Layer, Op, OpError, Param, Prepare};
use super::{Shape, scratch_of, single};
use crate::kernel::correlate::{Correlate, LaneSums};
use crate::kernel::tap::{TapPlan, TapProduct, pack, tile_outputs};
use crate::kernel::{Lanes, Simd};
use crate::noise::Randomness;
use crate::quantizer::Quantization;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Two-dimensional convolution (cross-correlation, as in PyTorch), weights `(out, in, kh, kw)`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv2d {
    /// Input channels.
    pub in_channels: usize,
    /// Output channels.
    pub out_channels: usize,
    /// Height and width of the kernel, in pixels.
    pub kernel: [usize; 2],
    /// Distance between positions, in pixels.
    #[serde(default = "one")]
    pub stride: usize,
    /// Zeros on every side, in pixels; smaller than the kernel.
    #[serde(default)]
    pub padding: usize,
    /// Whether a bias is added.
    pub bias: bool,
    /// Quantizer of the weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantizer: Option<Quantization>,
}

fn one() -> usize {
    1
}

impl Checked for Conv2d {
    fn check(&self) -> Result<(), OpError> {
        let settings = [
            ("in_channels", self.in_channels, 1..=65_536),
            ("out_channels", self.out_channels, 1..=65_536),
            ("kernel", self.kernel[0], 1..=64),
            ("kernel", self.kernel[1], 1..=64),
            ("stride", self.stride, 1..=64),
            (
                "padding",
                self.padding,
                0..=self.kernel[0].min(self.kernel[1]).saturating_sub(1),
            ),
        ];
        for (name, value, range) in settings {
            if !range.contains(&value) {
                let allowed = match name {
                    "padding" => "smaller than the kernel",
                    "kernel" | "stride" => "1 to 64",
                    _ => "1 to 65536",
                };
                return Err(OpError::Setting {
                    op: "conv2d",
                    name,
                    got: value.to_string(),
                    allowed,
                });
            }
        }
        Ok(())
    }
}

impl Op for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let fits = |n: usize, k: usize| n + 2 * self.padding >= k;
        let allowed = format!(
            "({}, height, width) of at least {} by {} with padding {}",
            self.in_channels, self.kernel[0], self.kernel[1], self.padding
        );
        let shape = single("conv2d", inputs, Some(3), &allowed)?;
        let [kh, kw] = self.kernel;
        if shape[0] != self.in_channels || !fits(shape[1], kh) || !fits(shape[2], kw) {
            return Err(OpError::Shape {
                op: "conv2d",
                got: super::shapes_text(inputs),
                allowed,
            });
        }
        let out = |n: usize, k: usize| (n + 2 * self.padding - k) / self.stride + 1;
        Ok(vec![
            self.out_channels,
            out(shape[1], kh),
            out(shape[2], kw),
        ])
    }
    fn params(&self, _inputs: &[Shape]) -> Vec<Param> {
        let [kh, kw] = self.kernel;
        let shape = vec![self.out_channels, self.in_channels, kh, kw];
        weight_params(shape, self.bias, self.quantizer.as_ref())
    }
    fn stochastic(&self) -> Randomness {
        weight_stochastic(self.quantizer.as_ref())
    }
    fn layer(&self, inputs: &[Shape]) -> BuiltLayer {
        BuiltLayer::new(ConvLayer::new(self.clone(), inputs[0][1], inputs[0][2]))
    }
}

/// A convolution over images of one size.
#[derive(Clone)]
pub(crate) struct ConvLayer {
    pub(crate) op: Conv2d,
    forward_order: TapOrder,
    forward: Arc<TapPlan>,
    gradient_order: TapOrder,
    input_gradient: Arc<TapPlan>,
    pub(crate) pad: Pad,
    /// Offsets in the padded input, in the order of the weights.
    weight_taps: Arc<[u32]>,
    /// Height and width of the output.
    pub(crate) out: [usize; 2],
    pub(crate) weights: Weights,
}

impl ConvLayer {
    pub(crate) fn new(op: Conv2d, height: usize, width: usize) -> Self {
        let [kh, kw] = op.kernel;
        let (padded_height, padded_width) = (height + 2 * op.padding, width + 2 * op.padding);
        let out_height = (padded_height - kh) / op.stride + 1;
        let out_width = (padded_width - kw) / op.stride + 1;
        let pad = Pad {
            width,
            height,
            left: op.padding,
            top: op.padding,
            padded_width,
            padded_height,
        };
        let mut weight_taps = Vec::new();
        for c in 0..op.in_channels {
            for y in 0..kh {
                let row = ((c * padded_height + y) * padded_width) as u32;
                weight_taps.extend((0..kw as u32).map(|x| row + x));
            }
        }
        let at = Positions {
            stride: op.stride,
            padding: op.padding,
            size: [height, width],
            out: [out_height, out_width],
        };
        let forward_order = TapOrder::new(op.kernel, op.in_channels, width);
        let gradient_order = TapOrder::new(op.kernel, op.out_channels, out_width);
        Self {
            forward: Arc::new(forward_plan(&forward_order, op.out_channels, &at)),
            forward_order,
            input_gradient: Arc::new(input_gradient_plan(&gradient_order, op.in_channels, &at)),
            gradient_order,
            op,
            pad,
            weight_taps: weight_taps.into(),
            out: at.out,
            weights: Weights::default(),
        }
    }

    fn tiles(&self, simd: Simd) -> (usize, usize) {
        let wide = simd.is_wide();
        let tile = |outputs| tile_outputs(outputs, wide, false);
        (tile(self.op.out_channels), tile(self.op.in_channels))
    }

    /// Offsets in the padded input, in the order of the weights packed for the way forward.
    pub(crate) fn padded_taps(&self) -> Vec<u32> {
        let (width, height) = (self.pad.padded_width, self.pad.padded_height);
        let offset = |[c, y, x]: [usize; 3]| ((c * height + y) * width + x) as u32;
        self.forward_order.taps().into_iter().map(offset).collect()
    }

    /// Lanes of one block's padded input; 0 if nothing is padded.
    pub(crate) fn padded_size(&self) -> usize {
        match self.op.padding {
            0 => 0,
            _ => self.op.in_channels * self.pad.padded_height * self.pad.padded_width,
        }
    }

    /// One block's input with its padding, for which `scratch` has [`Self::padded_size`].
    pub(crate) fn padded<'a>(&self, x: &'a [Lanes], scratch: &'a mut [Lanes]) -> &'a [Lanes] {
        if self.op.padding == 0 {
            return x;
        }
        self.pad.pad(x, scratch);
        scratch
    }

    /// Quantizes and packs the weights, for tiles of `tile` outputs on the way forward.
    pub(crate) fn pack(&mut self, tile: usize, args: Prepare<'_>) {
        self.weights.quantize(self.op.quantizer.as_ref(), args);
        let (_, tile_back) = self.tiles(args.simd);
        let (channels, outputs) = (self.op.in_channels, self.op.out_channels);
        let [kh, kw] = self.op.kernel;
        let Weights {
            effective: weights,
            for_gradient,
            forward,
            backward,
            ..
        } = &mut self.weights;
        let at = |weights: &[f32], o: usize, [c, y, x]: [usize; 3]| {
            weights[((o * channels + c) * kh + y) * kw + x]
        };
        let taps = self.forward_order.taps();
        pack(outputs, taps.len(), tile, forward, |o, k| {
            at(weights, o, taps[k])
        });
        if args.input_gradient {
            let taps = self.gradient_order.taps();
            let weights = of_gradient(weights, for_gradient);
            pack(channels, taps.len(), tile_back, backward, |c, k| {
                let [o, y, x] = taps[k];
                at(weights, o, [c, y, x])
            });
        }
    }

    /// Input gradient of one block.
    pub(crate) fn input_gradient(&self, simd: Simd, upstream: &[Lanes], out: &mut [Lanes]) {
        let (_, tile) = self.tiles(simd);
        simd.run(TapProduct {
            plan: &self.input_gradient,
            x: upstream,
            weights: &self.weights.backward,
            bias: None,
            tile,
            out,
        });
    }

    /// Adds to the weight gradient, to be summed over lanes, what some rows of one block's output
    /// from `first` on give. `x` is the block's padded input.
    pub(crate) fn add_weight_gradient(
        &self,
        simd: Simd,
        x: &[Lanes],
        first: usize,
        upstream: &[Lanes],
        sums: &mut [Lanes],
    ) {
        let row_step = self.op.stride * self.pad.padded_width;
        simd.run(Correlate {
            x: &x[first * row_step..],
            upstream,
            n_outputs: self.op.out_channels,
            rows: upstream.len() / (self.op.out_channels * self.out[1]),
            columns: self.out[1],
            row_step,
            column_step: self.op.stride,
            taps: &self.weight_taps,
            sums,
        });
    }
}

impl Layer for ConvLayer {
    fn prepare(&mut self, args: Prepare<'_>) {
        let (tile, _) = self.tiles(args.simd);
        self.pack(tile, args);
    }

    fn forward(&self, chunk: Forward<'_>) {
        let (tile, _) = self.tiles(chunk.simd);
        let x_block = chunk.inputs[0].len() / chunk.blocks;
        let y_block = chunk.output.len() / chunk.blocks;
        let blocks = chunk.inputs[0].chunks_exact(x_block);
        for (x, out) in blocks.zip(chunk.output.chunks_exact_mut(y_block)) {
            chunk.simd.run(TapProduct {
                plan: &self.forward,
                x,
                weights: &self.weights.forward,
                bias: self.op.bias.then_some(&self.weights.bias),
                tile,
                out,
            });
        }
    }

    fn backward(&self, mut chunk: Backward<'_>) {
        let y_block = chunk.upstream.len() / chunk.blocks;
        let upstream = chunk.upstream.chunks_exact(y_block);
        let x_block = chunk.inputs[0].len() / chunk.blocks;
        if let Some(dx) = chunk.input_gradients[0].take() {
            for (upstream, dx) in upstream.clone().zip(dx.chunks_exact_mut(x_block)) {
                self.input_gradient(chunk.simd, upstream, dx);
            }
        }
        if let Some(gradients) = chunk.param_gradients.take() {
            let mut sums = vec![Lanes::ZERO; gradients[0].len()];
            let scratch = scratch_of(chunk.scratch, self.padded_size());
            for (x, upstream) in chunk.inputs[0].chunks_exact(x_block).zip(upstream) {
                let x = self.padded(x, scratch);
                self.add_weight_gradient(chunk.simd, x, 0, upstream, &mut sums);
            }
            let (lanes, sums) = (&sums, &mut gradients[0]);
            chunk.simd.run(LaneSums { lanes, sums });
            if let Some(bias) = gradients.get_mut(1) {
                bias_gradient(chunk.simd, chunk.upstream, self.out[0] * self.out[1], bias);
            }
        }
    }

    fn surrogate(&self, simd: Simd, latent: &[f32], gradient: &mut [f32]) {
        if let Some(quantizer) = &self.op.quantizer {
            quantizer.pull(simd, latent, gradient);
        }
    }

    fn products(&self) -> u64 {
        self.forward.products()
    }
}

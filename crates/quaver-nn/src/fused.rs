//! A convolution run together with the max-pooling behind it, and the rectifier between or
//! behind them. Four in five of a LeNet's numbers stand between these layers; they are never
//! written, and of where a maximum came from only bits are kept.

use crate::kernel::conv_pool::{ChosenSums, ConvPool, Spread, tile_outputs};
use crate::kernel::correlate::LaneSums;
use crate::kernel::{Lanes, Simd};
use crate::op::weights::of_gradient;
use crate::op::{Backward, Conv2d, ConvLayer, Forward, Layer, MaxPool2d, Op};
use crate::op::{Prepare, Relu, Shape, scratch_of};
use crate::sparse_conv::SparseConv;
use std::sync::Arc;

/// Windows of this side and distance are taken in registers.
const SIDE: usize = 2;

#[derive(Clone)]
struct ConvPoolLayer {
    conv: ConvLayer,
    rectify: bool,
    rows: usize,
    columns: usize,
    /// Offsets in the padded input, in the order of the packed weights.
    taps: Arc<[u32]>,
    /// Gradients that skip zeros, where that is less work.
    sparse: Option<Arc<SparseConv>>,
    /// Weights packed for the input gradient that skips zeros.
    sparse_weights: Vec<Lanes>,
}

/// A layer that does the work of `op` and of the first of `followers`, each the only reader of the
/// one before it, and how many of these: a convolution with pooling over windows of two by two, and
/// a plain rectifier before or after it or none. Its numbers are those of the single layers, but
/// for the sign of zeros and the order in which a bias's gradient is summed.
pub(crate) fn fuse(
    op: &dyn Op,
    inputs: &[Shape],
    followers: &[&dyn Op],
) -> Option<(Box<dyn Layer>, usize)> {
    let conv = op.as_any().downcast_ref::<Conv2d>()?;
    let input = inputs.first()?;
    let pools = |op: &dyn Op| {
        let pool = op.as_any().downcast_ref::<MaxPool2d>();
        pool.is_some_and(|pool| [pool.kernel, pool.stride] == [SIDE; 2])
    };
    let rectifies = |op: &dyn Op| {
        let relu = op.as_any().downcast_ref::<Relu>();
        relu.is_some_and(|relu| relu.scale.is_none())
    };
    let (rectify, taken) = match followers {
        [first, second, ..] if rectifies(*first) && pools(*second) => (true, 2),
        [first, second, ..] if pools(*first) && rectifies(*second) => (true, 2),
        [first, ..] if pools(*first) => (false, 1),
        _ => return None,
    };
    let conv = ConvLayer::new(conv.clone(), input[1], input[2]);
    let [height, width] = conv.out;
    Some((
        Box::new(ConvPoolLayer {
            rectify,
            rows: height / SIDE,
            columns: width / SIDE,
            taps: conv.padded_taps().into(),
            sparse: SparseConv::new(&conv, [height / SIDE, width / SIDE]).map(Arc::new),
            sparse_weights: Vec::new(),
            conv,
        }),
        taken,
    ))
}

impl ConvPoolLayer {
    fn tile(&self) -> usize {
        tile_outputs(self.conv.op.out_channels)
    }

    fn forward_block(&self, simd: Simd, x: &[Lanes], out: &mut [Lanes], choices: &mut [u64]) {
        let stride = self.conv.op.stride;
        let row = stride * self.conv.pad.padded_width;
        simd.run(ConvPool {
            x,
            taps: &self.taps,
            corners: [0, stride, row, row + stride],
            rows: self.rows,
            columns: self.columns,
            row_step: SIDE * row,
            column_step: SIDE * stride,
            weights: &self.conv.weights.forward,
            bias: self.conv.op.bias.then_some(&self.conv.weights.bias),
            tile: self.tile(),
            n_outputs: self.conv.op.out_channels,
            rectify: self.rectify,
            out,
            choices,
        });
    }
}

impl Layer for ConvPoolLayer {
    fn prepare(&mut self, args: Prepare<'_>) {
        let dense = args.input_gradient && self.sparse.is_none();
        let way_back = Prepare {
            input_gradient: dense,
            ..args
        };
        self.conv.pack(self.tile(), way_back);
        if let Some(sparse) = self.sparse.as_ref().filter(|_| args.input_gradient) {
            let weights = &self.conv.weights;
            let weights = of_gradient(&weights.effective, &weights.for_gradient);
            sparse.pack(weights, &mut self.sparse_weights);
        }
    }

    fn saved(&self) -> usize {
        self.conv.op.out_channels * self.rows * self.columns
    }

    fn forward(&self, chunk: Forward<'_>) {
        let x_block = chunk.inputs[0].len() / chunk.blocks;
        let y_block = self.saved();
        let outputs = chunk.output.chunks_exact_mut(y_block);
        let mut saved = chunk.saved.chunks_exact_mut(y_block);
        let scratch = scratch_of(chunk.scratch, self.conv.padded_size());
        for (x, out) in chunk.inputs[0].chunks_exact(x_block).zip(outputs) {
            let choices = saved.next().unwrap_or_default();
            let x = self.conv.padded(x, scratch);
            self.forward_block(chunk.simd, x, out, choices);
        }
    }

    fn backward(&self, chunk: Backward<'_>) {
        match &self.sparse {
            Some(sparse) => self.backward_sparse(sparse, chunk),
            None => self.backward_dense(chunk),
        }
    }

    fn surrogate(&self, simd: Simd, latent: &[f32], gradient: &mut [f32]) {
        self.conv.surrogate(simd, latent, gradient);
    }

    fn products(&self) -> u64 {
        self.conv.products()
    }
}

impl ConvPoolLayer {
    fn backward_sparse(&self, sparse: &SparseConv, mut chunk: Backward<'_>) {
        let simd = chunk.simd;
        let (x_block, y_block) = (chunk.inputs[0].len() / chunk.blocks, self.saved());
        let mut dx = chunk.input_gradients[0].take();
        let train = chunk.param_gradients.is_some();
        let mut sums = vec![Lanes::ZERO; if train { sparse.sums() } else { 0 }];
        let mut bias = vec![Lanes::ZERO; self.conv.op.out_channels];
        let scratch = scratch_of(chunk.scratch, sparse.scratch());
        for b in 0..chunk.blocks {
            let x = &chunk.inputs[0][b * x_block..(b + 1) * x_block];
            let upstream = &chunk.upstream[b * y_block..(b + 1) * y_block];
            let choices = &chunk.saved[b * y_block..(b + 1) * y_block];
            if let Some(dx) = &mut dx {
                let dx = &mut dx[b * x_block..(b + 1) * x_block];
                sparse.input_gradient(simd, &self.sparse_weights, upstream, choices, scratch, dx);
            }
            if train {
                sparse.add_weight_gradient(simd, x, upstream, choices, scratch, &mut sums);
                simd.run(ChosenSums {
                    upstream,
                    choices,
                    sums: &mut bias,
                });
            }
        }
        if let Some(gradients) = chunk.param_gradients.take() {
            sparse.weight_gradient(&sums, &mut gradients[0]);
            if let Some(sums) = gradients.get_mut(1) {
                simd.run(LaneSums { lanes: &bias, sums });
            }
        }
    }

    fn backward_dense(&self, mut chunk: Backward<'_>) {
        let (simd, plane) = (chunk.simd, self.conv.out);
        let outputs = self.conv.op.out_channels;
        let (x_block, y_block) = (chunk.inputs[0].len() / chunk.blocks, self.saved());
        let mut dx = chunk.input_gradients[0].take();
        let train = chunk.param_gradients.is_some();
        let n_weights = chunk.param_gradients.as_ref().map_or(0, |g| g[0].len());
        let mut weight = vec![Lanes::ZERO; n_weights];
        let mut bias = vec![Lanes::ZERO; outputs];
        // The input's gradient needs a whole plane; rows for the weights' alone stay in cache.
        let (height, at_once) = match dx {
            Some(_) => (plane[0], self.rows),
            None => (SIDE, 1),
        };
        let padded = self.conv.padded_size();
        let strip = outputs * height * plane[1];
        let (padded, spread) = scratch_of(chunk.scratch, padded + strip).split_at_mut(padded);
        for b in 0..chunk.blocks {
            let x = &chunk.inputs[0][b * x_block..(b + 1) * x_block];
            let upstream = &chunk.upstream[b * y_block..(b + 1) * y_block];
            let choices = &chunk.saved[b * y_block..(b + 1) * y_block];
            let x = match train {
                true => self.conv.padded(x, padded),
                false => x,
            };
            for row in (0..self.rows).step_by(at_once) {
                simd.run(Spread {
                    upstream,
                    choices,
                    windows: self.rows * self.columns,
                    rows: row..row + at_once,
                    columns: self.columns,
                    plane: [height, plane[1]],
                    out: spread,
                });
                if let Some(dx) = &mut dx {
                    let dx = &mut dx[b * x_block..(b + 1) * x_block];
                    self.conv.input_gradient(simd, spread, dx);
                }
                if train {
                    self.conv
                        .add_weight_gradient(simd, x, SIDE * row, spread, &mut weight);
                }
            }
            if train {
                let sums = &mut bias;
                simd.run(ChosenSums {
                    upstream,
                    choices,
                    sums,
                });
            }
        }
        if let Some(gradients) = chunk.param_gradients.take() {
            for (lanes, sums) in [&weight, &bias].into_iter().zip(gradients) {
                simd.run(LaneSums { lanes, sums });
            }
        }
    }
}

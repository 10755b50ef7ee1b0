//! [`SparseConv`]: the input gradient and the weight gradient of a convolution that max-pooling
//! follows, computed from the nonzero upstream gradients alone.
//!
//! Max-pooling over windows of 2 by 2 sends a gradient back to one position in four, and a
//! rectifier removes more of them. The dense products of `op/conv2d.rs` would multiply all those
//! zeros. This file turns a block of sixteen examples in lanes into sixteen images
//! `[row][column][channel]`, and leaves lists and sums to [`crate::kernel::sparse`].

use crate::kernel::conv_pool::Choice;
use crate::kernel::sparse::{Maxima, SparseInput, SparseWeights};
use crate::kernel::transpose::{FromExamples, ToExamples, take};
use crate::kernel::{LANES, Lanes, Simd, flat, flat_mut};
use crate::op::{Conv2d, ConvLayer};

/// A convolution of stride 1 followed by max-pooling over windows of 2 by 2.
pub(crate) struct SparseConv {
    channels: usize,
    outputs: usize,
    kernel: [usize; 2],
    /// Number of rows and of columns of pooling windows.
    windows: [usize; 2],
    /// Height and width of the input without padding.
    size: [usize; 2],
    /// Zeros on every side of the input.
    padding: usize,
    /// Numbers of one padded example, with room behind it for a read of sixteen.
    example: usize,
    /// Numbers of one row of a padded example.
    row: usize,
    /// For each number of an input row in the order `[column][channel]`: its place in a block.
    order: Vec<u32>,
    /// The part of the input under the kernel: its rows, and groups of sixteen numbers in a row.
    patch: [usize; 2],
    /// Offsets in a padded example of the groups of sixteen under the kernel at any of the four
    /// positions of a pooling window.
    window: Vec<u32>,
    /// Groups of sixteen in a kernel row that is packed with zeros around it.
    weight_row: usize,
}

impl SparseConv {
    /// `None` for another stride, and where a kernel row (columns times channels) is so short
    /// that most of a group of sixteen numbers would lie outside of it.
    pub(crate) fn new(conv: &ConvLayer, windows: [usize; 2]) -> Option<Self> {
        let Conv2d {
            in_channels: channels,
            out_channels: outputs,
            kernel: [kh, kw],
            stride,
            padding,
            ..
        } = conv.op;
        if stride != 1 || kw * channels < LANES / 2 {
            return None;
        }
        let size = [conv.pad.height, conv.pad.width];
        let row = conv.pad.padded_width * channels;
        let segments = |n: usize| (0..n * channels).step_by(LANES);
        let weight_row = segments(kw + 1).len();
        let window = (0..=kh).flat_map(|y| segments(kw + 1).map(move |s| (y * row + s) as u32));
        let order = (0..size[1])
            .flat_map(|x| (0..channels).map(move |c| (c * size[0] * size[1] + x) as u32));
        Some(Self {
            channels,
            outputs,
            kernel: [kh, kw],
            windows,
            size,
            padding,
            // A group of sixteen may reach into the next row; behind the last one there is room.
            example: (conv.pad.padded_height * row).next_multiple_of(LANES) + LANES,
            row,
            order: order.collect(),
            patch: [kh, segments(kw).len()],
            window: window.collect(),
            weight_row,
        })
    }

    /// Lanes of scratch memory that both gradients need.
    pub(crate) fn scratch(&self) -> usize {
        self.example
    }

    /// Packs weights `(out, in, kh, kw)` for the input gradient: once for the left and once for
    /// the right positions of a window, with a row of zeros above and below.
    pub(crate) fn pack(&self, weights: &[f32], into: &mut Vec<Lanes>) {
        let [kh, kw] = self.kernel;
        let row = self.weight_row * LANES;
        into.clear();
        into.resize(self.outputs * 2 * (kh + 2) * self.weight_row, Lanes::ZERO);
        let outputs = weights.chunks_exact(self.channels * kh * kw);
        for (to, weights) in flat_mut(into)
            .chunks_exact_mut(2 * (kh + 2) * row)
            .zip(outputs)
        {
            for (right, to) in to.chunks_exact_mut((kh + 2) * row).enumerate() {
                for y in 0..kh {
                    for x in 0..kw {
                        for c in 0..self.channels {
                            let at = (y + 1) * row + (x + right) * self.channels + c;
                            to[at] = weights[(c * kh + y) * kw + x];
                        }
                    }
                }
            }
        }
    }

    fn maxima<'a>(&self, upstream: &'a [Lanes], choices: &'a [Choice]) -> Maxima<'a> {
        Maxima {
            upstream,
            choices,
            n_outputs: self.outputs,
            rows: self.windows[0],
            columns: self.windows[1],
        }
    }

    /// Where in a padded example each row of the input starts.
    fn rows(&self) -> impl Iterator<Item = usize> {
        (0..self.size[0]).map(|y| (y + self.padding) * self.row + self.padding * self.channels)
    }

    /// Input gradient of one block.
    pub(crate) fn input_gradient(
        &self,
        simd: Simd,
        packed: &[Lanes],
        upstream: &[Lanes],
        choices: &[Choice],
        scratch: &mut [Lanes],
        out: &mut [Lanes],
    ) {
        scratch.fill(Lanes::ZERO);
        simd.run(SparseInput {
            maxima: self.maxima(upstream, choices),
            weights: packed,
            weight_steps: [self.weight_row, (self.kernel[0] + 2) * self.weight_row],
            segments: &self.window,
            out: flat_mut(scratch),
            example: self.example,
            steps: [self.row, self.channels],
        });
        for (y, row) in self.rows().enumerate() {
            let rows = &flat(scratch)[row..];
            simd.run(FromExamples {
                examples: LANES,
                numbers: |l, from, to: &mut _| take(&rows[l * self.example + from..], to, |v| v),
                n: self.order.len(),
                at: |i| self.order[i] as usize,
                block: &mut out[y * self.size[1]..],
            });
        }
    }

    /// Lanes of the sums that [`Self::add_weight_gradient`] adds to.
    pub(crate) fn sums(&self) -> usize {
        self.outputs * self.patch[0] * self.patch[1]
    }

    /// Adds one block's share of the weight gradient.
    pub(crate) fn add_weight_gradient(
        &self,
        simd: Simd,
        x: &[Lanes],
        upstream: &[Lanes],
        choices: &[Choice],
        scratch: &mut [Lanes],
        sums: &mut [Lanes],
    ) {
        if self.padding > 0 {
            scratch.fill(Lanes::ZERO);
        }
        for (y, row) in self.rows().enumerate() {
            simd.run(ToExamples {
                block: &x[y * self.size[1]..],
                n: self.order.len(),
                at: |i| self.order[i] as usize,
                out: &mut flat_mut(scratch)[row..],
                example: self.example,
            });
        }
        simd.run(SparseWeights {
            maxima: self.maxima(upstream, choices),
            x: flat(scratch),
            example: self.example,
            steps: [self.row, self.channels],
            patch: self.patch,
            sums,
        });
    }

    /// The weight gradient `(out, in, kh, kw)` from its sums.
    pub(crate) fn weight_gradient(&self, sums: &[Lanes], gradient: &mut [f32]) {
        let [kh, kw] = self.kernel;
        let row = self.patch[1] * LANES;
        let outputs = gradient.chunks_exact_mut(self.channels * kh * kw);
        for (gradient, sums) in outputs.zip(flat(sums).chunks_exact(kh * row)) {
            for (y, sums) in sums.chunks_exact(row).enumerate() {
                for (x, sums) in sums.chunks_exact(self.channels).take(kw).enumerate() {
                    for (c, sum) in sums.iter().enumerate() {
                        gradient[(c * kh + y) * kw + x] = *sum;
                    }
                }
            }
        }
    }
}

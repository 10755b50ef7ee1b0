//! [`BitLayer`]: a dense layer or a convolution of binary weights on bits.

use crate::bits::{BITS, Bits, Layout};
use crate::kernel::popcount::{BitPlan, BitProduct, OUTPUTS};
use crate::kernel::tap::pack;
use crate::kernel::{LANES, Lanes, Simd};
use crate::op::{Conv2d, Dense, MAX_BLOCKS, Op, Shape};
use crate::quantizer::Quantization;
use crate::signs::weights;

/// Inputs that a word must hold on average. With fewer, the product of floats is as fast.
const MIN_INPUTS: usize = 16;

/// No input behind a bit.
const NONE: u32 = u32::MAX;

/// The exact sums of a layer, from bits.
pub(crate) struct BitLayer {
    pub(crate) quantizer: Quantization,
    pub(crate) bias: bool,
    /// Shape of its input.
    pub(crate) input: Layout,
    /// Shape of its output.
    pub(crate) output: Layout,
    /// Inputs of an output.
    pub(crate) n_inputs: usize,
    /// One for each number of blocks, or one for block after block.
    plans: Vec<BitPlan>,
    fold: Option<Fold>,
    /// Weight behind each bit of each tap.
    weights: Vec<u32>,
}

/// Columns of a kernel side by side in one word, where its channels leave room: the word at an
/// output column holds all that a row of the kernel sees from there.
struct Fold {
    channels: usize,
    /// Columns of the input and of the output.
    width: usize,
    columns: usize,
    stride: usize,
    kernel: usize,
}

impl BitLayer {
    /// The layer of `op`, a product of signs, if it is faster than on floats.
    pub(crate) fn new(op: &dyn Op, input: &Shape, output: &Shape) -> Option<Self> {
        let (quantizer, n_inputs) = weights(op)?;
        let mut layer = Self {
            quantizer: quantizer.clone(),
            bias: false,
            input: Layout::of(input),
            output: Layout::of(output),
            n_inputs,
            plans: Vec::new(),
            fold: None,
            weights: Vec::new(),
        };
        if let Some(op) = op.as_any().downcast_ref::<Dense>() {
            layer.bias = op.bias;
            layer.dense();
        } else {
            let op = op.as_any().downcast_ref::<Conv2d>()?;
            layer.bias = op.bias;
            let size = [[input[1], input[2]], [output[1], output[2]]];
            match op.padding == 0 && op.kernel[1] > 1 && op.kernel[1] * op.in_channels <= BITS {
                true => layer.folded(op, size),
                false => layer.conv(op, size),
            }
        }
        let taps = layer.weights.len() / BITS;
        (n_inputs >= MIN_INPUTS * taps).then_some(layer)
    }

    /// Taps at `offsets`, with the inputs behind each.
    fn taps(&self, offsets: impl Iterator<Item = usize>) -> Vec<(i32, u32)> {
        let used = |tap: &[u32]| tap.iter().filter(|&&weight| weight != NONE).count() as u32;
        let inputs = self.weights.chunks_exact(BITS).map(used);
        offsets.map(|offset| offset as i32).zip(inputs).collect()
    }

    fn dense(&mut self) {
        let (words, outputs) = (self.input.words(), self.output.channels);
        let features = 0..words * BITS;
        let n = self.n_inputs;
        self.weights = features
            .map(|f| if f < n { f as u32 } else { NONE })
            .collect();
        let taps = self.taps(0..words);
        let plan_of = |blocks: usize| {
            let mut plan = BitPlan::new(&taps, outputs, 1);
            for block in 0..blocks {
                let position = ((block * words) as i32, (block * outputs) as u32);
                plan.push(&[(0, words as u32)], position);
            }
            plan
        };
        self.plans = (1..=MAX_BLOCKS).map(plan_of).collect();
    }

    /// Taps are `[row][column][word]`; those outside the input are not seen, and padding needs
    /// no zeros.
    fn conv(&mut self, op: &Conv2d, [[height, width], out]: [[usize; 2]; 2]) {
        let (words, [kh, kw]) = (self.input.words(), op.kernel);
        for tap in 0..kh * kw {
            self.weights.extend((0..words * BITS).map(|c| {
                let weight = (c * kh * kw + tap) as u32;
                if c < op.in_channels { weight } else { NONE }
            }));
        }
        let offset = |k: usize| {
            let (tap, word) = (k / words, k % words);
            (word * height + tap / kw) * width + tap % kw
        };
        let taps = self.taps((0..kh * kw * words).map(offset));
        let mut plan = BitPlan::new(&taps, op.out_channels, out[0] * out[1]);
        let first = |at: usize| (at * op.stride) as i32 - op.padding as i32;
        let inside = |from: i32, taps: usize, n: usize| {
            let low = (-from).max(0) as usize;
            low..taps.min((n as i32 - from).max(0) as usize)
        };
        for y in 0..out[0] {
            for x in 0..out[1] {
                let (top, left) = (first(y), first(x));
                let columns = inside(left, kw, width);
                let of_row = |row: usize| {
                    let at = |column: usize| ((row * kw + column) * words) as u32;
                    (at(columns.start), at(columns.end))
                };
                let rows = inside(top, kh, height).map(of_row);
                let mut ranges: Vec<(u32, u32)> = Vec::new();
                for range in rows {
                    match ranges.last_mut() {
                        Some(last) if last.1 == range.0 => last.1 = range.1,
                        _ => ranges.push(range),
                    }
                }
                let base = top * width as i32 + left;
                plan.push(&ranges, (base, (y * out[1] + x) as u32));
            }
        }
        self.plans = vec![plan];
    }

    fn folded(&mut self, op: &Conv2d, [size, out]: [[usize; 2]; 2]) {
        let [kh, kw] = op.kernel;
        self.fold = Some(Fold {
            channels: op.in_channels,
            width: size[1],
            columns: out[1],
            stride: op.stride,
            kernel: kw,
        });
        for row in 0..kh {
            self.weights.extend((0..BITS).map(|bit| {
                let (column, c) = (bit / op.in_channels, bit % op.in_channels);
                let weight = ((c * kh + row) * kw + column) as u32;
                if column < kw { weight } else { NONE }
            }));
        }
        let taps = self.taps((0..kh).map(|row| row * out[1]));
        let mut plan = BitPlan::new(&taps, op.out_channels, out[0] * out[1]);
        for y in 0..out[0] {
            for x in 0..out[1] {
                let base = (y * op.stride * out[1] + x) as i32;
                plan.push(&[(0, kh as u32)], (base, (y * out[1] + x) as u32));
            }
        }
        self.plans = vec![plan];
    }

    /// Packs weights of −1 and 1.
    pub(crate) fn pack(&self, weights: &[f32], into: &mut Vec<u64>) {
        let rows: Vec<&[f32]> = weights.chunks_exact(self.n_inputs).collect();
        let taps: Vec<&[u32]> = self.weights.chunks_exact(BITS).collect();
        let word = |o: usize, k: usize| {
            let bits = taps[k].iter().enumerate().filter(|(_, w)| **w != NONE);
            bits.fold(0, |word, (bit, &weight)| {
                word | u64::from(rows[o][weight as usize] > 0.0) << bit
            })
        };
        pack(rows.len(), taps.len(), OUTPUTS, into, word);
    }

    /// Writes the sums of `x`.
    pub(crate) fn sums(
        &self,
        simd: Simd,
        weights: &[u64],
        (x, folded): (&Bits, &mut Bits),
        sums: &mut [Lanes],
    ) {
        let blocks = x.x.len() / self.input.size();
        let x = match &self.fold {
            Some(fold) => {
                simd.vectorize(|| fold.fold(x, folded));
                &*folded
            }
            None => x,
        };
        let plan = self.plans.get(blocks - 1);
        let by_block = self.plans.len() == 1;
        let pieces = if by_block { blocks } else { 1 };
        let plan = plan.filter(|_| !by_block).unwrap_or(&self.plans[0]);
        let (words, numbers) = (x.x.len() / pieces, sums.len() / pieces);
        for (piece, out) in sums.chunks_exact_mut(numbers).enumerate() {
            let range = piece * words..(piece + 1) * words;
            simd.run_bits(BitProduct {
                plan,
                x: &x.x[range.clone()],
                keep: x.kept().map(|keep| &keep[range]),
                weights,
                out,
            });
        }
    }
}

impl Fold {
    #[inline(always)]
    fn fold(&self, from: &Bits, into: &mut Bits) {
        let rows = from.x.len() / self.width;
        into.clear(rows * self.columns, from.masked);
        let keep = from.kept().unwrap_or_default();
        for (from, into) in [(&from.x[..], &mut into.x), (keep, &mut into.keep)] {
            let pairs = from
                .chunks_exact(self.width)
                .zip(into.chunks_exact_mut(self.columns));
            for (from, into) in pairs {
                for (x, into) in into.iter_mut().enumerate() {
                    for (column, from) in from[x * self.stride..][..self.kernel].iter().enumerate()
                    {
                        for l in 0..LANES {
                            into.0[l] |= from.0[l] << (column * self.channels);
                        }
                    }
                }
            }
        }
    }
}

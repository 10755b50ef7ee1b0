//! [`Thresholds`]: a sum to a sign without floats in between.
//!
//! Where what stands between a sum and a sign is monotone in each channel's sum, the sign
//! changes at one whole number at most. That number is found by bisection over all sums there
//! can be, each tried on the layers themselves, so that it holds their rounding.

use crate::bits::{BITS, BitValues, Bits, Layout};
use crate::exact_sum::finish;
use crate::kernel::{LANES, Lanes, Simd};
use crate::op::{
    Affine, BatchNorm, Forward, Function, Layer, MaxPool2d, Op, Pointwise, Quantize, Relu,
};

/// Whether an op maps each channel's numbers by one function that never turns, and no others.
pub(crate) fn is_monotone(op: &dyn Op) -> bool {
    let op = op.as_any();
    if let Some(op) = op.downcast_ref::<Pointwise>() {
        return match op.function {
            Function::LeakyRelu { slope } => slope >= 0.0,
            Function::Clip { .. } => true,
            // Rounded, they may turn in their last bit.
            Function::Sigmoid | Function::Tanh => false,
        };
    }
    op.is::<BatchNorm>() || op.is::<Relu>() || op.is::<Affine>()
}

/// What stands between sums and signs, and the signs themselves.
pub(crate) struct Search<'a> {
    /// Monotone layers at one number a channel, prepared.
    pub(crate) layers: &'a [Box<dyn Layer>],
    pub(crate) sign: &'a Quantize,
    pub(crate) simd: Simd,
    pub(crate) factor: f32,
    pub(crate) bias: Option<&'a [f32]>,
}

impl Search<'_> {
    /// Whether the sign of each channel's sum is 1.
    fn signs(&self, sums: &[i32]) -> Vec<bool> {
        let mut values: Vec<Lanes> = sums.iter().map(|&sum| Lanes::splat(sum as f32)).collect();
        let mut output = values.clone();
        finish(self.simd, &mut values, 1, self.factor, self.bias);
        let ids = [[0; LANES]];
        let sign = self.sign.layer(&[vec![sums.len()]]).into_box();
        for layer in self.layers.iter().chain([&sign]) {
            let chunk = Forward {
                simd: self.simd,
                blocks: 1,
                ids: &ids,
                factor: 1.0,
                inputs: &[&values],
                output: &mut output,
                saved: &mut [],
                scratch: &mut Vec::new(),
                values: [0; 2],
                bits: &mut BitValues::default(),
            };
            layer.forward(chunk);
            std::mem::swap(&mut values, &mut output);
        }
        values.iter().map(|value| value.0[0] > 0.0).collect()
    }

    /// The thresholds of `channels` channels with sums in [-`n`, `n`].
    pub(crate) fn thresholds(&self, channels: usize, n: usize) -> Thresholds {
        let n = n as i32;
        let first = self.signs(&vec![-n; channels]);
        let last = self.signs(&vec![n; channels]);
        // The sign is `first` at `low` and another at `high`, where it changes.
        let (mut low, mut high) = (vec![-n; channels], vec![n; channels]);
        while (0..channels).any(|c| high[c] - low[c] > 1) {
            let middle: Vec<i32> = (0..channels).map(|c| low[c].midpoint(high[c])).collect();
            let signs = self.signs(&middle);
            for c in 0..channels {
                if signs[c] == first[c] {
                    low[c] = middle[c];
                } else {
                    high[c] = middle[c];
                }
            }
        }
        let mut thresholds = Thresholds {
            factor: self.factor,
            least: Vec::new(),
            flip: vec![0; channels.div_ceil(BITS)],
        };
        for c in 0..channels {
            let changes = first[c] != last[c];
            let always = if first[c] {
                f32::NEG_INFINITY
            } else {
                f32::INFINITY
            };
            thresholds
                .least
                .push(if changes { high[c] as f32 } else { always });
            thresholds.flip[c / BITS] |= u64::from(changes && first[c]) << (c % BITS);
        }
        thresholds
    }
}

/// Smallest sum of each channel whose sign is 1; where a bit of `flip` is set, whose sign is −1.
#[derive(Debug)]
pub(crate) struct Thresholds {
    /// What the sums are multiplied by.
    pub(crate) factor: f32,
    least: Vec<f32>,
    flip: Vec<u64>,
}

/// Windows of which the largest sum counts.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    windows: MaxPool2d,
    width: usize,
    columns: usize,
}

impl Pool {
    pub(crate) fn new(windows: &MaxPool2d, input: &[usize], output: &[usize]) -> Self {
        Self {
            windows: windows.clone(),
            width: input[2],
            columns: output[2],
        }
    }

    /// Where the window of an output position begins in a plane.
    fn corner(&self, position: usize) -> usize {
        let (row, column) = (position / self.columns, position % self.columns);
        (row * self.width + column) * self.windows.stride
    }

    /// Largest of a plane's window that begins at `corner`.
    #[inline(always)]
    fn largest(&self, plane: &[Lanes], corner: usize) -> Lanes {
        let mut best = plane[corner];
        for row in 0..self.windows.kernel {
            for value in &plane[corner + row * self.width..][..self.windows.kernel] {
                best = value.zip(best, |v, b| if v > b { v } else { b });
            }
        }
        best
    }
}

impl Thresholds {
    /// The signs of `sums`, block after block, `layout` being theirs behind `pool`.
    pub(crate) fn signs(
        &self,
        simd: Simd,
        (sums, blocks): (&[Lanes], usize),
        (pool, layout): (Option<&Pool>, Layout),
        into: &mut Bits,
    ) {
        into.clear(blocks * layout.size(), false);
        let block = sums.len() / blocks;
        let plane = block / layout.channels;
        let sums = sums.chunks_exact(block);
        let into = into.x.chunks_exact_mut(layout.size());
        let positions = layout.positions;
        simd.vectorize(|| {
            for (sums, into) in sums.zip(into) {
                for (word, into) in into.chunks_exact_mut(positions).enumerate() {
                    let channels = word * BITS..layout.channels.min((word + 1) * BITS);
                    for (position, into) in into.iter_mut().enumerate() {
                        let mut bits = [self.flip[word]; LANES];
                        let corner = pool.map_or(position, |pool| pool.corner(position));
                        for c in channels.clone() {
                            let sums = &sums[c * plane..(c + 1) * plane];
                            let sum = match pool {
                                Some(pool) => pool.largest(sums, corner),
                                None => sums[corner],
                            };
                            let least = self.least[c];
                            for l in 0..LANES {
                                bits[l] ^= u64::from(sum.0[l] >= least) << (c % BITS);
                            }
                        }
                        into.0 = bits;
                    }
                }
            }
        });
    }
}

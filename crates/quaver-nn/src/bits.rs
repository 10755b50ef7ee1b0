//! [`Bits`]: values of −1, 0 and 1 as two bits a number, and how they come from floats.

use crate::kernel::{LANES, Lanes, Simd, Words};
use crate::noise::LayerDraw;

/// Bits of a word.
pub(crate) const BITS: usize = 64;

/// Shape of a value: bit c of the word at `[c / 64][position]` is channel c. Bits behind the
/// last channel are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) channels: usize,
    pub(crate) positions: usize,
}

impl Layout {
    pub(crate) fn of(shape: &[usize]) -> Self {
        Self {
            channels: shape[0],
            positions: shape[1..].iter().product(),
        }
    }

    /// Words of a channel axis.
    pub(crate) fn words(self) -> usize {
        self.channels.div_ceil(BITS)
    }

    /// Words of one example.
    pub(crate) fn size(self) -> usize {
        self.words() * self.positions
    }

    /// Where element e of an example lies: word and bit.
    fn place(self, e: usize) -> (usize, usize) {
        let (c, position) = (e / self.positions, e % self.positions);
        (c / BITS * self.positions + position, c % BITS)
    }
}

/// A value of a chunk, block after block.
#[derive(Debug, Default)]
pub(crate) struct Bits {
    /// 1 where the number is not −1.
    pub(crate) x: Vec<Words>,
    /// 1 where the number is not 0; not read unless `masked`.
    pub(crate) keep: Vec<Words>,
    /// Whether there are zeros.
    pub(crate) masked: bool,
}

impl Bits {
    /// The zeros, if there are any.
    pub(crate) fn kept(&self) -> Option<&[Words]> {
        self.masked.then_some(&self.keep)
    }

    /// Room for `words` words of 0, with zeros or not.
    pub(crate) fn clear(&mut self, words: usize, masked: bool) {
        self.masked = masked;
        for (row, used) in [(&mut self.x, true), (&mut self.keep, masked)] {
            row.clear();
            row.resize(if used { words } else { 0 }, Words::ZERO);
        }
    }

    /// The signs of `from`, with `zeros` those of numbers that may be 0.
    pub(crate) fn pack(&mut self, simd: Simd, from: &[Lanes], layout: Layout, zeros: bool) {
        let block = layout.channels * layout.positions;
        self.clear(from.len() / block * layout.size(), zeros);
        let (x, keep) = (&mut self.x, &mut self.keep);
        simd.vectorize(|| pack(from, layout, x, |v| v >= 0.0));
        if zeros {
            simd.vectorize(|| pack(from, layout, keep, |v| v != 0.0));
        }
    }

    /// The same numbers, those of them 0 that `draw` drops with `threshold`.
    pub(crate) fn drop(
        &mut self,
        simd: Simd,
        from: &Self,
        layout: Layout,
        (draw, threshold): (LayerDraw, u16),
        ids: &[[u64; LANES]],
    ) {
        self.clear(from.x.len(), true);
        self.x.copy_from_slice(&from.x);
        let keep = &mut self.keep;
        let n = layout.channels * layout.positions;
        simd.vectorize(|| {
            for (keep, ids) in keep.chunks_exact_mut(layout.size()).zip(ids) {
                for group in 0..n.div_ceil(8) {
                    let drawn = draw.uniform_u16(ids, group as u32);
                    for (i, drawn) in drawn.iter().enumerate().take(n - 8 * group) {
                        let (word, bit) = layout.place(8 * group + i);
                        for l in 0..LANES {
                            keep[word].0[l] |= u64::from(drawn[l] >= threshold) << bit;
                        }
                    }
                }
            }
            if let Some(before) = from.kept() {
                for (keep, before) in keep.iter_mut().zip(before) {
                    for l in 0..LANES {
                        keep.0[l] &= before.0[l];
                    }
                }
            }
        });
    }

    /// The same numbers.
    pub(crate) fn copy(&mut self, from: &Self) {
        self.clear(from.x.len(), from.masked);
        self.x.copy_from_slice(&from.x);
        self.keep.copy_from_slice(from.kept().unwrap_or_default());
    }

    /// The same numbers as one axis, channel after channel.
    pub(crate) fn flatten(&mut self, simd: Simd, from: &Self, layout: Layout) {
        if layout.positions == 1 {
            return self.copy(from);
        }
        let flat = Layout {
            channels: layout.channels * layout.positions,
            positions: 1,
        };
        self.clear(from.x.len() / layout.size() * flat.size(), from.masked);
        let (x, keep) = (&mut self.x, &mut self.keep);
        simd.vectorize(|| {
            flatten(&from.x, layout, x, flat);
            flatten(from.kept().unwrap_or_default(), layout, keep, flat);
        });
    }
}

/// Values as bits, by value, and memory of the worker's own.
#[derive(Default)]
pub(crate) struct BitValues {
    pub(crate) values: Vec<Bits>,
    pub(crate) packed: Bits,
    pub(crate) folded: Bits,
}

impl BitValues {
    /// Writes value `to`; `write` sees the values before it.
    pub(crate) fn write(&mut self, to: usize, write: impl FnOnce(&mut Bits, &[Bits])) {
        self.values
            .resize_with(self.values.len().max(to + 1), Bits::default);
        let (before, from) = self.values.split_at_mut(to);
        write(&mut from[0], before);
    }
}

#[inline(always)]
fn pack(from: &[Lanes], layout: Layout, into: &mut [Words], is_one: impl Fn(f32) -> bool) {
    let positions = layout.positions;
    let blocks = from.chunks_exact(layout.channels * positions);
    for (from, into) in blocks.zip(into.chunks_exact_mut(layout.size())) {
        // Eight channels together: words are read and written again an eighth as often.
        for (group, from) in from.chunks(8 * positions).enumerate() {
            let first = group * 8 % BITS;
            let into = &mut into[group * 8 / BITS * positions..][..positions];
            for (position, into) in into.iter_mut().enumerate() {
                for (bit, lanes) in from[position..].iter().step_by(positions).enumerate() {
                    for l in 0..LANES {
                        into.0[l] |= u64::from(is_one(lanes.0[l])) << (first + bit);
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn flatten(from: &[Words], layout: Layout, into: &mut [Words], flat: Layout) {
    let blocks = from.chunks_exact(layout.size());
    for (from, into) in blocks.zip(into.chunks_exact_mut(flat.size())) {
        for c in 0..layout.channels {
            let sources = &from[c / BITS * layout.positions..][..layout.positions];
            for (position, source) in sources.iter().enumerate() {
                let e = c * layout.positions + position;
                let into = &mut into[e / BITS].0;
                for l in 0..LANES {
                    into[l] |= ((source.0[l] >> (c % BITS)) & 1) << (e % BITS);
                }
            }
        }
    }
}

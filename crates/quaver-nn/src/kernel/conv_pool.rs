//! A convolution whose outputs never reach memory: the maximum over windows of two by two is
//! taken in registers, and of the choices only bits are kept.

use super::{Kernel, Lanes, Vector};
use std::ops::Range;

/// Which position of a window each lane's maximum came from: four masks of sixteen bits.
pub(crate) type Choice = u64;

/// The same mask for all four positions.
const ALL: Choice = 0x0001_0001_0001_0001;

/// The mask of position `p`.
#[inline(always)]
pub(super) fn of_position(choice: Choice, p: usize) -> u16 {
    (choice >> (16 * p)) as u16
}

/// Outputs of a tile: as few beyond those there are as possible, then as many as fit.
pub(crate) fn tile_outputs(n_outputs: usize) -> usize {
    let beyond = |tile: &usize| n_outputs.div_ceil(*tile) * tile;
    [6, 5, 4, 3, 2, 1]
        .into_iter()
        .min_by_key(beyond)
        .unwrap_or(1)
}

/// Convolution, maximum, and the rectifier if asked for, of one block.
pub(crate) struct ConvPool<'a> {
    /// Input, already padded.
    pub(crate) x: &'a [Lanes],
    /// Offset of each tap in `x`.
    pub(crate) taps: &'a [u32],
    /// Offsets of a window's four positions in `x`, row-major.
    pub(crate) corners: [usize; 4],
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Distance in `x` between two rows and two columns of windows.
    pub(crate) row_step: usize,
    pub(crate) column_step: usize,
    /// As [`super::tap::pack`] leaves them, for `tile` outputs.
    pub(crate) weights: &'a [f32],
    pub(crate) bias: Option<&'a [f32]>,
    pub(crate) tile: usize,
    pub(crate) n_outputs: usize,
    pub(crate) rectify: bool,
    /// `[output][row][column]`.
    pub(crate) out: &'a mut [Lanes],
    /// As `out`, or empty if nobody will ask.
    pub(crate) choices: &'a mut [Choice],
}

impl ConvPool<'_> {
    fn check(&self) {
        let last = (self.rows - 1) * self.row_step
            + (self.columns - 1) * self.column_step
            + self.corners[3]
            + self.taps.iter().max().map_or(0, |&t| t as usize);
        let tiles = self.n_outputs.div_ceil(self.tile);
        assert!(last < self.x.len() && self.corners.is_sorted());
        assert_eq!(self.weights.len(), tiles * self.tile * self.taps.len());
        assert!(self.bias.is_none_or(|b| b.len() == self.n_outputs));
        assert_eq!(self.out.len(), self.n_outputs * self.rows * self.columns);
        assert!(self.choices.is_empty() || self.choices.len() == self.out.len());
    }
}

impl Kernel for ConvPool<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Vector>(mut self) {
        self.check();
        // SAFETY: `check` compared the operands with what is read and written; `V` is available
        // by `run`'s contract.
        unsafe {
            match (V::WIDE, self.tile) {
                (true, 1) => windows::<V, 4, 1>(&mut self),
                (true, 2) => windows::<V, 4, 2>(&mut self),
                (true, 3) => windows::<V, 4, 3>(&mut self),
                (true, 4) => windows::<V, 4, 4>(&mut self),
                (true, 5) => windows::<V, 4, 5>(&mut self),
                (true, _) => windows::<V, 4, 6>(&mut self),
                (false, 1) => windows::<V, 4, 1>(&mut self),
                (false, 2) => windows::<V, 2, 2>(&mut self),
                (false, 3) => windows::<V, 2, 3>(&mut self),
                (false, 4) => windows::<V, 1, 4>(&mut self),
                (false, 5) => windows::<V, 1, 5>(&mut self),
                (false, _) => windows::<V, 1, 6>(&mut self),
            }
        }
    }
}

#[inline(always)]
unsafe fn windows<V: Vector, const P: usize, const O: usize>(job: &mut ConvPool<'_>) {
    assert_eq!(job.tile, O);
    for row in 0..job.rows {
        for column in 0..job.columns {
            for t in 0..job.n_outputs.div_ceil(O) {
                // SAFETY: the caller's contract.
                unsafe { window::<V, P, O>(job, row, column, t) };
            }
        }
    }
}

/// One window of the outputs of tile `t`.
#[inline(always)]
unsafe fn window<V: Vector, const P: usize, const O: usize>(
    job: &mut ConvPool<'_>,
    row: usize,
    column: usize,
    t: usize,
) {
    // SAFETY: `ConvPool::check`.
    unsafe {
        let x = job
            .x
            .as_ptr()
            .add(row * job.row_step + column * job.column_step);
        let live = O.min(job.n_outputs - t * O);
        let mut bias = [V::splat(0.0); O];
        if let Some(values) = job.bias {
            for o in 0..O {
                if o < live {
                    bias[o] = V::splat(*values.get_unchecked(t * O + o));
                }
            }
        }
        let mut best = bias;
        let mut choice: [Choice; O] = [0xFFFF; O];
        for first in (0..4).step_by(P) {
            let acc = sums::<V, P, O>(job, x, first, t, bias);
            for p in 0..P {
                for o in 0..O {
                    if first + p == 0 {
                        best[o] = acc[o][p];
                        continue;
                    }
                    // Of equal ones the first stays; what is not a number is passed on.
                    let more = acc[o][p].greater_or_nan(best[o]);
                    best[o] = V::select(more, acc[o][p], best[o]);
                    let more = Choice::from(V::bits(more));
                    choice[o] = choice[o] & !(more * ALL) | more << (16 * (first + p));
                }
            }
        }
        let place = row * job.columns + column;
        for o in 0..O {
            if o >= live {
                break;
            }
            if job.rectify {
                let zero = V::splat(0.0);
                choice[o] &= Choice::from(V::bits(best[o].greater(zero))) * ALL;
                best[o] = V::select(best[o].greater_or_nan(zero), best[o], zero);
            }
            let place = (t * O + o) * job.rows * job.columns + place;
            best[o].store(job.out.as_mut_ptr().add(place));
            if !job.choices.is_empty() {
                *job.choices.get_unchecked_mut(place) = choice[o];
            }
        }
    }
}

/// The convolution at positions `first..first + P` of the window at `x`.
#[inline(always)]
unsafe fn sums<V: Vector, const P: usize, const O: usize>(
    job: &ConvPool<'_>,
    x: *const Lanes,
    first: usize,
    t: usize,
    bias: [V; O],
) -> [[V; P]; O] {
    // SAFETY: `ConvPool::check`.
    unsafe {
        let mut acc = [[bias[0]; P]; O];
        for o in 0..O {
            acc[o] = [bias[o]; P];
        }
        let mut weights = job.weights.as_ptr().add(t * job.taps.len() * O);
        for &tap in job.taps {
            let mut xs = [bias[0]; P];
            for p in 0..P {
                xs[p] = V::load(x.add(tap as usize + job.corners.get_unchecked(first + p)));
            }
            for o in 0..O {
                let weight = V::splat(*weights.add(o));
                for p in 0..P {
                    acc[o][p] = acc[o][p].fma(xs[p], weight);
                }
            }
            weights = weights.add(O);
        }
        acc
    }
}

/// The way back: each window's gradient goes to the position its maximum came from.
pub(crate) struct Spread<'a> {
    /// Gradient of one block's maxima, `[output][row][column]` of windows.
    pub(crate) upstream: &'a [Lanes],
    pub(crate) choices: &'a [Choice],
    /// Windows of an output.
    pub(crate) windows: usize,
    /// The rows of windows to go through.
    pub(crate) rows: Range<usize>,
    pub(crate) columns: usize,
    /// Height and width of what these rows give of an output.
    pub(crate) plane: [usize; 2],
    /// Gradient of the convolution's outputs, `[output][row][column]`, overwritten.
    pub(crate) out: &'a mut [Lanes],
}

impl Kernel for Spread<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let (windows, [height, width]) = (self.windows, self.plane);
        assert!(2 * self.rows.len() <= height && 2 * self.columns <= width);
        assert!(self.rows.end * self.columns <= windows);
        assert_eq!(self.upstream.len(), self.choices.len());
        if [2 * self.rows.len(), 2 * self.columns] != self.plane {
            self.out.fill(Lanes::ZERO);
        }
        let planes = self.out.chunks_exact_mut(height * width);
        let maxima = self
            .upstream
            .chunks_exact(windows)
            .zip(self.choices.chunks_exact(windows));
        for (out, (upstream, choices)) in planes.zip(maxima) {
            // SAFETY: `V` is available by `run`'s contract; windows lie inside the plane.
            unsafe {
                let zero = V::splat(0.0);
                for (i, row) in self.rows.clone().enumerate() {
                    for column in 0..self.columns {
                        let place = row * self.columns + column;
                        let u = V::load(upstream.get_unchecked(place));
                        let choice = *choices.get_unchecked(place);
                        let to = out.as_mut_ptr().add(2 * (i * width + column));
                        for p in 0..4 {
                            let here = V::mask(of_position(choice, p));
                            V::select(here, u, zero).store(to.add(p / 2 * width + p % 2));
                        }
                    }
                }
            }
        }
    }
}

/// Sums of the gradients of maxima that came from somewhere.
pub(crate) struct ChosenSums<'a> {
    /// `[output][window]`.
    pub(crate) upstream: &'a [Lanes],
    pub(crate) choices: &'a [Choice],
    /// One for each output, added to.
    pub(crate) sums: &'a mut [Lanes],
}

impl Kernel for ChosenSums<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let windows = self.upstream.len() / self.sums.len();
        let maxima = self
            .upstream
            .chunks_exact(windows)
            .zip(self.choices.chunks_exact(windows));
        for (sum, (upstream, choices)) in self.sums.iter_mut().zip(maxima) {
            // SAFETY: `V` is available by `run`'s contract.
            unsafe {
                let mut total = V::load(sum);
                for (u, &choice) in upstream.iter().zip(choices) {
                    let anywhere = (0..4).fold(0, |any, p| any | of_position(choice, p));
                    let u = V::select(V::mask(anywhere), V::load(u), V::splat(0.0));
                    total = total.add(u);
                }
                total.store(sum);
            }
        }
    }
}

//! Weight gradient of a convolution: `dw[o][k] = Σ_blocks Σ_p u[o][p] · x[base(p) + tap(k)]`,
//! summed over positions in registers and over lanes once at the end. A tile of outputs ×
//! taps stays in registers over as many rows as the first-level cache holds.

use super::{Kernel, Lanes, Vector};

/// Bytes of the upstream gradient that a tile goes through again and again, one time for each
/// of its taps: half of a common first-level cache.
const CACHED: usize = 24 * 1024;

/// One block's share of a weight gradient.
pub(crate) struct Correlate<'a> {
    /// Input of one block, already padded.
    pub(crate) x: &'a [Lanes],
    /// Upstream gradient of the block, `[output][row][column]`.
    pub(crate) upstream: &'a [Lanes],
    pub(crate) n_outputs: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Distance in `x` between two output rows and two output columns.
    pub(crate) row_step: usize,
    pub(crate) column_step: usize,
    /// Offset of each tap in `x`.
    pub(crate) taps: &'a [u32],
    /// `[output][tap]`, added to.
    pub(crate) sums: &'a mut [Lanes],
}

impl Kernel for Correlate<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Vector>(mut self) {
        let last = (self.rows - 1) * self.row_step
            + (self.columns - 1) * self.column_step
            + self.taps.iter().max().map_or(0, |&t| t as usize);
        assert!(last < self.x.len() && self.sums.len() == self.n_outputs * self.taps.len());
        assert_eq!(
            self.upstream.len(),
            self.n_outputs * self.rows * self.columns
        );
        // SAFETY: all addresses were just checked; `V` is available by `run`'s contract.
        unsafe {
            match (V::WIDE, self.n_outputs) {
                (true, 6) | (true, 12) | (true, 18) => tiles::<V, 6, 4>(&mut self),
                (true, 5) | (true, 10) | (true, 20) | (true, 50) => tiles::<V, 5, 4>(&mut self),
                (true, n) if n >= 4 => tiles::<V, 4, 6>(&mut self),
                (true, _) => tiles::<V, 1, 8>(&mut self),
                (false, n) if n >= 3 => tiles::<V, 3, 2>(&mut self),
                (false, _) => tiles::<V, 1, 4>(&mut self),
            }
        }
    }
}

#[inline(always)]
unsafe fn tiles<V: Vector, const O: usize, const K: usize>(job: &mut Correlate<'_>) {
    let row = O * job.columns * size_of::<Lanes>();
    let rows = (CACHED / row).clamp(1, job.rows);
    let mut o = 0;
    while o < job.n_outputs {
        // What is left over is done output by output: a sum must not be added to twice.
        let whole = job.n_outputs - o >= O;
        for first in (0..job.rows).step_by(rows) {
            let rows = first..job.rows.min(first + rows);
            // SAFETY: the caller's contract.
            unsafe {
                match whole {
                    true => taps::<V, O, K>(job, o, rows),
                    false => taps::<V, 1, 8>(job, o, rows),
                }
            }
        }
        o += if whole { O } else { 1 };
    }
}

#[inline(always)]
unsafe fn taps<V: Vector, const O: usize, const K: usize>(
    job: &mut Correlate<'_>,
    o: usize,
    rows: std::ops::Range<usize>,
) {
    let mut k = 0;
    while k < job.taps.len() {
        // SAFETY: the caller's contract.
        unsafe {
            if job.taps.len() - k >= K {
                tile::<V, O, K>(job, o, k, rows.clone());
                k += K;
            } else {
                tile::<V, O, 1>(job, o, k, rows.clone());
                k += 1;
            }
        }
    }
}

#[inline(always)]
unsafe fn tile<V: Vector, const O: usize, const K: usize>(
    job: &mut Correlate<'_>,
    o0: usize,
    k0: usize,
    rows: std::ops::Range<usize>,
) {
    let positions = job.rows * job.columns;
    let n_taps = job.taps.len();
    // SAFETY: `Correlate::run` checked the largest address of each operand.
    unsafe {
        let sums = job.sums.as_mut_ptr().add(o0 * n_taps + k0);
        let mut acc = [[V::splat(0.0); K]; O];
        for o in 0..O {
            for k in 0..K {
                acc[o][k] = V::load(sums.add(o * n_taps + k));
            }
        }
        for row in rows {
            let mut x = [job.x.as_ptr(); K];
            for k in 0..K {
                let tap = *job.taps.get_unchecked(k0 + k) as usize;
                x[k] = x[k].add(row * job.row_step + tap);
            }
            let u = job
                .upstream
                .as_ptr()
                .add(o0 * positions + row * job.columns);
            for column in 0..job.columns {
                let mut xs = [V::splat(0.0); K];
                for k in 0..K {
                    xs[k] = V::load(x[k].add(column * job.column_step));
                }
                for o in 0..O {
                    let us = V::load(u.add(o * positions + column));
                    for k in 0..K {
                        acc[o][k] = acc[o][k].fma(us, xs[k]);
                    }
                }
            }
        }
        for o in 0..O {
            for k in 0..K {
                acc[o][k].store(sums.add(o * n_taps + k));
            }
        }
    }
}

/// Sums over lanes.
pub(crate) struct LaneSums<'a> {
    pub(crate) lanes: &'a [Lanes],
    /// As many, overwritten.
    pub(crate) sums: &'a mut [f32],
}

impl Kernel for LaneSums<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        for (sum, lanes) in self.sums.iter_mut().zip(self.lanes) {
            // SAFETY: `V` is available by `run`'s contract.
            *sum = unsafe { V::load(lanes).sum() };
        }
    }
}

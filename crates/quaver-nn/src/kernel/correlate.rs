//! Weight gradient of a convolution: `dw[o][k] = Σ_blocks Σ_p u[o][p] · x[base(p) + tap(k)]`,
//! summed over positions in registers and over lanes once at the end. A tile of outputs ×
//! taps stays in registers over all positions.

use super::{Kernel, Lanes, Vector};

/// One weight gradient over the blocks of a chunk.
pub(crate) struct Correlate<'a> {
    /// Input, already padded, `blocks * x_block`.
    pub(crate) x: &'a [Lanes],
    pub(crate) x_block: usize,
    /// Upstream gradient `[block][output][row][column]`.
    pub(crate) upstream: &'a [Lanes],
    pub(crate) n_outputs: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Distance in `x` between two output rows and two output columns.
    pub(crate) row_step: usize,
    pub(crate) column_step: usize,
    /// Offset of each tap in `x`.
    pub(crate) taps: &'a [u32],
    /// `[output][tap]`, overwritten.
    pub(crate) out: &'a mut [f32],
}

impl Kernel for Correlate<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Vector>(mut self) {
        let last = (self.rows - 1) * self.row_step
            + (self.columns - 1) * self.column_step
            + self.taps.iter().max().map_or(0, |&t| t as usize);
        let blocks = self.x.len() / self.x_block;
        assert!(last < self.x_block && self.out.len() == self.n_outputs * self.taps.len());
        assert_eq!(
            self.upstream.len(),
            blocks * self.n_outputs * self.rows * self.columns
        );
        // SAFETY: all addresses were just checked; `V` is available by `run`'s contract.
        unsafe {
            match (V::WIDE, self.n_outputs) {
                (true, 6) | (true, 12) | (true, 18) => tiles::<V, 6, 4>(&mut self),
                (true, 5) | (true, 10) | (true, 20) | (true, 50) => tiles::<V, 5, 4>(&mut self),
                (true, 4) => tiles::<V, 4, 6>(&mut self),
                (true, n) if n >= 8 => tiles::<V, 8, 3>(&mut self),
                (true, _) => tiles::<V, 1, 8>(&mut self),
                (false, n) if n >= 3 => tiles::<V, 3, 2>(&mut self),
                (false, _) => tiles::<V, 1, 4>(&mut self),
            }
        }
    }
}

#[inline(always)]
unsafe fn tiles<V: Vector, const O: usize, const K: usize>(job: &mut Correlate<'_>) {
    let (n_outputs, n_taps) = (job.n_outputs, job.taps.len());
    let mut o = 0;
    while o < n_outputs {
        // The last tile overlaps the one before and writes the same values again.
        let first = o.min(n_outputs - O);
        let mut k = 0;
        while k < n_taps {
            // SAFETY: the caller's contract.
            unsafe {
                if n_taps >= K {
                    tile::<V, O, K>(job, first, k.min(n_taps - K));
                    k += K;
                } else {
                    tile::<V, O, 1>(job, first, k);
                    k += 1;
                }
            }
        }
        o += O;
    }
}

#[inline(always)]
unsafe fn tile<V: Vector, const O: usize, const K: usize>(
    job: &mut Correlate<'_>,
    o0: usize,
    k0: usize,
) {
    let positions = job.rows * job.columns;
    let blocks = job.x.len() / job.x_block;
    // SAFETY: `Correlate::run` checked the largest address of each operand.
    unsafe {
        let mut acc = [[V::splat(0.0); K]; O];
        for block in 0..blocks {
            let mut u = [job.upstream.as_ptr(); O];
            for o in 0..O {
                u[o] = u[o].add((block * job.n_outputs + o0 + o) * positions);
            }
            for row in 0..job.rows {
                let mut x = [job.x.as_ptr(); K];
                for k in 0..K {
                    let tap = *job.taps.get_unchecked(k0 + k) as usize;
                    x[k] = x[k].add(block * job.x_block + row * job.row_step + tap);
                }
                for column in 0..job.columns {
                    let mut xs = [V::splat(0.0); K];
                    for k in 0..K {
                        xs[k] = V::load(x[k].add(column * job.column_step));
                    }
                    for o in 0..O {
                        let us = V::load(u[o].add(row * job.columns + column));
                        for k in 0..K {
                            acc[o][k] = acc[o][k].fma(us, xs[k]);
                        }
                    }
                }
            }
        }
        for o in 0..O {
            for k in 0..K {
                job.out[(o0 + o) * job.taps.len() + k0 + k] = acc[o][k].sum();
            }
        }
    }
}

//! Weight gradient of a dense layer: `dw[o][i] = Σ_examples u[o] · x[i]`, inputs in lanes. A
//! tile of outputs × inputs stays in registers over a whole batch.

use super::{Kernel, LANES, Lanes, Vector};

/// What some of a batch's examples give: whole blocks, unused examples being zero.
#[derive(Clone, Copy)]
pub(crate) struct OuterPart<'a> {
    /// Inputs, `[example][group of sixteen]`.
    pub(crate) x: &'a [Lanes],
    /// Upstream gradient, `[block][output]` with examples in lanes.
    pub(crate) upstream: &'a [Lanes],
}

/// Rows of a weight gradient, summed over `parts` in order.
pub(crate) struct Outer<'a> {
    pub(crate) parts: &'a [OuterPart<'a>],
    pub(crate) inputs: usize,
    pub(crate) n_outputs: usize,
    /// First of the outputs that `out` has the rows of.
    pub(crate) first: usize,
    /// `[output][input]`, overwritten.
    pub(crate) out: &'a mut [f32],
}

impl Kernel for Outer<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Vector>(mut self) {
        let groups = self.inputs.div_ceil(LANES);
        for part in self.parts {
            let blocks = part.upstream.len() / self.n_outputs;
            assert_eq!(part.upstream.len(), blocks * self.n_outputs);
            assert_eq!(part.x.len(), blocks * LANES * groups);
        }
        let rows = self.out.len() / self.inputs;
        assert!(self.out.len() == rows * self.inputs && self.first + rows <= self.n_outputs);
        // SAFETY: all addresses were just checked; `V` is available by `run`'s contract.
        unsafe {
            match V::WIDE {
                true => tiles::<V, 6, 4>(&mut self, rows, groups),
                false => tiles::<V, 6, 1>(&mut self, rows, groups),
            }
        }
    }
}

#[inline(always)]
unsafe fn tiles<V: Vector, const O: usize, const G: usize>(
    job: &mut Outer<'_>,
    rows: usize,
    groups: usize,
) {
    let mut o = 0;
    while o < rows {
        let mut g = 0;
        while g < groups {
            // SAFETY: the caller's contract.
            unsafe {
                match (rows - o >= O, groups - g >= G) {
                    (true, true) => tile::<V, O, G>(job, o, g),
                    (true, false) => tile::<V, O, 1>(job, o, g),
                    (false, true) => tile::<V, 1, G>(job, o, g),
                    (false, false) => tile::<V, 1, 1>(job, o, g),
                }
            }
            g += if groups - g >= G { G } else { 1 };
        }
        o += if rows - o >= O { O } else { 1 };
    }
}

#[inline(always)]
unsafe fn tile<V: Vector, const O: usize, const G: usize>(
    job: &mut Outer<'_>,
    row: usize,
    group: usize,
) {
    let groups = job.inputs.div_ceil(LANES);
    let mut sums = [[Lanes::ZERO; G]; O];
    // SAFETY: `Outer::run` checked the operands.
    unsafe {
        let mut acc = [[V::splat(0.0); G]; O];
        for part in job.parts {
            for block in 0..part.upstream.len() / job.n_outputs {
                let u = part
                    .upstream
                    .as_ptr()
                    .add(block * job.n_outputs + job.first + row);
                let x = part.x.as_ptr().add(block * LANES * groups + group);
                for example in 0..LANES {
                    let x = x.add(example * groups);
                    let mut xs = [V::splat(0.0); G];
                    for g in 0..G {
                        xs[g] = V::load(x.add(g));
                    }
                    for o in 0..O {
                        let us = V::splat(*u.add(o).cast::<f32>().add(example));
                        for g in 0..G {
                            acc[o][g] = acc[o][g].fma(xs[g], us);
                        }
                    }
                }
            }
        }
        for o in 0..O {
            for g in 0..G {
                acc[o][g].store(&raw mut sums[o][g]);
            }
        }
    }
    for (o, sums) in sums.iter().enumerate() {
        for (g, sums) in sums.iter().enumerate() {
            let from = (group + g) * LANES;
            let to = job.inputs.min(from + LANES);
            let row = (row + o) * job.inputs;
            job.out[row + from..row + to].copy_from_slice(&sums.0[..to - from]);
        }
    }
}

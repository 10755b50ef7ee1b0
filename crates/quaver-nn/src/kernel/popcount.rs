//! The product of bits behind packed convolutions and dense layers.
//!
//! Bits stand for −1 and 1. `out[o][p] = n(p) − 2 · Σ_k ones(w[o][k] ^ x[base(p) + tap(k)])`
//! as the float product goes, a word of 64 inputs in place of one input: `n` is the number of
//! inputs that exist at a position. With `keep` bits an input may also be absent, and `n` is the
//! number of those that are kept. The sums are integers, so they equal those of the float
//! product to the bit.

use super::words::{WordVector, Words};
use super::{LANES, Lanes};

/// Outputs of a tile, under every instruction set.
pub(crate) const OUTPUTS: usize = 4;

/// A kernel written once over the word vector.
pub(crate) trait BitKernel {
    /// # Safety
    /// The caller must have checked that the machine has `V`'s instruction set.
    unsafe fn run<V: WordVector>(self);
}

/// Where a product reads and writes, independent of weights and batch.
#[derive(Clone, Debug)]
pub(crate) struct BitPlan {
    /// Offset of each tap from a position's base, in words.
    taps: Vec<i32>,
    /// Inputs behind each tap.
    inputs: Vec<u32>,
    classes: Vec<BitClass>,
    n_outputs: usize,
    /// Distance between two outputs of one position, in lanes.
    output_stride: usize,
    /// Words that the input and lanes that the output must have.
    reads: usize,
    writes: usize,
}

/// Positions that see the same taps.
#[derive(Clone, Debug)]
struct BitClass {
    /// Half-open ranges of taps.
    ranges: Vec<(u32, u32)>,
    n_inputs: u64,
    /// (base in the input, in words, and place in the output, in lanes).
    positions: Vec<(i32, u32)>,
}

impl BitPlan {
    /// A product without positions yet, of taps (offset, inputs behind it).
    pub(crate) fn new(taps: &[(i32, u32)], n_outputs: usize, output_stride: usize) -> Self {
        Self {
            taps: taps.iter().map(|tap| tap.0).collect(),
            inputs: taps.iter().map(|tap| tap.1).collect(),
            classes: Vec::new(),
            n_outputs,
            output_stride,
            reads: 0,
            writes: 0,
        }
    }

    /// Adds a position (base in the input, place in the output) that sees `ranges` of taps.
    pub(crate) fn push(&mut self, ranges: &[(u32, u32)], (base, place): (i32, u32)) {
        let mut n_inputs = 0;
        for k in ranges
            .iter()
            .flat_map(|&(from, to)| from as usize..to as usize)
        {
            let address = usize::try_from(base + self.taps[k]).expect("taps lie inside the input");
            self.reads = self.reads.max(address + 1);
            n_inputs += u64::from(self.inputs[k]);
        }
        let last = place as usize + (self.n_outputs - 1) * self.output_stride;
        self.writes = self.writes.max(last + 1);
        match self.classes.iter_mut().find(|class| class.ranges == ranges) {
            Some(class) => class.positions.push((base, place)),
            None => self.classes.push(BitClass {
                ranges: ranges.to_vec(),
                n_inputs,
                positions: vec![(base, place)],
            }),
        }
    }
}

/// One product of bits over one block, or over the positions of all blocks of a chunk.
pub(crate) struct BitProduct<'a> {
    pub(crate) plan: &'a BitPlan,
    pub(crate) x: &'a [Words],
    /// Which inputs are present; `None`: all.
    pub(crate) keep: Option<&'a [Words]>,
    /// As [`super::tap::pack`] leaves them, for [`OUTPUTS`] outputs.
    pub(crate) weights: &'a [u64],
    pub(crate) out: &'a mut [Lanes],
}

impl BitProduct<'_> {
    fn check(&self) {
        let plan = self.plan;
        let tiles = plan.n_outputs.div_ceil(OUTPUTS);
        assert_eq!(self.weights.len(), tiles * OUTPUTS * plan.taps.len());
        assert!(self.x.len() >= plan.reads && self.out.len() >= plan.writes);
        assert!(self.keep.is_none_or(|keep| keep.len() == self.x.len()));
    }
}

impl BitKernel for BitProduct<'_> {
    #[inline(always)]
    unsafe fn run<V: WordVector>(mut self) {
        self.check();
        // SAFETY: `check` compared the operands with what the plan reads and writes; `V` is
        // available by `run`'s contract.
        unsafe {
            match V::POSITIONS {
                5 => product::<V, 5>(&mut self),
                3 => product::<V, 3>(&mut self),
                _ => product::<V, 2>(&mut self),
            }
        }
    }
}

#[inline(always)]
unsafe fn product<V: WordVector, const P: usize>(job: &mut BitProduct<'_>) {
    let plan = job.plan;
    for class in &plan.classes {
        let n = class.positions.len();
        let mut at = 0;
        while at < n {
            // A last tile overlaps the one before and writes the same values again.
            let (from, tile) = match at + P <= n {
                true => (at, P),
                false if n >= P => (n - P, P),
                false => (at, 1),
            };
            // SAFETY: the caller's contract.
            unsafe {
                match (tile == P, job.keep) {
                    (true, None) => tile_of::<V, P, false>(job, class, from),
                    (true, Some(_)) => tile_of::<V, P, true>(job, class, from),
                    (false, None) => tile_of::<V, 1, false>(job, class, from),
                    (false, Some(_)) => tile_of::<V, 1, true>(job, class, from),
                }
            }
            at = from + tile;
        }
    }
}

/// A tile of positions through all outputs, some examples after the others.
#[inline(always)]
unsafe fn tile_of<V: WordVector, const P: usize, const KEEP: bool>(
    job: &mut BitProduct<'_>,
    class: &BitClass,
    at: usize,
) {
    let plan = job.plan;
    let n_taps = plan.taps.len();
    let keep: &[Words] = job.keep.unwrap_or(job.x);
    // SAFETY: positions `at..at + P` exist; their addresses lie inside `x`, `keep` and `out`.
    unsafe {
        for lane in (0..LANES).step_by(V::WIDTH) {
            let mut bases = [[std::ptr::null(); P]; 2];
            for p in 0..P {
                let base = class.positions.get_unchecked(at + p).0 as isize;
                bases[0][p] = job
                    .x
                    .as_ptr()
                    .wrapping_offset(base)
                    .cast::<u64>()
                    .wrapping_add(lane);
                bases[1][p] = keep
                    .as_ptr()
                    .wrapping_offset(base)
                    .cast::<u64>()
                    .wrapping_add(lane);
            }
            let mut n = [V::splat(class.n_inputs); P];
            if KEEP {
                let ones = [0; OUTPUTS];
                let kept = [bases[1], bases[1]];
                n = count::<V, P, 1, false>(plan, class, kept, ones.as_ptr(), 0)[0];
            }
            for t in 0..plan.n_outputs.div_ceil(OUTPUTS) {
                let weights = job.weights.as_ptr().add(t * n_taps * OUTPUTS);
                let counts = count::<V, P, OUTPUTS, KEEP>(plan, class, bases, weights, OUTPUTS);
                for o in 0..OUTPUTS.min(plan.n_outputs - t * OUTPUTS) {
                    let row = (t * OUTPUTS + o) * plan.output_stride;
                    for p in 0..P {
                        let place = class.positions.get_unchecked(at + p).1 as usize;
                        let out = job.out.as_mut_ptr().add(place + row).cast::<f32>();
                        counts[o][p].store_sums(n[p], out.add(lane));
                    }
                }
            }
        }
    }
}

/// Bits in which inputs and weights of `O` outputs differ, at `P` positions. The weights of one
/// tap are `stride` behind those of the one before.
#[inline(always)]
unsafe fn count<V: WordVector, const P: usize, const O: usize, const KEEP: bool>(
    plan: &BitPlan,
    class: &BitClass,
    [x, keep]: [[*const u64; P]; 2],
    weights: *const u64,
    stride: usize,
) -> [[V; P]; O] {
    // SAFETY: the caller's contract.
    unsafe {
        let zero = V::splat(0);
        let mut total = [[zero; P]; O];
        let mut narrow = [[zero; P]; O];
        for &(from, to) in &class.ranges {
            let (mut k, to) = (from as usize, to as usize);
            while k < to {
                let end = to.min(k.saturating_add(V::SPAN));
                for k in k..end {
                    let tap = *plan.taps.get_unchecked(k) as isize * LANES as isize;
                    let mut xs = [zero; P];
                    let mut keeps = [zero; P];
                    for p in 0..P {
                        xs[p] = V::load(x[p].wrapping_offset(tap));
                        if KEEP {
                            keeps[p] = V::load(keep[p].wrapping_offset(tap));
                        }
                    }
                    for o in 0..O {
                        let weight = V::splat(*weights.add(k * stride + o));
                        for p in 0..P {
                            narrow[o][p] = match KEEP {
                                true => narrow[o][p].add_differing_kept(xs[p], weight, keeps[p]),
                                false => narrow[o][p].add_differing(xs[p], weight),
                            };
                        }
                    }
                }
                if V::SPAN < usize::MAX {
                    for o in 0..O {
                        for p in 0..P {
                            total[o][p] = total[o][p].add(narrow[o][p].widen());
                            narrow[o][p] = zero;
                        }
                    }
                }
                k = end;
            }
        }
        if V::SPAN < usize::MAX { total } else { narrow }
    }
}

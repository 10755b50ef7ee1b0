//! The tiled product behind convolutions, dense layers and their input gradients.
//!
//! `out[o][p] = bias[o] + Σ_k w[o][k] · x[base(p) + tap(k)]`, `k` running over the taps that
//! exist at position `p` in ascending order. Positions that have the same taps form a class,
//! so borders need neither padding nor wasted products. A tile of positions × outputs stays
//! in registers over all taps.

use super::{Kernel, Lanes, Vector};

/// Where a product reads and writes, independent of weights and batch.
#[derive(Clone, Debug, Default)]
pub(crate) struct TapPlan {
    /// Offset of each tap from a position's base, in lanes.
    pub(crate) taps: Vec<i32>,
    pub(crate) classes: Vec<TapClass>,
    /// Distance between two outputs of one position, in lanes.
    pub(crate) output_stride: usize,
    pub(crate) n_outputs: usize,
    /// Lanes that the input and the output must have; kept by [`TapPlan::push`].
    reads: usize,
    writes: usize,
}

/// Positions that see the same taps.
#[derive(Clone, Debug, Default)]
pub(crate) struct TapClass {
    /// Half-open ranges of taps, ascending.
    pub(crate) ranges: Vec<(u32, u32)>,
    /// Which of the groups of taps; the first starts from the bias, the others go on.
    pub(crate) group: usize,
    /// (base in the input, place in the output), in lanes.
    pub(crate) positions: Vec<(i32, u32)>,
}

impl TapPlan {
    /// A product without positions yet.
    pub(crate) fn new(taps: Vec<i32>, n_outputs: usize, output_stride: usize) -> Self {
        Self {
            taps,
            classes: Vec::new(),
            output_stride,
            n_outputs,
            reads: 0,
            writes: 0,
        }
    }

    /// Adds a position (base in the input, place in the output) that sees `ranges` of taps.
    /// Taps may come in groups, each summed over all positions before the next, so that what a
    /// group reads stays in cache; a position's groups are added in ascending order.
    pub(crate) fn push(&mut self, ranges: &[(u32, u32)], group: usize, (base, place): (i32, u32)) {
        for &(from, to) in ranges {
            for &tap in &self.taps[from as usize..to as usize] {
                let address = usize::try_from(base + tap).expect("taps lie inside the input");
                self.reads = self.reads.max(address + 1);
            }
        }
        let last = place as usize + (self.n_outputs - 1) * self.output_stride;
        self.writes = self.writes.max(last + 1);
        let same = |class: &&mut TapClass| class.group == group && class.ranges == ranges;
        if let Some(class) = self.classes.iter_mut().find(same) {
            return class.positions.push((base, place));
        }
        let class = TapClass {
            ranges: ranges.to_vec(),
            group,
            positions: vec![(base, place)],
        };
        let behind = self.classes.partition_point(|class| class.group <= group);
        self.classes.insert(behind, class);
    }

    /// Multiply-adds for one block.
    pub(crate) fn products(&self) -> u64 {
        let taps = |class: &TapClass| {
            class
                .ranges
                .iter()
                .map(|r| u64::from(r.1 - r.0))
                .sum::<u64>()
        };
        let positions: u64 = self
            .classes
            .iter()
            .map(|c| taps(c) * c.positions.len() as u64)
            .sum();
        positions * self.n_outputs as u64
    }
}

/// Outputs of a tile: the divisor that wastes least, then the larger tile.
pub(crate) fn tile_outputs(n_outputs: usize, wide: bool, few_positions: bool) -> usize {
    let order: &[usize] = match (wide, few_positions) {
        (true, true) => &[12, 10, 8, 6, 5, 4, 3, 2, 1],
        (true, false) => &[6, 8, 5, 10, 12, 4, 3, 2, 1],
        (false, _) => &[6, 5, 4, 3, 2, 1],
    };
    let padded = |tile: usize| n_outputs.div_ceil(tile) * tile;
    let mut best = order[0];
    for &tile in order {
        // A smaller tile reloads its inputs more often: it must save a tenth.
        if padded(tile) * 10 < padded(best) * 9 {
            best = tile;
        }
    }
    best
}

/// Weights ordered `[tile of outputs][tap][output in the tile]`, the last tile filled with 0.
pub(crate) fn pack<W: Copy + Default>(
    n_outputs: usize,
    n_taps: usize,
    tile: usize,
    into: &mut Vec<W>,
    weight: impl Fn(usize, usize) -> W,
) {
    into.clear();
    into.resize(n_outputs.div_ceil(tile) * tile * n_taps, W::default());
    for (t, packed) in into.chunks_exact_mut(tile * n_taps).enumerate() {
        let live = tile.min(n_outputs - t * tile);
        for (k, packed) in packed.chunks_exact_mut(tile).enumerate() {
            for (o, packed) in packed[..live].iter_mut().enumerate() {
                *packed = weight(t * tile + o, k);
            }
        }
    }
}

/// One product over one block, or over the positions of all blocks of a chunk.
pub(crate) struct TapProduct<'a> {
    pub(crate) plan: &'a TapPlan,
    pub(crate) x: &'a [Lanes],
    /// As [`pack`] leaves them, for `tile` outputs.
    pub(crate) weights: &'a [f32],
    pub(crate) bias: Option<&'a [f32]>,
    pub(crate) tile: usize,
    pub(crate) out: &'a mut [Lanes],
}

impl TapProduct<'_> {
    fn check(&self) {
        let plan = self.plan;
        let tiles = plan.n_outputs.div_ceil(self.tile);
        assert_eq!(self.weights.len(), tiles * self.tile * plan.taps.len());
        assert!(self.bias.is_none_or(|b| b.len() == plan.n_outputs));
        assert!(self.x.len() >= plan.reads && self.out.len() >= plan.writes);
    }
}

impl Kernel for TapProduct<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Vector>(mut self) {
        self.check();
        // SAFETY: `check` compared the operands with what the plan reads and writes; `V` is
        // available by `run`'s contract.
        unsafe {
            match (V::WIDE, self.tile) {
                (true, 1) => product::<V, 8, 4, 1>(&mut self),
                (true, 2) => product::<V, 8, 4, 2>(&mut self),
                (true, 3) => product::<V, 6, 3, 3>(&mut self),
                (true, 4) => product::<V, 6, 3, 4>(&mut self),
                (true, 5) => product::<V, 5, 2, 5>(&mut self),
                (true, 6) => product::<V, 4, 2, 6>(&mut self),
                (true, 8) => product::<V, 3, 2, 8>(&mut self),
                (true, 10) => product::<V, 2, 1, 10>(&mut self),
                (true, _) => product::<V, 2, 1, 12>(&mut self),
                (false, 1) => product::<V, 4, 2, 1>(&mut self),
                (false, 2) => product::<V, 3, 1, 2>(&mut self),
                (false, 3) => product::<V, 2, 1, 3>(&mut self),
                (false, 4) => product::<V, 1, 1, 4>(&mut self),
                (false, 5) => product::<V, 1, 1, 5>(&mut self),
                (false, _) => product::<V, 1, 1, 6>(&mut self),
            }
        }
    }
}

/// Tiles of `P` positions, of `Q` where fewer are left, and of one.
#[inline(always)]
unsafe fn product<V: Vector, const P: usize, const Q: usize, const O: usize>(
    job: &mut TapProduct<'_>,
) {
    assert_eq!(job.tile, O);
    let plan = job.plan;
    for class in &plan.classes {
        let n = class.positions.len();
        let mut at = 0;
        while at < n {
            let left = n - at;
            // SAFETY: the caller's contract.
            unsafe {
                if left >= P {
                    outputs::<V, P, O>(job, class, at);
                    at += P;
                } else if n >= P && left > Q && class.group == 0 {
                    // The last tile overlaps the one before and writes the same values again.
                    outputs::<V, P, O>(job, class, n - P);
                    at = n;
                } else if left >= Q {
                    outputs::<V, Q, O>(job, class, at);
                    at += Q;
                } else {
                    outputs::<V, 1, O>(job, class, at);
                    at += 1;
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn outputs<V: Vector, const P: usize, const O: usize>(
    job: &mut TapProduct<'_>,
    class: &TapClass,
    at: usize,
) {
    let plan = job.plan;
    let n_taps = plan.taps.len();
    // SAFETY: positions `at..at + P` exist; their addresses lie inside `x` and `out`.
    unsafe {
        let x = job.x.as_ptr();
        let out = job.out.as_mut_ptr();
        let mut base = [x; P];
        for p in 0..P {
            base[p] = x.wrapping_offset(class.positions.get_unchecked(at + p).0 as isize);
        }
        for t in 0..plan.n_outputs.div_ceil(O) {
            let weights = job.weights.as_ptr().add(t * n_taps * O);
            // Loops over a tile have constant bounds: an index known only when the program runs
            // would put the sums into memory.
            let live = O.min(plan.n_outputs - t * O);
            let mut acc = [[V::splat(0.0); P]; O];
            if class.group > 0 {
                for o in 0..O {
                    if o < live {
                        let row = (t * O + o) * plan.output_stride;
                        for p in 0..P {
                            let place = class.positions.get_unchecked(at + p).1 as usize;
                            acc[o][p] = V::load(out.add(place + row));
                        }
                    }
                }
            } else if let Some(bias) = job.bias {
                for o in 0..O {
                    if o < live {
                        acc[o] = [V::splat(*bias.get_unchecked(t * O + o)); P];
                    }
                }
            }
            for &(from, to) in &class.ranges {
                for k in from as usize..to as usize {
                    let tap = *plan.taps.get_unchecked(k) as isize;
                    let mut xs = [V::splat(0.0); P];
                    for p in 0..P {
                        xs[p] = V::load(base[p].wrapping_offset(tap));
                    }
                    let weights = weights.add(k * O);
                    for o in 0..O {
                        let weight = V::splat(*weights.add(o));
                        for p in 0..P {
                            acc[o][p] = acc[o][p].fma(xs[p], weight);
                        }
                    }
                }
            }
            for o in 0..O {
                if o < live {
                    let row = (t * O + o) * plan.output_stride;
                    for p in 0..P {
                        let place = class.positions.get_unchecked(at + p).1 as usize;
                        acc[o][p].store(out.add(place + row));
                    }
                }
            }
        }
    }
}

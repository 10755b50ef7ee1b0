//! Gradients of a convolution followed by max-pooling over windows of 2 by 2, from the nonzero
//! upstream gradients alone.
//!
//! At least three in four upstream gradients are zero, but different ones in every example. So
//! sixteen examples side by side, as everywhere else, would multiply zeros. Here one example
//! comes after the other: its nonzero gradients are written to a list, each with the place that
//! the maximum came from, and each is multiplied with sixteen neighboring numbers at once. For
//! the weight gradient these are inputs, `[row][column][channel]`; for the input gradient weights.

use super::conv_pool::{Choice, of_position};
use super::{Kernel, LANES, Lanes, Vector};
use std::ops::Range;

/// Bytes of packed weights that one row of windows reads many times: most of a common
/// first-level cache.
const CACHED: usize = 44 * 1024;

/// Sums of sixteen numbers for which one list is gone through at once. The same on every
/// machine, as it sets the order in which numbers are added.
const AT_ONCE: usize = 18;

/// Gradients of one block's maxima, `[output][row][column]` of windows.
#[derive(Clone, Copy)]
pub(crate) struct Maxima<'a> {
    pub(crate) upstream: &'a [Lanes],
    pub(crate) choices: &'a [Choice],
    pub(crate) n_outputs: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

impl Maxima<'_> {
    fn check(&self) {
        assert_eq!(
            self.upstream.len(),
            self.n_outputs * self.rows * self.columns
        );
        assert_eq!(self.upstream.len(), self.choices.len());
    }
}

/// Lists of nonzero gradients, each with the offset of the position it belongs to. All lists
/// have the same capacity and lie one behind the other.
struct Lists {
    gradients: Vec<f32>,
    /// Offsets as the bits of floats, because they pass through registers of floats.
    places: Vec<f32>,
    lengths: Vec<usize>,
    /// Capacity of one list.
    room: usize,
}

/// Part of a list: gradients, and as many offsets.
type Entries<'a> = (&'a [f32], &'a [f32]);

impl Lists {
    fn new(lists: usize, room: usize) -> Self {
        // Sixteen numbers are written at a time.
        let room = room + LANES;
        Self {
            gradients: vec![0.0; lists * room],
            places: vec![0.0; lists * room],
            lengths: vec![0; lists],
            room,
        }
    }

    fn get(&self, list: usize, part: Range<usize>) -> Entries<'_> {
        let part = list * self.room + part.start..list * self.room + part.end;
        (&self.gradients[part.clone()], &self.places[part])
    }

    /// Appends the nonzero gradients of `n` maxima: example l to list `first_list + l`.
    /// `maximum(i)` is the gradient of maximum i, which position of its window it came from, and
    /// the offset of that window's first position; `steps` is the distance to the position below
    /// and to the one on the right.
    #[inline(always)]
    unsafe fn push<'a, V: Vector>(
        &mut self,
        first_list: usize,
        steps: [usize; 2],
        n: usize,
        maximum: impl Fn(usize) -> (&'a Lanes, Choice, usize),
    ) {
        for first in (0..n).step_by(LANES) {
            // SAFETY: `V` is available by the caller's contract; lists have room for sixteen more
            // than there are maxima.
            unsafe {
                let zero = V::splat(0.0);
                let (mut gradients, mut places) = ([zero; LANES], [zero; LANES]);
                for i in 0..LANES {
                    if first + i < n {
                        let (gradient, choice, base) = maximum(first + i);
                        let (gradient, step) =
                            (V::load(gradient), |p| p / 2 * steps[0] + p % 2 * steps[1]);
                        for p in 0..4 {
                            let chosen = V::mask(of_position(choice, p));
                            let place = f32::from_bits(base.wrapping_add(step(p)) as u32);
                            gradients[i] = V::select(chosen, gradient, gradients[i]);
                            places[i] = V::select(chosen, V::splat(place), places[i]);
                        }
                    }
                }
                V::transpose(&mut gradients);
                V::transpose(&mut places);
                for l in 0..LANES {
                    let list = first_list + l;
                    let length = &mut self.lengths[list];
                    let to = list * self.room + *length;
                    assert!(to + LANES <= self.gradients.len());
                    let above = V::bits(gradients[l].greater_or_nan(zero));
                    let kept = above | V::bits(zero.greater(gradients[l]));
                    gradients[l].compress(kept, self.gradients.as_mut_ptr().add(to));
                    places[l].compress(kept, self.places.as_mut_ptr().add(to));
                    *length += kept.count_ones() as usize;
                }
            }
        }
    }
}

/// `n` sums in tiles of about equal size, as few as the registers allow.
#[inline(always)]
fn tiles<V: Vector>(n: usize) -> impl Iterator<Item = Range<usize>> {
    let tiles = n.div_ceil(V::SUMS);
    (0..tiles).map(move |t| n * t / tiles..n * (t + 1) / tiles)
}

/// Calls `$run` with the size of a tile as a constant.
macro_rules! with_tile {
    ($tile:expr, $run:ident, $($argument:expr),*) => {
        with_tile!(@ $tile, $run, ($($argument),*),
            1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18)
    };
    (@ $tile:expr, $run:ident, $arguments:tt, $($size:literal)*) => {
        match $tile.len() {
            $($size if $size <= V::SUMS => $run::<V, $size> $arguments,)*
            _ => unreachable!("no tile is larger"),
        }
    };
}

/// One block's share of a weight gradient.
pub(crate) struct SparseWeights<'a> {
    pub(crate) maxima: Maxima<'a>,
    /// Inputs, already padded, example after example, `[row][column][channel]`.
    pub(crate) x: &'a [f32],
    /// Distance in `x` between two examples; between two rows and two columns.
    pub(crate) example: usize,
    pub(crate) steps: [usize; 2],
    /// The part of the input under the kernel: its rows, and groups of sixteen numbers in a row.
    pub(crate) patch: [usize; 2],
    /// `[output][row][group]`, added to.
    pub(crate) sums: &'a mut [Lanes],
}

impl Kernel for SparseWeights<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Vector>(mut self) {
        self.maxima.check();
        let (maxima, [rows, sixteens]) = (self.maxima, self.patch);
        let last = (2 * maxima.rows + rows - 2) * self.steps[0]
            + (2 * maxima.columns - 1) * self.steps[1]
            + sixteens * LANES;
        assert!(last <= self.example && LANES * self.example <= self.x.len());
        assert_eq!(self.sums.len(), maxima.n_outputs * rows * sixteens);
        // SAFETY: all addresses were just checked; `V` is available by `run`'s contract.
        unsafe { weights::<V>(&mut self) }
    }
}

#[inline(always)]
unsafe fn weights<V: Vector>(job: &mut SparseWeights<'_>) {
    let (maxima, [rows, sixteens]) = (job.maxima, job.patch);
    let windows = maxima.rows * maxima.columns;
    // The input is copied so that all numbers under the kernel at one position lie side by side
    // and no load crosses a cache line: `[column][row][group]`.
    let steps = [sixteens, (2 * maxima.rows + rows - 1) * sixteens];
    let mut lists = Lists::new(LANES, maxima.n_outputs * windows);
    let mut ends = Vec::with_capacity(maxima.n_outputs);
    for o in 0..maxima.n_outputs {
        let maximum = |w: usize| {
            let base = w / maxima.columns * steps[0] + w % maxima.columns * steps[1];
            let at = o * windows + w;
            (&maxima.upstream[at], maxima.choices[at], 2 * base)
        };
        // SAFETY: `V` is available by the caller's contract.
        unsafe { lists.push::<V>(0, steps, windows, maximum) };
        ends.push(lists.lengths.clone());
    }
    let mut patches = vec![Lanes::ZERO; 2 * maxima.columns * steps[1]];
    for example in 0..LANES {
        let x = &job.x[example * job.example..][..job.example];
        for (column, rows) in patches.chunks_exact_mut(steps[1]).enumerate() {
            for (row, groups) in rows.chunks_exact_mut(sixteens).enumerate() {
                for (i, group) in groups.iter_mut().enumerate() {
                    let at = row * job.steps[0] + column * job.steps[1] + i * LANES;
                    // SAFETY: `SparseWeights::run` checked the last of these addresses.
                    unsafe { V::load_floats(x.as_ptr().add(at)).store(group) };
                }
            }
        }
        let mut from = 0;
        for (sums, ends) in job.sums.chunks_exact_mut(rows * sixteens).zip(&ends) {
            let list = lists.get(example, from..ends[example]);
            for tile in tiles::<V>(sums.len()) {
                let (patches, sums) = (&patches[tile.start..], &mut sums[tile.clone()]);
                // SAFETY: `SparseWeights::run`.
                unsafe { with_tile!(tile, add_inputs, patches, list, sums) }
            }
            from = ends[example];
        }
    }
}

/// Adds to the sums of a tile: each gradient of `list` times the inputs under the kernel at its
/// position.
#[inline(always)]
unsafe fn add_inputs<V: Vector, const T: usize>(
    patches: &[Lanes],
    list: Entries<'_>,
    sums: &mut [Lanes],
) {
    // SAFETY: offsets are those of positions, and behind each of these there is a whole patch.
    unsafe {
        let mut acc = [V::splat(0.0); T];
        for t in 0..T {
            acc[t] = V::load(&raw const sums[t]);
        }
        for (gradient, place) in list.0.iter().zip(list.1) {
            let inputs = patches.as_ptr().add(place.to_bits() as usize);
            let gradient = V::splat(*gradient);
            for t in 0..T {
                acc[t] = acc[t].fma(V::load(inputs.add(t)), gradient);
            }
        }
        for t in 0..T {
            acc[t].store(&raw mut sums[t]);
        }
    }
}

/// One block's input gradient.
pub(crate) struct SparseInput<'a> {
    pub(crate) maxima: Maxima<'a>,
    /// Weights of each output as they are added to the input under a whole window: once for a
    /// gradient at the window's left and once at its right positions, with zeros around them.
    pub(crate) weights: &'a [Lanes],
    /// Distance in `weights` between two rows, and between those for left and right positions.
    pub(crate) weight_steps: [usize; 2],
    /// Offsets in `out`, from a window's first position, of the groups of sixteen numbers under
    /// the kernel; in `weights` they lie side by side.
    pub(crate) segments: &'a [u32],
    /// Example after example, `[row][column][channel]` with padding, added to.
    pub(crate) out: &'a mut [f32],
    /// Distance in `out` between two examples; between two rows and two columns.
    pub(crate) example: usize,
    pub(crate) steps: [usize; 2],
}

impl Kernel for SparseInput<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Vector>(mut self) {
        self.maxima.check();
        let maxima = self.maxima;
        let base = 2 * ((maxima.rows - 1) * self.steps[0] + (maxima.columns - 1) * self.steps[1]);
        let segment = self.segments.iter().max().map_or(0, |&s| s as usize);
        let last = base + segment + LANES;
        assert!(last <= self.example && LANES * self.example <= self.out.len());
        let of_output = self.weights.len() / maxima.n_outputs;
        let last = self.weight_steps.iter().sum::<usize>() + self.segments.len();
        assert!(last <= of_output && of_output * maxima.n_outputs == self.weights.len());
        // SAFETY: all addresses were just checked; `V` is available by `run`'s contract.
        unsafe { input::<V>(&mut self) }
    }
}

#[inline(always)]
unsafe fn input<V: Vector>(job: &mut SparseInput<'_>) {
    let maxima = job.maxima;
    let windows = maxima.rows * maxima.columns;
    let of_output = job.weights.len() / maxima.n_outputs;
    let [down, right] = job.weight_steps;
    // A few whole kernel rows at a time; inside them, one column of windows after the other. So
    // the order of sums does not depend on the size of tiles.
    let n_rows = job.segments.len() / down;
    let at_once = n_rows.div_ceil(n_rows.div_ceil((AT_ONCE / down).max(1)));
    let bytes = 2 * (at_once + 1) * down * size_of::<Lanes>();
    let groups = maxima.n_outputs.div_ceil((CACHED / bytes).max(1));
    let group = maxima.n_outputs.div_ceil(groups);
    let mut lists = Lists::new(maxima.columns * LANES, group);
    for row in 0..maxima.rows {
        for first in (0..maxima.n_outputs).step_by(group) {
            let outputs = first..maxima.n_outputs.min(first + group);
            lists.lengths.fill(0);
            for column in 0..maxima.columns {
                let maximum = |i: usize| {
                    let o = outputs.start + i;
                    let at = o * windows + row * maxima.columns + column;
                    let base = o * of_output + down;
                    (&maxima.upstream[at], maxima.choices[at], base)
                };
                let steps = [down.wrapping_neg(), right];
                // SAFETY: `V` is available by the caller's contract.
                unsafe { lists.push::<V>(column * LANES, steps, outputs.len(), maximum) };
            }
            for start in (0..job.segments.len()).step_by(at_once * down) {
                let rows = start..job.segments.len().min(start + at_once * down);
                for column in 0..maxima.columns {
                    let window = 2 * (row * job.steps[0] + column * job.steps[1]);
                    // SAFETY: `SparseInput::run`.
                    unsafe { add_windows::<V>(job, &lists, rows.clone(), column, window) };
                }
            }
        }
    }
}

/// Adds the gradients of one window to some of its segments, in every example. `window` is the
/// offset of its first position.
#[inline(always)]
unsafe fn add_windows<V: Vector>(
    job: &mut SparseInput<'_>,
    lists: &Lists,
    rows: Range<usize>,
    column: usize,
    window: usize,
) {
    for tile in tiles::<V>(rows.len()) {
        let tile = rows.start + tile.start..rows.start + tile.end;
        let (weights, segments) = (&job.weights[tile.start..], &job.segments[tile.clone()]);
        for example in 0..LANES {
            let list = column * LANES + example;
            let list = lists.get(list, 0..lists.lengths[list]);
            let out = &mut job.out[example * job.example + window..];
            // SAFETY: `SparseInput::run`.
            unsafe { with_tile!(tile, add_weights, weights, list, segments, out) }
        }
    }
}

/// Adds to a tile of segments of a window in `out`: each gradient of `list` times the weights at
/// its offset.
#[inline(always)]
unsafe fn add_weights<V: Vector, const T: usize>(
    weights: &[Lanes],
    list: Entries<'_>,
    segments: &[u32],
    out: &mut [f32],
) {
    // SAFETY: windows lie inside `out`, places inside `weights`, see `SparseInput::run`.
    unsafe {
        let out = out.as_mut_ptr();
        let mut acc = [V::splat(0.0); T];
        for t in 0..T {
            acc[t] = V::load_floats(out.add(*segments.get_unchecked(t) as usize));
        }
        for (gradient, place) in list.0.iter().zip(list.1) {
            let weights = weights.as_ptr().add(place.to_bits() as usize);
            let gradient = V::splat(*gradient);
            for t in 0..T {
                acc[t] = acc[t].fma(V::load(weights.add(t)), gradient);
            }
        }
        for t in 0..T {
            acc[t].store_floats(out.add(*segments.get_unchecked(t) as usize));
        }
    }
}

//! Gradients of a convolution behind maxima over windows of two by two, of which rectifiers and
//! maxima leave at most one in four. Each example has others, so sixteen side by side would
//! multiply zeros. Here examples are taken one by one, `[row][column][channel]`, what is not
//! zero is listed, and sixteen numbers that lie side by side meet it at once.

use super::conv_pool::{Choice, of_position};
use super::{Kernel, LANES, Lanes, Vector};
use std::ops::Range;

/// Bytes of a common first-level cache that inputs may take while they meet every output's
/// gradients, and that weights may take while they meet a row of windows.
const CACHED: [usize; 2] = [24 * 1024, 44 * 1024];

/// Sums of sixteen numbers that fit in registers where these are wide.
const SUMS: usize = 24;

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

    /// Farthest offset of a position where two rows and two columns are so far apart.
    fn last(&self, [row, column]: [usize; 2]) -> usize {
        (2 * self.rows - 1) * row + (2 * self.columns - 1) * column
    }
}

/// A gradient that is not zero, and the offset of where it goes.
#[derive(Clone, Copy)]
struct Routed {
    gradient: f32,
    place: u32,
}

const NOWHERE: Routed = Routed {
    gradient: 0.0,
    place: 0,
};

/// Lists of equal room, one behind the other.
struct Lists {
    routed: Vec<Routed>,
    lengths: Vec<u32>,
    room: usize,
    /// Gradients and places of sixteen examples before they go to sixteen lists.
    fresh: Vec<[Lanes; 2]>,
}

impl Lists {
    fn new(lists: usize, room: usize) -> Self {
        Self {
            routed: vec![NOWHERE; lists * room],
            lengths: vec![0; lists],
            room,
            fresh: Vec::new(),
        }
    }

    fn get(&self, list: usize) -> &[Routed] {
        &self.routed[list * self.room..][..self.lengths[list] as usize]
    }

    /// Appends maxima's gradients: those of example `l` to list `list(l)`, their places
    /// `l * apart` farther. With a maximum comes the place of its window's first position; the
    /// others lie `steps` down and to the right of it.
    #[inline(always)]
    unsafe fn push<'a, V: Vector>(
        &mut self,
        (list, apart): (impl Fn(usize) -> usize, usize),
        steps: [usize; 2],
        maxima: impl Iterator<Item = (&'a Lanes, Choice, usize)>,
    ) {
        self.fresh.clear();
        for (gradient, choice, base) in maxima {
            let mut fresh = [Lanes::ZERO; 2];
            // SAFETY: `V` is available by the caller's contract.
            unsafe {
                let zero = V::splat(0.0);
                let (mut gradients, mut places) = (zero, zero);
                for p in 0..4 {
                    let chosen = V::mask(of_position(choice, p));
                    let step = p / 2 * steps[0] + p % 2 * steps[1];
                    // A place goes through a register of floats, its bits untouched.
                    let place = base.wrapping_add(step) as u32;
                    gradients = V::select(chosen, V::load(gradient), gradients);
                    places = V::select(chosen, V::splat(f32::from_bits(place)), places);
                }
                gradients.store(&raw mut fresh[0]);
                places.store(&raw mut fresh[1]);
            }
            self.fresh.push(fresh);
        }
        for l in 0..LANES {
            let (n, apart) = (list(l), (l * apart) as u32);
            let list = &mut self.routed[n * self.room..(n + 1) * self.room];
            let mut length = self.lengths[n] as usize;
            // What is not kept is written too, and written over by the next.
            for [gradients, places] in &self.fresh {
                let (gradient, place) = (gradients.0[l], places.0[l].to_bits() + apart);
                list[length] = Routed { gradient, place };
                length += usize::from(gradient != 0.0);
            }
            self.lengths[n] = length as u32;
        }
    }
}

/// Sizes of the tiles into which `n` sums go: as few as registers allow, and about equal.
fn tiles<V: Vector>(n: usize) -> impl Iterator<Item = Range<usize>> {
    let tiles = n.div_ceil(if V::WIDE { SUMS } else { 6 });
    (0..tiles).map(move |t| n * t / tiles..n * (t + 1) / tiles)
}

/// Calls `$run` with the size of a tile as a constant.
macro_rules! with_tile {
    ($tile:expr, $run:ident, $($argument:expr),*) => {
        with_tile!(@ $tile, $run, ($($argument),*), 1 2 3 4 5 6, 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24)
    };
    (@ $tile:expr, $run:ident, $arguments:tt, $($narrow:literal)*, $($wide:literal)*) => {
        match $tile.len() {
            $($narrow => $run::<V, $narrow> $arguments,)*
            $($wide if V::WIDE => $run::<V, $wide> $arguments,)*
            _ => unreachable!("tiles have sizes"),
        }
    };
}

/// One block's share of a weight gradient.
pub(crate) struct RoutedWeights<'a> {
    pub(crate) maxima: Maxima<'a>,
    /// Inputs, already padded, example after example, `[row][column][channel]`.
    pub(crate) x: &'a [f32],
    /// Distance in `x` of two examples; of two rows and two columns.
    pub(crate) example: usize,
    pub(crate) steps: [usize; 2],
    /// Offsets of each sixteen numbers that an output meets.
    pub(crate) segments: &'a [u32],
    /// `[output][segment]`, added to.
    pub(crate) sums: &'a mut [Lanes],
}

impl Kernel for RoutedWeights<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Vector>(mut self) {
        self.maxima.check();
        let segment = self.segments.iter().max().map_or(0, |&s| s as usize);
        let last = self.maxima.last(self.steps) + segment + LANES;
        assert!(last <= self.example && LANES * self.example <= self.x.len());
        assert_eq!(self.sums.len(), self.maxima.n_outputs * self.segments.len());
        // SAFETY: all addresses were just checked; `V` is available by `run`'s contract.
        unsafe { weights::<V>(&mut self) }
    }
}

#[inline(always)]
unsafe fn weights<V: Vector>(job: &mut RoutedWeights<'_>) {
    let maxima = job.maxima;
    let windows = maxima.rows * maxima.columns;
    // As many examples at a time as stay in cache.
    let bytes = job.example * size_of::<f32>();
    let groups = LANES.div_ceil((CACHED[0] / bytes).max(1)).min(LANES);
    let group = LANES.div_ceil(groups);
    let mut lists = Lists::new(groups, group * maxima.n_outputs * windows);
    let mut ends = Vec::with_capacity(maxima.n_outputs);
    for o in 0..maxima.n_outputs {
        let maximum = |w: usize| {
            let base = w / maxima.columns * job.steps[0] + w % maxima.columns * job.steps[1];
            let at = o * windows + w;
            (&maxima.upstream[at], maxima.choices[at], 2 * base)
        };
        let list = (|l| l / group, job.example);
        // SAFETY: `V` is available by the caller's contract.
        unsafe { lists.push::<V>(list, job.steps, (0..windows).map(maximum)) };
        ends.push(lists.lengths.clone());
    }
    let n = job.segments.len();
    for group in 0..groups {
        let list = lists.get(group);
        let mut from = 0;
        for (sums, ends) in job.sums.chunks_exact_mut(n).zip(&ends) {
            let to = ends[group] as usize;
            for tile in tiles::<V>(n) {
                let (segments, sums) = (&job.segments[tile.clone()], &mut sums[tile.clone()]);
                // SAFETY: `RoutedWeights::run`.
                unsafe { with_tile!(tile, add_inputs, job.x, &list[from..to], segments, sums) }
            }
            from = to;
        }
    }
}

/// Adds what `list` meets of `x` to the sums of a tile of segments.
#[inline(always)]
unsafe fn add_inputs<V: Vector, const T: usize>(
    x: &[f32],
    list: &[Routed],
    segments: &[u32],
    sums: &mut [Lanes],
) {
    // SAFETY: places lie between the first and the last position, see `RoutedWeights::run`.
    unsafe {
        let mut acc = [V::splat(0.0); T];
        for t in 0..T {
            acc[t] = V::load(&raw const sums[t]);
        }
        for routed in list {
            let x = x.as_ptr().add(routed.place as usize);
            let gradient = V::splat(routed.gradient);
            for t in 0..T {
                let x = V::load_floats(x.add(*segments.get_unchecked(t) as usize));
                acc[t] = acc[t].fma(x, gradient);
            }
        }
        for t in 0..T {
            acc[t].store(&raw mut sums[t]);
        }
    }
}

/// One block's input gradient.
pub(crate) struct RoutedInput<'a> {
    pub(crate) maxima: Maxima<'a>,
    /// What each output adds to the positions that a window meets, once for its left and once for
    /// its right positions, zeros around it.
    pub(crate) weights: &'a [Lanes],
    /// Distance in `weights` of two rows, and of what is for left and right positions.
    pub(crate) weight_steps: [usize; 2],
    /// Offsets in `out` of each sixteen numbers that a window meets; in `weights` they lie side
    /// by side.
    pub(crate) segments: &'a [u32],
    /// Example after example, `[row][column][channel]` with padding, added to.
    pub(crate) out: &'a mut [f32],
    /// Distance in `out` of two examples; of two rows and two columns.
    pub(crate) example: usize,
    pub(crate) steps: [usize; 2],
}

impl Kernel for RoutedInput<'_> {
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
unsafe fn input<V: Vector>(job: &mut RoutedInput<'_>) {
    let maxima = job.maxima;
    let windows = maxima.rows * maxima.columns;
    let of_output = job.weights.len() / maxima.n_outputs;
    let [down, right] = job.weight_steps;
    // As many whole rows of a window at a time as sums fit in most registers. Rows of a window
    // are summed column after column, whatever the tiles of a row are.
    let n_rows = job.segments.len() / down;
    let at_once = n_rows.div_ceil(n_rows.div_ceil((SUMS / down).max(1)));
    let bytes = 2 * (at_once + 1) * down * size_of::<Lanes>();
    let groups = maxima.n_outputs.div_ceil((CACHED[1] / bytes).max(1));
    let group = maxima.n_outputs.div_ceil(groups);
    let mut lists = Lists::new(maxima.columns * LANES, group);
    for row in 0..maxima.rows {
        for first in (0..maxima.n_outputs).step_by(group) {
            let outputs = first..maxima.n_outputs.min(first + group);
            lists.lengths.fill(0);
            for column in 0..maxima.columns {
                let maximum = |o: usize| {
                    let at = o * windows + row * maxima.columns + column;
                    let base = o * of_output + down;
                    (&maxima.upstream[at], maxima.choices[at], base)
                };
                let steps = [down.wrapping_neg(), right];
                let list = (|l| column * LANES + l, 0);
                // SAFETY: `V` is available by the caller's contract.
                unsafe { lists.push::<V>(list, steps, outputs.clone().map(maximum)) };
            }
            for start in (0..job.segments.len()).step_by(at_once * down) {
                let rows = start..job.segments.len().min(start + at_once * down);
                for column in 0..maxima.columns {
                    let window = 2 * (row * job.steps[0] + column * job.steps[1]);
                    // SAFETY: `RoutedInput::run`.
                    unsafe { add_windows::<V>(job, &lists, rows.clone(), column, window) };
                }
            }
        }
    }
}

/// Adds to some segments of the window at `window` of each example.
#[inline(always)]
unsafe fn add_windows<V: Vector>(
    job: &mut RoutedInput<'_>,
    lists: &Lists,
    rows: Range<usize>,
    column: usize,
    window: usize,
) {
    for tile in tiles::<V>(rows.len()) {
        let tile = rows.start + tile.start..rows.start + tile.end;
        let (weights, segments) = (&job.weights[tile.start..], &job.segments[tile.clone()]);
        for example in 0..LANES {
            let list = lists.get(column * LANES + example);
            let out = &mut job.out[example * job.example + window..];
            // SAFETY: `RoutedInput::run`.
            unsafe { with_tile!(tile, add_weights, weights, list, segments, out) }
        }
    }
}

/// Adds what `list` meets of the weights to a tile of segments of a window in `out`.
#[inline(always)]
unsafe fn add_weights<V: Vector, const T: usize>(
    weights: &[Lanes],
    list: &[Routed],
    segments: &[u32],
    out: &mut [f32],
) {
    // SAFETY: windows lie inside `out`, places inside `weights`, see `RoutedInput::run`.
    unsafe {
        let out = out.as_mut_ptr();
        let mut acc = [V::splat(0.0); T];
        for t in 0..T {
            acc[t] = V::load_floats(out.add(*segments.get_unchecked(t) as usize));
        }
        for routed in list {
            let weights = weights.as_ptr().add(routed.place as usize);
            let gradient = V::splat(routed.gradient);
            for t in 0..T {
                acc[t] = acc[t].fma(V::load(weights.add(t)), gradient);
            }
        }
        for t in 0..T {
            acc[t].store_floats(out.add(*segments.get_unchecked(t) as usize));
        }
    }
}

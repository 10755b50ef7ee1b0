//! The products behind a convolution and its input gradient: which taps each position sees, and
//! in which order they are summed.

use crate::kernel::Lanes;
use crate::kernel::tap::TapPlan;

/// Kernel rows (or columns) that meet the input at an output coordinate, and its base.
fn forward_taps(
    out: usize,
    n: usize,
    k: usize,
    stride: usize,
    padding: usize,
) -> (i32, Vec<usize>) {
    let base = (out * stride) as i32 - padding as i32;
    (
        base,
        (0..k)
            .filter(|&t| (0..n as i32).contains(&(base + t as i32)))
            .collect(),
    )
}

/// Kernel rows (or columns) through which an input coordinate is seen, and the output
/// coordinate seen through the first of its phase.
fn gradient_taps(
    at: usize,
    out: usize,
    k: usize,
    stride: usize,
    padding: usize,
) -> (i32, Vec<usize>) {
    let at = at + padding;
    let seen = |t: usize| t <= at && (at - t).is_multiple_of(stride) && (at - t) / stride < out;
    ((at / stride) as i32, (0..k).filter(|&t| seen(t)).collect())
}

/// Bytes of an input that a product goes through again and again, one time for each kernel
/// row: half of a common first-level cache.
const CACHED: usize = 24 * 1024;

/// In which order a product sums: groups of channels whose rows stay in cache, and within each
/// `[row][column][channel]`.
#[derive(Clone, Copy)]
pub(super) struct TapOrder {
    kernel: [usize; 2],
    channels: usize,
    group: usize,
}

impl TapOrder {
    /// For channels of rows of `width` pixels.
    pub(super) fn new(kernel: [usize; 2], channels: usize, width: usize) -> Self {
        let rows = kernel[0] * width * size_of::<Lanes>();
        let groups = channels.div_ceil((CACHED / rows).max(1));
        Self {
            kernel,
            channels,
            group: channels.div_ceil(groups),
        }
    }

    /// First channels of the groups, and one behind their last.
    fn groups(&self) -> impl Iterator<Item = (usize, usize)> {
        let starts = (0..self.channels).step_by(self.group);
        starts.map(|first| (first, self.channels.min(first + self.group)))
    }

    /// (channel, row, column) of every tap.
    pub(super) fn taps(&self) -> Vec<[usize; 3]> {
        let [kh, kw] = self.kernel;
        let mut taps = Vec::with_capacity(kh * kw * self.channels);
        for (first, end) in self.groups() {
            for row in 0..kh {
                for column in 0..kw {
                    taps.extend((first..end).map(|channel| [channel, row, column]));
                }
            }
        }
        taps
    }

    /// Ranges of the taps of the given rows and columns, group by group.
    fn ranges(&self, rows: &[usize], columns: &[usize]) -> Vec<Vec<(u32, u32)>> {
        let [kh, kw] = self.kernel;
        let of_group = |(first, end): (usize, usize)| {
            let mut out: Vec<(u32, u32)> = Vec::new();
            let channels = end - first;
            for &row in rows {
                for &column in columns {
                    let from = (first * kh * kw + (row * kw + column) * channels) as u32;
                    match out.last_mut() {
                        Some(last) if last.1 == from => last.1 += channels as u32,
                        _ => out.push((from, from + channels as u32)),
                    }
                }
            }
            out
        };
        self.groups().map(of_group).collect()
    }
}

/// Where a kernel is laid, in pixels.
pub(super) struct Positions {
    pub(super) stride: usize,
    pub(super) padding: usize,
    /// Height and width of the input.
    pub(super) size: [usize; 2],
    /// Height and width of the output.
    pub(super) out: [usize; 2],
}

/// The product behind the output of `n_outputs` channels.
pub(super) fn forward_plan(order: &TapOrder, n_outputs: usize, at: &Positions) -> TapPlan {
    let ([kh, kw], [height, width], out) = (order.kernel, at.size, at.out);
    let offset = |[c, y, x]: [usize; 3]| ((c * height + y) * width + x) as i32;
    let taps = order.taps().into_iter().map(offset).collect();
    let mut plan = TapPlan::new(taps, n_outputs, out[0] * out[1]);
    for y in 0..out[0] {
        let (base_y, rows) = forward_taps(y, height, kh, at.stride, at.padding);
        for x in 0..out[1] {
            let (base_x, columns) = forward_taps(x, width, kw, at.stride, at.padding);
            let base = base_y * width as i32 + base_x;
            let position = (base, (y * out[1] + x) as u32);
            for (group, seen) in order.ranges(&rows, &columns).iter().enumerate() {
                plan.push(seen, group, position);
            }
        }
    }
    plan
}

/// The product behind the gradient of an input of `n_inputs` channels.
pub(super) fn input_gradient_plan(order: &TapOrder, n_inputs: usize, at: &Positions) -> TapPlan {
    let ([kh, kw], [height, width], out) = (order.kernel, at.size, at.out);
    let offset = |[o, y, x]: [usize; 3]| {
        (o * out[0] * out[1]) as i32 - ((y / at.stride) * out[1] + x / at.stride) as i32
    };
    let taps = order.taps().into_iter().map(offset).collect();
    let mut plan = TapPlan::new(taps, n_inputs, height * width);
    for y in 0..height {
        let (base_y, rows) = gradient_taps(y, out[0], kh, at.stride, at.padding);
        for x in 0..width {
            let (base_x, columns) = gradient_taps(x, out[1], kw, at.stride, at.padding);
            let base = base_y * out[1] as i32 + base_x;
            let position = (base, (y * width + x) as u32);
            for (group, seen) in order.ranges(&rows, &columns).iter().enumerate() {
                plan.push(seen, group, position);
            }
        }
    }
    plan
}

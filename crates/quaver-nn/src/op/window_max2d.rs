//! Maximum over windows of any shape.

use super::{Backward, BuiltLayer, Checked, Forward, Layer, Op, OpError, Shape, single};
use crate::kernel::Lanes;
use serde::{Deserialize, Serialize};

/// Maximum over windows that may be uneven, have gaps or reach beyond the image, which imported
/// networks have; [`MaxPool2d`](super::MaxPool2d) is the fast one over square windows. What lies
/// beyond the image is no pixel of a window. At ties the whole gradient goes to the first maximum
/// in row-major order, as in PyTorch.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowMax2d {
    /// Pixels of a window, down and across, 1 to 4096.
    pub kernel: [usize; 2],
    /// Distance between windows, down and across, in pixels, 1 to 4096.
    pub stride: [usize; 2],
    /// Distance between the pixels of a window, down and across, 1 to 4096.
    pub dilation: [usize; 2],
    /// How far windows reach beyond the left, right, top and bottom, in pixels, at most 4096.
    pub padding: [usize; 4],
}

impl Checked for WindowMax2d {
    fn check(&self) -> Result<(), OpError> {
        let (pairs, from_one) = ([self.kernel, self.stride, self.dilation], "1 to 4096");
        let [left, right, top, bottom] = self.padding;
        let wrong = |name, got: &[usize], allowed| OpError::Setting {
            op: "window_max2d",
            name,
            got: format!("{got:?}"),
            allowed,
        };
        for (name, pair) in ["kernel", "stride", "dilation"].into_iter().zip(pairs) {
            if !pair.iter().all(|v| (1..=4096).contains(v)) {
                return Err(wrong(name, &pair, from_one));
            }
        }
        match [left, right, top, bottom].iter().all(|p| *p <= 4096) {
            true => Ok(()),
            false => Err(wrong("padding", &self.padding, "0 to 4096")),
        }
    }
}

impl WindowMax2d {
    /// Pixels of each window along an axis of `n`: first, last, both on the image. `None` where
    /// there is no window, or one without a pixel.
    fn windows(&self, axis: usize, n: usize) -> Option<Vec<(usize, usize)>> {
        let (before, after) = [(2, 3), (0, 1)][axis];
        let (before, after) = (self.padding[before], self.padding[after]);
        let (step, reach) = (self.dilation[axis], self.kernel[axis] - 1);
        let room = (n + before + after).checked_sub(reach * step + 1)?;
        let window = |at: usize| {
            let from = at * self.stride[axis];
            // Pixels of the window before and behind the edges.
            let skipped = before.saturating_sub(from).div_ceil(step);
            let last = (n + before - 1).checked_sub(from)? / step;
            let place = |k: usize| from + k * step - before;
            let last = last.min(reach);
            (skipped <= last).then(|| (place(skipped), place(last)))
        };
        (0..=room / self.stride[axis]).map(window).collect()
    }
}

impl Op for WindowMax2d {
    fn name(&self) -> &'static str {
        "window_max2d"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let allowed = "(channels, height, width) with a pixel in every window";
        let shape = single("window_max2d", inputs, Some(3), allowed)?;
        let windows = [0, 1].map(|axis| self.windows(axis, shape[axis + 1]));
        match windows {
            [Some(rows), Some(columns)] => Ok(vec![shape[0], rows.len(), columns.len()]),
            _ => Err(OpError::Shape {
                op: "window_max2d",
                got: super::shapes_text(inputs),
                allowed: allowed.into(),
            }),
        }
    }
    fn layer(&self, inputs: &[Shape]) -> BuiltLayer {
        let (height, width) = (inputs[0][1], inputs[0][2]);
        BuiltLayer::new(Windows {
            rows: self.windows(0, height).unwrap_or_default(),
            columns: self.windows(1, width).unwrap_or_default(),
            step: self.dilation,
            height,
            width,
        })
    }
}

/// The windows over one plane: first and last row, first and last column.
#[derive(Clone)]
struct Windows {
    rows: Vec<(usize, usize)>,
    columns: Vec<(usize, usize)>,
    step: [usize; 2],
    height: usize,
    width: usize,
}

impl Windows {
    /// Calls `window(place in the output, first pixel, rows, columns)` for every window.
    #[inline(always)]
    fn each(&self, planes: usize, mut window: impl FnMut(usize, usize, usize, usize)) {
        for plane in 0..planes {
            for (r, rows) in self.rows.iter().enumerate() {
                let corner = (plane * self.height + rows.0) * self.width;
                let down = (rows.1 - rows.0) / self.step[0] + 1;
                for (c, columns) in self.columns.iter().enumerate() {
                    let place = (plane * self.rows.len() + r) * self.columns.len() + c;
                    let across = (columns.1 - columns.0) / self.step[1] + 1;
                    window(place, corner + columns.0, down, across);
                }
            }
        }
    }

    /// Calls `pixel` for every pixel of the window at `corner`, in row-major order.
    #[inline(always)]
    fn pixels(&self, corner: usize, rows: usize, columns: usize, mut pixel: impl FnMut(usize)) {
        for y in 0..rows {
            let row = corner + y * self.step[0] * self.width;
            for x in 0..columns {
                pixel(row + x * self.step[1]);
            }
        }
    }
}

impl Layer for Windows {
    fn forward(&self, chunk: Forward<'_>) {
        let (x, output) = (chunk.inputs[0], chunk.output);
        let planes = x.len() / (self.height * self.width);
        chunk.simd.vectorize(|| {
            self.each(planes, |place, corner, rows, columns| {
                let mut best = x[corner];
                self.pixels(corner, rows, columns, |i| {
                    best = x[i].zip(best, |v, b| if v > b { v } else { b });
                });
                output[place] = best;
            });
        });
    }

    fn backward(&self, chunk: Backward<'_>) {
        let Some(dx) = &mut chunk.input_gradients[0] else {
            return;
        };
        let (x, output, upstream) = (chunk.inputs[0], chunk.output, chunk.upstream);
        let planes = x.len() / (self.height * self.width);
        chunk.simd.vectorize(|| {
            dx.fill(Lanes::ZERO);
            self.each(planes, |place, corner, rows, columns| {
                // What the maxima met so far have not taken.
                let mut left = upstream[place];
                self.pixels(corner, rows, columns, |i| {
                    for l in 0..left.0.len() {
                        let is_best = x[i].0[l] == output[place].0[l];
                        let taken = if is_best { left.0[l] } else { 0.0 };
                        dx[i].0[l] += taken;
                        left.0[l] = if is_best { 0.0 } else { left.0[l] };
                    }
                });
            });
        });
    }
}

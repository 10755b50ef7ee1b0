//! Mean over windows.

use super::{Backward, BuiltLayer, Checked, Forward, Layer, Op, OpError, Shape, single};
use crate::kernel::Lanes;
use serde::{Deserialize, Serialize};

/// Mean over windows, as PyTorch's `AvgPool2d`; over the whole image it is global average
/// pooling (Lin et al., "Network In Network", 2013).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AveragePool2d {
    /// Height and width of a window, in pixels, 1 to 4096.
    pub kernel: [usize; 2],
    /// Distance between windows, down and across, in pixels, 1 to 4096.
    pub stride: [usize; 2],
    /// Zeros on the left, right, top and bottom, in pixels, fewer than the window has.
    #[serde(default)]
    pub padding: [usize; 4],
    /// Whether these zeros count as pixels of a window.
    #[serde(default)]
    pub count_padding: bool,
}

impl Checked for AveragePool2d {
    fn check(&self) -> Result<(), OpError> {
        let [left, right, top, bottom] = self.padding;
        let sides = [(0, top), (0, bottom), (1, left), (1, right)];
        let wrong = |name, got: String, allowed| {
            Err(OpError::Setting {
                op: "average_pool2d",
                name,
                got,
                allowed,
            })
        };
        for (name, value) in [("kernel", self.kernel), ("stride", self.stride)] {
            if !value.iter().all(|v| (1..=4096).contains(v)) {
                return wrong(name, format!("{value:?}"), "1 to 4096");
            }
        }
        if !sides.iter().all(|&(axis, p)| p < self.kernel[axis]) {
            let allowed = "smaller than the kernel";
            return wrong("padding", format!("{:?}", self.padding), allowed);
        }
        Ok(())
    }
}

impl AveragePool2d {
    /// Windows down and across an image, if it has any.
    fn windows(&self, height: usize, width: usize) -> Option<[usize; 2]> {
        let [left, right, top, bottom] = self.padding;
        let along = |n: usize, axis: usize| {
            let room = n.checked_sub(self.kernel[axis])?;
            Some(room / self.stride[axis] + 1)
        };
        Some([
            along(height + top + bottom, 0)?,
            along(width + left + right, 1)?,
        ])
    }
}

impl Op for AveragePool2d {
    fn name(&self) -> &'static str {
        "average_pool2d"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let [kh, kw] = self.kernel;
        let allowed = format!("(channels, height, width) of at least {kh} by {kw}");
        let shape = single("average_pool2d", inputs, Some(3), &allowed)?;
        match self.windows(shape[1], shape[2]) {
            Some([rows, columns]) => Ok(vec![shape[0], rows, columns]),
            None => Err(OpError::Shape {
                op: "average_pool2d",
                got: super::shapes_text(inputs),
                allowed,
            }),
        }
    }
    fn layer(&self, inputs: &[Shape]) -> BuiltLayer {
        let (height, width) = (inputs[0][1], inputs[0][2]);
        let [rows, columns] = self.windows(height, width).unwrap_or([0, 0]);
        let [left, _, top, _] = self.padding;
        let range = |at: usize, axis: usize, before: usize, n: usize| {
            let from = at * self.stride[axis];
            let inside = |v: usize| v.saturating_sub(before).min(n);
            (inside(from), inside(from + self.kernel[axis]))
        };
        BuiltLayer::new(Windows {
            rows: (0..rows).map(|at| range(at, 0, top, height)).collect(),
            columns: (0..columns).map(|at| range(at, 1, left, width)).collect(),
            height,
            width,
            count: self.count_padding.then(|| self.kernel[0] * self.kernel[1]),
        })
    }
}

/// The windows over one plane, as half-open ranges of pixels that exist.
#[derive(Clone)]
struct Windows {
    rows: Vec<(usize, usize)>,
    columns: Vec<(usize, usize)>,
    height: usize,
    width: usize,
    /// Pixels of a window, if those outside the image count.
    count: Option<usize>,
}

impl Windows {
    /// Calls `window(place in the output, plane's first pixel, rows, columns, pixels)`.
    #[inline(always)]
    fn each(
        &self,
        planes: usize,
        mut window: impl FnMut(usize, usize, (usize, usize), (usize, usize), f32),
    ) {
        for plane in 0..planes {
            let corner = plane * self.height * self.width;
            for (r, &rows) in self.rows.iter().enumerate() {
                for (c, &columns) in self.columns.iter().enumerate() {
                    let place = (plane * self.rows.len() + r) * self.columns.len() + c;
                    let inside = (rows.1 - rows.0) * (columns.1 - columns.0);
                    // A window that lies in the padding alone has the mean 0.
                    let pixels = self.count.unwrap_or(inside.max(1)) as f32;
                    window(place, corner, rows, columns, pixels);
                }
            }
        }
    }
}

impl Layer for Windows {
    fn forward(&self, chunk: Forward<'_>) {
        let (x, output) = (chunk.inputs[0], chunk.output);
        let planes = x.len() / (self.height * self.width);
        chunk.simd.vectorize(|| {
            self.each(planes, |place, corner, rows, columns, pixels| {
                let mut sum = Lanes::ZERO;
                for y in rows.0..rows.1 {
                    let row = corner + y * self.width;
                    for value in &x[row + columns.0..row + columns.1] {
                        sum = sum.zip(*value, |s, v| s + v);
                    }
                }
                output[place] = sum.map(|s| s / pixels);
            });
        });
    }

    fn backward(&self, chunk: Backward<'_>) {
        let Some(dx) = &mut chunk.input_gradients[0] else {
            return;
        };
        let upstream = chunk.upstream;
        let planes = dx.len() / (self.height * self.width);
        chunk.simd.vectorize(|| {
            dx.fill(Lanes::ZERO);
            self.each(planes, |place, corner, rows, columns, pixels| {
                let share = upstream[place].map(|u| u / pixels);
                for y in rows.0..rows.1 {
                    let row = corner + y * self.width;
                    for dx in &mut dx[row + columns.0..row + columns.1] {
                        *dx = dx.zip(share, |d, s| d + s);
                    }
                }
            });
        });
    }
}

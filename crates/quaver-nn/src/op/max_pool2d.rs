//! Maximum over windows.

use super::{Backward, BuiltLayer, Checked, Forward, Layer, Op, OpError, Shape, single};
use crate::kernel::Lanes;
use serde::{Deserialize, Serialize};

/// Maximum over square windows without padding. At ties the whole gradient goes to the first
/// maximum in row-major order, as in PyTorch.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxPool2d {
    /// Side of a window, in pixels.
    pub kernel: usize,
    /// Distance between windows, in pixels.
    pub stride: usize,
}

impl Checked for MaxPool2d {
    fn check(&self) -> Result<(), OpError> {
        for (name, value) in [("kernel", self.kernel), ("stride", self.stride)] {
            if !(1..=64).contains(&value) {
                let (op, got) = ("max_pool2d", value.to_string());
                return Err(OpError::Setting {
                    op,
                    name,
                    got,
                    allowed: "1 to 64",
                });
            }
        }
        Ok(())
    }
}

impl Op for MaxPool2d {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let allowed = format!(
            "(channels, height, width) of at least {0} by {0}",
            self.kernel
        );
        let shape = single("max_pool2d", inputs, Some(3), &allowed)?;
        if shape[1].min(shape[2]) < self.kernel {
            return Err(OpError::Shape {
                op: "max_pool2d",
                got: super::shapes_text(inputs),
                allowed,
            });
        }
        let pooled = |n: usize| (n - self.kernel) / self.stride + 1;
        Ok(vec![shape[0], pooled(shape[1]), pooled(shape[2])])
    }
    fn layer(&self, inputs: &[Shape]) -> BuiltLayer {
        let (height, width) = (inputs[0][1], inputs[0][2]);
        let pooled = |n: usize| (n - self.kernel) / self.stride + 1;
        let windows = Windows {
            kernel: self.kernel,
            stride: self.stride,
            height,
            width,
            rows: pooled(height),
            columns: pooled(width),
        };
        BuiltLayer::new(windows)
    }
}

/// The windows over one plane.
#[derive(Clone)]
struct Windows {
    kernel: usize,
    stride: usize,
    height: usize,
    width: usize,
    rows: usize,
    columns: usize,
}

impl Windows {
    /// Calls `window(place in the output, first pixel in the input)` for every window.
    #[inline(always)]
    fn each(&self, planes: usize, mut window: impl FnMut(usize, usize)) {
        for plane in 0..planes {
            for row in 0..self.rows {
                let place = (plane * self.rows + row) * self.columns;
                let corner = (plane * self.height + row * self.stride) * self.width;
                for column in 0..self.columns {
                    window(place + column, corner + column * self.stride);
                }
            }
        }
    }
}

impl Layer for Windows {
    fn forward(&self, chunk: Forward<'_>) {
        let x = chunk.inputs[0];
        let output = chunk.output;
        chunk.simd.vectorize(|| {
            self.each(x.len() / (self.height * self.width), |place, corner| {
                let mut best = x[corner];
                for y in 0..self.kernel {
                    let row = corner + y * self.width;
                    for value in &x[row..row + self.kernel] {
                        // What is not a number stays, as in PyTorch.
                        best = value.zip(best, |v, b| if (v > b) | v.is_nan() { v } else { b });
                    }
                }
                output[place] = best;
            });
        });
    }

    fn backward(&self, chunk: Backward<'_>) {
        let Some(dx) = &mut chunk.input_gradients[0] else {
            return;
        };
        let (x, output, upstream) = (chunk.inputs[0], chunk.output, chunk.upstream);
        chunk.simd.vectorize(|| {
            dx.fill(Lanes::ZERO);
            self.each(x.len() / (self.height * self.width), |place, corner| {
                // What the maxima met so far have not taken.
                let mut left = upstream[place];
                let best = output[place];
                for y in 0..self.kernel {
                    let row = corner + y * self.width;
                    for i in row..row + self.kernel {
                        for l in 0..left.0.len() {
                            let taken = if x[i].0[l] == best.0[l] {
                                left.0[l]
                            } else {
                                0.0
                            };
                            dx[i].0[l] += taken;
                            left.0[l] = if x[i].0[l] == best.0[l] {
                                0.0
                            } else {
                                left.0[l]
                            };
                        }
                    }
                }
            });
        });
    }
}

//! Zeros around an image.

use super::{Backward, Checked, Forward, Layer, Op, OpError, Prepared, Shape, single};
use crate::kernel::Lanes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Zero padding of `[left, right, top, bottom]` pixels, as PyTorch's `ZeroPad2d`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZeroPad2d {
    /// Pixels added on the left, right, top and bottom.
    pub padding: [usize; 4],
}

impl Checked for ZeroPad2d {
    fn check(&self) -> Result<(), OpError> {
        if self.padding.iter().all(|p| (0..=64).contains(p)) {
            return Ok(());
        }
        Err(OpError::Setting {
            op: "zero_pad2d",
            name: "padding",
            got: format!("{:?}", self.padding),
            allowed: "0 to 64",
        })
    }
}

impl Op for ZeroPad2d {
    fn name(&self) -> &'static str {
        "zero_pad2d"
    }
    fn config(&self) -> Value {
        serde_json::json!(self)
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let shape = single("zero_pad2d", inputs, Some(3), "(channels, height, width)")?;
        let [left, right, top, bottom] = self.padding;
        Ok(vec![
            shape[0],
            shape[1] + top + bottom,
            shape[2] + left + right,
        ])
    }
    fn layer(&self, inputs: &[Shape]) -> Box<dyn Layer> {
        let [left, right, top, bottom] = self.padding;
        let (height, width) = (inputs[0][1], inputs[0][2]);
        Box::new(Pad {
            width,
            height,
            left,
            top,
            padded_width: width + left + right,
            padded_height: height + top + bottom,
        })
    }
    fn boxed(&self) -> Box<dyn Op> {
        Box::new(self.clone())
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// Copies planes into the middle of larger planes and back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pad {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) padded_width: usize,
    pub(super) padded_height: usize,
}

impl Pad {
    /// Calls `row(offset in a plane, offset in a padded plane)` for every plane and row.
    fn rows(&self, planes: usize, mut row: impl FnMut(usize, usize)) {
        for plane in 0..planes {
            for y in 0..self.height {
                let inner = (plane * self.height + y) * self.width;
                let outer = (plane * self.padded_height + y + self.top) * self.padded_width;
                row(inner, outer + self.left);
            }
        }
    }

    /// `padded` becomes `plain` with zeros around each plane.
    pub(super) fn pad(&self, plain: &[Lanes], padded: &mut [Lanes]) {
        padded.fill(Lanes::ZERO);
        self.rows(plain.len() / (self.width * self.height), |inner, outer| {
            padded[outer..outer + self.width].copy_from_slice(&plain[inner..inner + self.width]);
        });
    }
}

impl Layer for Pad {
    fn forward(&self, _prepared: &Prepared, chunk: Forward<'_>) {
        self.pad(chunk.inputs[0], chunk.output);
    }

    fn backward(&self, _prepared: &Prepared, chunk: Backward<'_>) {
        let Some(dx) = &mut chunk.input_gradients[0] else {
            return;
        };
        let upstream = chunk.upstream;
        self.rows(dx.len() / (self.width * self.height), |inner, outer| {
            dx[inner..inner + self.width].copy_from_slice(&upstream[outer..outer + self.width]);
        });
    }
}

//! Zeros around an image.

use super::pad::Pad;
use super::{BuiltLayer, Checked, Op, OpError, Shape, single};
use serde::{Deserialize, Serialize};

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
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let shape = single("zero_pad2d", inputs, Some(3), "(channels, height, width)")?;
        let [left, right, top, bottom] = self.padding;
        Ok(vec![
            shape[0],
            shape[1] + top + bottom,
            shape[2] + left + right,
        ])
    }
    fn layer(&self, inputs: &[Shape]) -> BuiltLayer {
        let [left, right, top, bottom] = self.padding;
        let (height, width) = (inputs[0][1], inputs[0][2]);
        BuiltLayer::new(Pad {
            width,
            height,
            left,
            top,
            padded_width: width + left + right,
            padded_height: height + top + bottom,
        })
    }
}

//! `(c, h, w)` to `(c·h·w)`.

use super::{Backward, BuiltLayer, Checked, Forward, Layer, Op, OpError, Shape, single, size};
use serde::{Deserialize, Serialize};

/// All axes of an example into one, row-major, as PyTorch's `Flatten`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flatten {}

impl Checked for Flatten {}

impl Op for Flatten {
    fn name(&self) -> &'static str {
        "flatten"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        Ok(vec![size(single("flatten", inputs, None, "one input")?)])
    }
    fn layer(&self, _inputs: &[Shape]) -> BuiltLayer {
        BuiltLayer::new(self.clone())
    }
}

impl Layer for Flatten {
    fn forward(&self, chunk: Forward<'_>) {
        chunk.output.copy_from_slice(chunk.inputs[0]);
    }

    fn backward(&self, chunk: Backward<'_>) {
        for dx in chunk.input_gradients.iter_mut().flatten() {
            dx.copy_from_slice(chunk.upstream);
        }
    }
}

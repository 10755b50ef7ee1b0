//! Sum of two inputs: the joint of a residual block.

use super::{Backward, BuiltLayer, Checked, Forward, Layer, Op, OpError, Shape, shapes_text};
use serde::{Deserialize, Serialize};

/// `x + y`, element by element.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Add {}

impl Checked for Add {}

impl Op for Add {
    fn name(&self) -> &'static str {
        "add"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        match inputs {
            [a, b] if a == b => Ok(a.clone()),
            _ => Err(OpError::Shape {
                op: "add",
                got: shapes_text(inputs),
                allowed: "two inputs of one shape".into(),
            }),
        }
    }
    fn layer(&self, _inputs: &[Shape]) -> BuiltLayer {
        BuiltLayer::new(self.clone())
    }
}

impl Layer for Add {
    fn forward(&self, chunk: Forward<'_>) {
        chunk.simd.vectorize(|| {
            let pairs = chunk.inputs[0].iter().zip(chunk.inputs[1]);
            for (y, (a, b)) in chunk.output.iter_mut().zip(pairs) {
                *y = a.zip(*b, |a, b| a + b);
            }
        });
    }

    fn backward(&self, chunk: Backward<'_>) {
        for dx in chunk.input_gradients.iter_mut().flatten() {
            dx.copy_from_slice(chunk.upstream);
        }
    }
}

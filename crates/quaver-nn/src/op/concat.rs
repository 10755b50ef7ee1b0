//! Several inputs behind each other.

use super::{Backward, BuiltLayer, Checked, Forward, Layer, Op, OpError, Shape, shapes_text};
use serde::{Deserialize, Serialize};

/// Channels (or features) of all inputs behind each other, as PyTorch's `cat` along axis 1.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concat {}

impl Checked for Concat {}

impl Op for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let fits = |shape: &Shape| shape[1..] == inputs[0][1..];
        if inputs.is_empty() || !inputs.iter().all(fits) {
            return Err(OpError::Shape {
                op: "concat",
                got: shapes_text(inputs),
                allowed: "inputs that differ in channels alone".into(),
            });
        }
        let mut shape = inputs[0].clone();
        shape[0] = inputs.iter().map(|input| input[0]).sum();
        Ok(shape)
    }
    fn layer(&self, _inputs: &[Shape]) -> BuiltLayer {
        BuiltLayer::new(self.clone())
    }
}

impl Layer for Concat {
    fn forward(&self, chunk: Forward<'_>) {
        let size = chunk.output.len() / chunk.blocks;
        for (b, output) in chunk.output.chunks_exact_mut(size).enumerate() {
            let mut at = 0;
            for input in chunk.inputs {
                let part = input.len() / chunk.blocks;
                output[at..at + part].copy_from_slice(&input[b * part..(b + 1) * part]);
                at += part;
            }
        }
    }

    fn backward(&self, chunk: Backward<'_>) {
        let size = chunk.upstream.len() / chunk.blocks;
        let mut at = 0;
        for (dx, input) in chunk.input_gradients.iter_mut().zip(chunk.inputs) {
            let part = input.len() / chunk.blocks;
            if let Some(dx) = dx {
                let blocks = chunk.upstream.chunks_exact(size);
                for (u, dx) in blocks.zip(dx.chunks_exact_mut(part)) {
                    dx.copy_from_slice(&u[at..at + part]);
                }
            }
            at += part;
        }
    }
}

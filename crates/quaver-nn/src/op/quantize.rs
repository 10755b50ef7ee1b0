//! Quantized activations.

use super::{Backward, BuiltLayer, Checked, Forward, Layer, Op, OpError, Shape, single};
use crate::kernel::{flat, flat_mut};
use crate::quantizer::Quantization;
use serde::{Deserialize, Serialize};

/// A quantizer applied to every activation; backward it is its surrogate.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantize {
    /// The quantizer; must be deterministic.
    pub quantizer: Quantization,
}

impl Checked for Quantize {
    fn check(&self) -> Result<(), OpError> {
        if !self.quantizer.get().is_stochastic() {
            return Ok(());
        }
        Err(OpError::Setting {
            op: "quantize",
            name: "quantizer",
            got: self.quantizer.get().name().into(),
            allowed: "deterministic for activations",
        })
    }
}

impl Op for Quantize {
    fn name(&self) -> &'static str {
        "quantize"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        single("quantize", inputs, None, "one input").cloned()
    }
    fn layer(&self, _inputs: &[Shape]) -> BuiltLayer {
        BuiltLayer::new(self.clone())
    }
}

impl Layer for Quantize {
    fn forward(&self, chunk: Forward<'_>) {
        self.quantizer
            .get()
            .quantize(flat(chunk.inputs[0]), None, flat_mut(chunk.output));
    }

    fn backward(&self, chunk: Backward<'_>) {
        let Some(dx) = &mut chunk.input_gradients[0] else {
            return;
        };
        dx.copy_from_slice(chunk.upstream);
        let latent = flat(chunk.inputs[0]);
        self.quantizer.pull(chunk.simd, latent, flat_mut(dx));
    }
}

//! Rectified linear unit, plain or scaled.

use super::{Backward, BuiltLayer, Checked, Forward, Init, Layer, Op, OpError, Param, Prepare};
use super::{Shape, single};
use crate::kernel::{Lanes, flat, flat_mut};
use serde::{Deserialize, Serialize};

/// `max(x, 0)`, or `a · max(x, 0)` with a trainable scalar `a` (the "scaled" networks of
/// Galloway et al., "Attacking Binarized Neural Networks", 2018). The gradient at 0 is 0.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relu {
    /// Initial value of `a`; `None`: no scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
}

impl Checked for Relu {
    fn check(&self) -> Result<(), OpError> {
        match self.scale {
            Some(a) if !a.is_finite() => Err(OpError::Setting {
                op: "relu",
                name: "scale",
                got: a.to_string(),
                allowed: "finite",
            }),
            _ => Ok(()),
        }
    }
}

impl Op for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        single("relu", inputs, None, "one input").cloned()
    }
    fn params(&self, _inputs: &[Shape]) -> Vec<Param> {
        let param = |a| Param {
            name: "scale",
            shape: vec![1],
            trainable: true,
            clip: None,
            init: Init::Constant(a as f32),
        };
        self.scale.map(param).into_iter().collect()
    }
    fn layer(&self, _inputs: &[Shape]) -> BuiltLayer {
        BuiltLayer::new(Rectifier { scale: 1.0 })
    }
}

#[derive(Clone)]
struct Rectifier {
    scale: f32,
}

impl Layer for Rectifier {
    fn prepare(&mut self, args: Prepare<'_>) {
        self.scale = args.params.first().map_or(1.0, |scale| scale[0]);
    }

    fn forward(&self, chunk: Forward<'_>) {
        let a = self.scale;
        let outputs = flat_mut(chunk.output).iter_mut();
        chunk.simd.vectorize(|| {
            for (y, x) in outputs.zip(flat(chunk.inputs[0])) {
                // Neither branch is left out for a number that is none.
                *y = if *x <= 0.0 { 0.0 } else { a * x };
            }
        });
    }

    fn backward(&self, chunk: Backward<'_>) {
        let a = self.scale;
        if let Some(dx) = &mut chunk.input_gradients[0] {
            let pulled = flat(chunk.inputs[0]).iter().zip(flat(chunk.upstream));
            let gradients = flat_mut(dx).iter_mut();
            chunk.simd.vectorize(|| {
                for (dx, (x, u)) in gradients.zip(pulled) {
                    *dx = if *x > 0.0 { a * u } else { 0.0 };
                }
            });
        }
        if let Some([da]) = chunk.param_gradients {
            chunk.simd.vectorize(|| {
                let mut sum = Lanes::ZERO;
                for (x, u) in chunk.inputs[0].iter().zip(chunk.upstream) {
                    sum = sum.zip(x.zip(*u, |x, u| x.max(0.0) * u), |s, v| s + v);
                }
                da[0] = sum.sum();
            });
        }
    }
}

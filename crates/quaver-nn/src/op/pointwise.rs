//! Activation functions without parameters of their own.

use super::{Backward, BuiltLayer, Checked, Forward, Layer, Op, OpError, Shape, single};
use serde::{Deserialize, Serialize};

/// A fixed function of each element.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Function {
    /// x above 0, else `slope` · x (Maas et al., "Rectifier Nonlinearities Improve Neural Network
    /// Acoustic Models", 2013). The gradient at 0 is `slope`.
    LeakyRelu {
        /// Slope below 0, finite.
        slope: f64,
    },
    /// 1 / (1 + exp(−x)).
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// x clipped to [`min`, `max`]; the gradient is 1 inside and at both ends, 0 outside.
    Clip {
        /// Smallest value, finite.
        min: f64,
        /// Largest value, above `min`, finite.
        max: f64,
    },
}

/// A [`Function`] of every element.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pointwise {
    /// The function.
    pub function: Function,
}

impl Checked for Pointwise {
    fn check(&self) -> Result<(), OpError> {
        let is_usable = match self.function {
            Function::LeakyRelu { slope } => (slope as f32).is_finite(),
            Function::Clip { min, max } => {
                min < max && (min as f32).is_finite() && (max as f32).is_finite()
            }
            Function::Sigmoid | Function::Tanh => true,
        };
        if is_usable {
            return Ok(());
        }
        Err(OpError::Setting {
            op: "pointwise",
            name: "function",
            got: format!("{:?}", self.function),
            allowed: "of finite numbers, min below max",
        })
    }
}

impl Op for Pointwise {
    fn name(&self) -> &'static str {
        "pointwise"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        single("pointwise", inputs, None, "one input").cloned()
    }
    fn layer(&self, _inputs: &[Shape]) -> BuiltLayer {
        BuiltLayer::new(self.clone())
    }
}

fn sigmoid(x: f32) -> f32 {
    (1.0 / (1.0 + libm::exp(-f64::from(x)))) as f32
}

fn tanh(x: f32) -> f32 {
    libm::tanh(f64::from(x)) as f32
}

impl Layer for Pointwise {
    fn forward(&self, chunk: Forward<'_>) {
        let pairs = chunk.output.iter_mut().zip(chunk.inputs[0]);
        chunk.simd.vectorize(|| match self.function {
            Function::LeakyRelu { slope } => {
                let slope = slope as f32;
                pairs.for_each(|(y, x)| *y = x.map(|x| if x > 0.0 { x } else { slope * x }));
            }
            Function::Sigmoid => pairs.for_each(|(y, x)| *y = x.map(sigmoid)),
            Function::Tanh => pairs.for_each(|(y, x)| *y = x.map(tanh)),
            Function::Clip { min, max } => {
                let (min, max) = (min as f32, max as f32);
                pairs.for_each(|(y, x)| *y = x.map(|x| x.clamp(min, max)));
            }
        });
    }

    fn backward(&self, chunk: Backward<'_>) {
        let Some(dx) = &mut chunk.input_gradients[0] else {
            return;
        };
        let (x, y) = (chunk.inputs[0], chunk.output);
        let pairs = dx.iter_mut().zip(chunk.upstream);
        chunk.simd.vectorize(|| match self.function {
            Function::LeakyRelu { slope } => {
                let slope = slope as f32;
                pairs.zip(x).for_each(|((dx, u), x)| {
                    *dx = x.zip(*u, |x, u| if x > 0.0 { u } else { slope * u });
                });
            }
            Function::Sigmoid => pairs.zip(y).for_each(|((dx, u), y)| {
                *dx = y.zip(*u, |y, u| u * (y * (1.0 - y)));
            }),
            Function::Tanh => pairs.zip(y).for_each(|((dx, u), y)| {
                *dx = y.zip(*u, |y, u| u * (1.0 - y * y));
            }),
            Function::Clip { min, max } => {
                let (min, max) = (min as f32, max as f32);
                pairs.zip(x).for_each(|((dx, u), x)| {
                    *dx = x.zip(*u, |x, u| if min <= x && x <= max { u } else { 0.0 });
                });
            }
        });
    }
}

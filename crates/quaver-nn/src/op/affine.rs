//! A fixed scale and shift.

use super::{Backward, BuiltLayer, Checked, Forward, Layer, Op, OpError, Shape, single};
use serde::{Deserialize, Serialize};

/// `x · scale + shift` with fixed numbers, one for all channels or one for each. Put first it is
/// the normalization of pixels that a network was trained with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Affine {
    /// Factors, one or one for each channel, finite.
    pub scale: Vec<f64>,
    /// What is added, one or one for each channel, finite.
    pub shift: Vec<f64>,
}

impl Affine {
    /// `(x - mean) / std` for images of so many channels: one mean and deviation, or one for each
    /// channel.
    ///
    /// # Errors
    /// Other numbers of them, a mean that is not finite, a deviation outside 1e-6 to 1e6.
    pub fn normalization(mean: &[f64], std: &[f64], channels: usize) -> Result<Self, OpError> {
        let wrong = |reason: String| OpError::Config {
            op: "normalization".into(),
            reason,
        };
        if mean.len() != std.len() || ![1, channels].contains(&mean.len()) {
            let (m, s) = (mean.len(), std.len());
            let allowed = match channels {
                1 => "one".into(),
                _ => format!("one or {channels}"),
            };
            return Err(wrong(format!(
                "{m} means and {s} deviations, allowed are {allowed} of each"
            )));
        }
        if !mean.iter().all(|m| m.is_finite()) {
            return Err(wrong(format!("mean must be finite, got {mean:?}")));
        }
        if !std.iter().all(|s| (1e-6..=1e6).contains(s)) {
            return Err(wrong(format!("std must be 1e-6 to 1e6, got {std:?}")));
        }
        let pairs = mean.iter().zip(std);
        Ok(Self {
            scale: std.iter().map(|s| 1.0 / s).collect(),
            shift: pairs.map(|(m, s)| -m / s).collect(),
        })
    }
}

impl Checked for Affine {
    fn check(&self) -> Result<(), OpError> {
        for (name, values) in [("scale", &self.scale), ("shift", &self.shift)] {
            // Finite as they are used, too.
            let is_usable = |v: &f64| (*v as f32).is_finite();
            if values.is_empty() || !values.iter().all(is_usable) {
                return Err(OpError::Setting {
                    op: "affine",
                    name,
                    got: format!("{values:?}"),
                    allowed: "one or more numbers, finite in 32 bits",
                });
            }
        }
        Ok(())
    }
}

impl Op for Affine {
    fn name(&self) -> &'static str {
        "affine"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let channels = self.scale.len().max(self.shift.len());
        let allowed = match channels {
            1 => "one input".into(),
            n => format!("({n}) or ({n}, height, width)"),
        };
        let shape = single("affine", inputs, None, &allowed)?;
        let fits = |n: usize| n == 1 || n == shape[0];
        if fits(self.scale.len()) && fits(self.shift.len()) {
            return Ok(shape.clone());
        }
        Err(OpError::Shape {
            op: "affine",
            got: super::shapes_text(inputs),
            allowed,
        })
    }
    fn layer(&self, inputs: &[Shape]) -> BuiltLayer {
        let channels = inputs[0][0];
        let spread = |values: &[f64]| match values {
            [one] => vec![*one as f32; channels],
            all => all.iter().map(|v| *v as f32).collect(),
        };
        BuiltLayer::new(Lines {
            scale: spread(&self.scale),
            shift: spread(&self.shift),
            positions: inputs[0][1..].iter().product(),
        })
    }
}

/// The lines of all channels.
#[derive(Clone)]
struct Lines {
    scale: Vec<f32>,
    shift: Vec<f32>,
    positions: usize,
}

impl Layer for Lines {
    fn forward(&self, chunk: Forward<'_>) {
        let planes = chunk.inputs[0].chunks_exact(self.positions);
        let outputs = chunk.output.chunks_exact_mut(self.positions);
        chunk.simd.vectorize(|| {
            for (i, (x, y)) in planes.zip(outputs).enumerate() {
                let c = i % self.scale.len();
                let (scale, shift) = (self.scale[c], self.shift[c]);
                for (x, y) in x.iter().zip(y) {
                    *y = x.map(|x| x * scale + shift);
                }
            }
        });
    }

    fn backward(&self, chunk: Backward<'_>) {
        let Some(dx) = &mut chunk.input_gradients[0] else {
            return;
        };
        let planes = chunk.upstream.chunks_exact(self.positions);
        let gradients = dx.chunks_exact_mut(self.positions);
        chunk.simd.vectorize(|| {
            for (i, (u, dx)) in planes.zip(gradients).enumerate() {
                let scale = self.scale[i % self.scale.len()];
                for (u, dx) in u.iter().zip(dx) {
                    *dx = u.map(|u| u * scale);
                }
            }
        });
    }
}

//! Batch normalization.

use super::{
    Backward, BuiltLayer, Checked, Coupling, Forward, Init, Layer, Op, OpError, Param, Part,
};
use super::{Prepare, Shape, shapes_text};
use crate::kernel::{LANES, Lanes, flat, flat_mut};
use serde::{Deserialize, Serialize};

/// Batch normalization of each channel (Ioffe & Szegedy, "Batch Normalization", 2015), as
/// PyTorch's: biased variance for the batch, unbiased for the running statistics.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNorm {
    /// Channels, or features.
    pub channels: usize,
    /// Added to the variance.
    #[serde(default = "eps")]
    pub eps: f64,
    /// Weight of a new batch in the running statistics.
    #[serde(default = "momentum")]
    pub momentum: f64,
    /// Whether gamma is trained (else it stays 1).
    #[serde(default = "yes")]
    pub scale: bool,
}

fn eps() -> f64 {
    1e-5
}
fn momentum() -> f64 {
    0.1
}
fn yes() -> bool {
    true
}

impl BatchNorm {
    /// With PyTorch's eps 1e-5 and momentum 0.1.
    pub fn new(channels: usize, scale: bool) -> Self {
        Self {
            channels,
            eps: eps(),
            momentum: momentum(),
            scale,
        }
    }
}

impl Checked for BatchNorm {
    fn check(&self) -> Result<(), OpError> {
        let wrong = |name, got: f64, allowed| {
            Err(OpError::Setting {
                op: "batch_norm",
                name,
                got: got.to_string(),
                allowed,
            })
        };
        if !(self.eps > 0.0 && self.eps.is_finite()) {
            return wrong("eps", self.eps, "positive and finite");
        }
        if !(0.0..=1.0).contains(&self.momentum) {
            return wrong("momentum", self.momentum, "in [0, 1]");
        }
        Ok(())
    }
}

impl Op for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        match inputs {
            [shape] if [1, 3].contains(&shape.len()) && shape[0] == self.channels => {
                Ok(shape.clone())
            }
            _ => Err(OpError::Shape {
                op: "batch_norm",
                got: shapes_text(inputs),
                allowed: format!("({0}) or ({0}, height, width)", self.channels),
            }),
        }
    }
    fn params(&self, _inputs: &[Shape]) -> Vec<Param> {
        let param = |name, trainable, value| Param {
            name,
            shape: vec![self.channels],
            trainable,
            clip: None,
            init: Init::Constant(value),
        };
        vec![
            param("weight", self.scale, 1.0),
            param("bias", true, 0.0),
            param("running_mean", false, 0.0),
            param("running_var", false, 1.0),
        ]
    }
    fn layer(&self, inputs: &[Shape]) -> BuiltLayer {
        let positions = inputs[0][1..].iter().product();
        BuiltLayer::new(Normalize {
            op: self.clone(),
            positions,
            channels: Channels::default(),
        })
    }
}

/// Forward `x · scale + shift`; backward `u · scale + x · slope + offset`, the last two 0 with
/// running statistics.
#[derive(Clone, Debug, Default)]
struct Channels {
    scale: Vec<f32>,
    shift: Vec<f32>,
    mean: Vec<f32>,
    inverse_std: Vec<f32>,
    slope: Vec<f32>,
    offset: Vec<f32>,
}

impl Channels {
    fn set(&mut self, mean: &[f64], variance: &[f64], eps: f64, params: &[Vec<f32>]) {
        let n = mean.len();
        for row in [
            &mut self.scale,
            &mut self.shift,
            &mut self.mean,
            &mut self.inverse_std,
        ] {
            row.resize(n, 0.0);
        }
        for c in 0..n {
            let inverse_std = 1.0 / (variance[c] + eps).sqrt();
            let scale = f64::from(params[0][c]) * inverse_std;
            self.scale[c] = scale as f32;
            self.shift[c] = (f64::from(params[1][c]) - mean[c] * scale) as f32;
            self.mean[c] = mean[c] as f32;
            self.inverse_std[c] = inverse_std as f32;
        }
        self.slope.clear();
        self.slope.resize(n, 0.0);
        self.offset.clear();
        self.offset.resize(n, 0.0);
    }
}

#[derive(Clone)]
struct Normalize {
    op: BatchNorm,
    positions: usize,
    channels: Channels,
}

impl Normalize {
    /// Sum of `value(element)` over the valid examples of a channel, for every channel.
    fn channel_sums(
        &self,
        part: &Part<'_>,
        mut value: impl FnMut(usize, usize) -> Lanes,
    ) -> Vec<f64> {
        let block = self.op.channels * self.positions;
        let mut sums = vec![0.0; self.op.channels];
        for b in 0..part.examples.div_ceil(LANES) {
            let valid = (part.examples - b * LANES).min(LANES);
            for (c, sum) in sums.iter_mut().enumerate() {
                let mut lanes = Lanes::ZERO;
                let from = b * block + c * self.positions;
                for i in from..from + self.positions {
                    lanes = lanes.zip(value(c, i), |s, v| s + v);
                }
                *sum += lanes.0[..valid].iter().map(|&v| f64::from(v)).sum::<f64>();
            }
        }
        sums
    }
}

impl Layer for Normalize {
    fn prepare(&mut self, args: Prepare<'_>) {
        let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
        let (mean, variance) = (wide(&args.params[2]), wide(&args.params[3]));
        self.channels
            .set(&mean, &variance, self.op.eps, args.params);
    }

    fn forward(&self, chunk: Forward<'_>) {
        let Channels { scale, shift, .. } = &self.channels;
        let planes = chunk.inputs[0].chunks_exact(self.positions);
        let outputs = chunk.output.chunks_exact_mut(self.positions);
        chunk.simd.vectorize(|| {
            for (i, (x, y)) in planes.zip(outputs).enumerate() {
                let (scale, shift) = (scale[i % self.op.channels], shift[i % self.op.channels]);
                for (x, y) in flat(x).iter().zip(flat_mut(y)) {
                    *y = x * scale + shift;
                }
            }
        });
    }

    fn backward(&self, chunk: Backward<'_>) {
        let Some(dx) = &mut chunk.input_gradients[0] else {
            return;
        };
        let Channels {
            scale,
            slope,
            offset,
            ..
        } = &self.channels;
        let planes = chunk.upstream.chunks_exact(self.positions);
        let inputs = chunk.inputs[0].chunks_exact(self.positions);
        chunk.simd.vectorize(|| {
            let outputs = dx.chunks_exact_mut(self.positions);
            for (i, ((u, x), dx)) in planes.zip(inputs).zip(outputs).enumerate() {
                let c = i % self.op.channels;
                let (scale, slope, offset) = (scale[c], slope[c], offset[c]);
                for ((u, x), dx) in flat(u).iter().zip(flat(x)).zip(flat_mut(dx)) {
                    *dx = u * scale + (x * slope + offset);
                }
            }
        });
        // Batch statistics give unused lanes a gradient too.
        let valid = chunk.examples % LANES;
        if valid != 0 {
            let last = (chunk.blocks - 1) * self.op.channels * self.positions;
            for lanes in &mut dx[last..] {
                lanes.0[valid..].fill(0.0);
            }
        }
    }

    fn coupling(&self) -> Option<&dyn Coupling> {
        Some(self)
    }

    fn coupling_mut(&mut self) -> Option<&mut dyn Coupling> {
        Some(self)
    }
}

impl Coupling for Normalize {
    /// Number of values, then mean and sum of squared deviations of each channel.
    fn forward_part(&self, part: &Part<'_>) -> Vec<f64> {
        let n = (part.examples * self.positions) as f64;
        part.simd.vectorize(|| {
            let mut out = vec![n];
            out.extend(
                self.channel_sums(part, |_, i| part.input[i])
                    .iter()
                    .map(|s| s / n),
            );
            let means: Vec<f32> = out[1..].iter().map(|&m| m as f32).collect();
            let squares = self.channel_sums(part, |c, i| {
                let mean = means[c];
                part.input[i].map(|x| (x - mean) * (x - mean))
            });
            // Deviations are taken from the rounded mean; the exact one's are smaller by this.
            let squares = squares
                .iter()
                .zip(&out[1..])
                .zip(&means)
                .map(|((s, exact), rounded)| {
                    let off = exact - f64::from(*rounded);
                    s - n * off * off
                });
            let squares: Vec<f64> = squares.collect();
            out.extend(squares);
            out
        })
    }

    /// Chan's pairwise merge of means and squared deviations, in chunk order.
    fn forward_join(&mut self, parts: &[Vec<f64>], params: &mut [Vec<f32>]) {
        let channels = self.op.channels;
        let mut n = 0.0;
        let (mut mean, mut square) = (vec![0.0; channels], vec![0.0; channels]);
        for part in parts {
            let total = n + part[0];
            for c in 0..channels {
                let delta = part[1 + c] - mean[c];
                mean[c] += delta * part[0] / total;
                square[c] += part[1 + channels + c] + delta * delta * n * part[0] / total;
            }
            n = total;
        }
        let momentum = self.op.momentum;
        for c in 0..channels {
            let unbiased = square[c] / (n - 1.0).max(1.0);
            let moved =
                |old: f32, new: f64| ((1.0 - momentum) * f64::from(old) + momentum * new) as f32;
            params[2][c] = moved(params[2][c], mean[c]);
            params[3][c] = moved(params[3][c], unbiased);
        }
        let variance: Vec<f64> = square.iter().map(|s| s / n).collect();
        self.channels.set(&mean, &variance, self.op.eps, params);
    }

    /// Number of values, then the sums of u and of u · x̂ of each channel.
    fn backward_part(&self, part: &Part<'_>) -> Vec<f64> {
        let Channels {
            mean, inverse_std, ..
        } = &self.channels;
        part.simd.vectorize(|| {
            let mut out = vec![(part.examples * self.positions) as f64];
            out.extend(self.channel_sums(part, |_, i| part.upstream[i]));
            out.extend(self.channel_sums(part, |c, i| {
                let (mean, inverse_std) = (mean[c], inverse_std[c]);
                part.upstream[i].zip(part.input[i], |u, x| u * ((x - mean) * inverse_std))
            }));
            out
        })
    }

    fn backward_join(&mut self, parts: &[Vec<f64>], gradients: &mut [Vec<f32>]) {
        let channels = self.op.channels;
        let total = |i: usize| parts.iter().map(|part| part[i]).sum::<f64>();
        let n = total(0);
        let channel = &mut self.channels;
        for c in 0..channels {
            let (sum, product) = (total(1 + c), total(1 + channels + c));
            let (scale, inverse_std) = (
                f64::from(channel.scale[c]),
                f64::from(channel.inverse_std[c]),
            );
            let slope = -scale * inverse_std * product / n;
            channel.slope[c] = slope as f32;
            channel.offset[c] = (-scale * sum / n - slope * f64::from(channel.mean[c])) as f32;
            gradients[0][c] = product as f32;
            gradients[1][c] = sum as f32;
        }
    }
}

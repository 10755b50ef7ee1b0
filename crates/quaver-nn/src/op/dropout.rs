//! Inverted dropout with noise that replays.

use super::single;
use super::{Backward, BuiltLayer, Checked, Forward, Layer, Op, OpError, Prepare, Shape};
use crate::kernel::mask::Mask;
use crate::kernel::{LANES, Lanes, Simd};
use crate::noise::{LayerDraw, Randomness};
use serde::{Deserialize, Serialize};

/// Inverted dropout (Srivastava et al., "Dropout", 2014): each element is 0 with probability
/// `p`, else divided by `1 - p`; the identity while noise is off. Drawn for each example from
/// its id, in training and at inference alike (Gal & Ghahramani, "Dropout as a Bayesian
/// Approximation", 2016). `p` is realized to 2⁻¹⁶.
///
/// Between a sign and layers of binary weights it only masks: its output is −1, 0 or 1, and
/// those layers multiply their sums, which are whole numbers, by 1 / (1 - p).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropout {
    /// Probability of an element to be dropped, in [0, 1).
    pub p: f64,
}

impl Checked for Dropout {
    fn check(&self) -> Result<(), OpError> {
        if (0.0..1.0).contains(&self.p) {
            return Ok(());
        }
        Err(OpError::Setting {
            op: "dropout",
            name: "p",
            got: self.p.to_string(),
            allowed: "in [0, 1)",
        })
    }
}

impl Dropout {
    /// Draws of sixteen bits below this are dropped.
    pub(crate) fn threshold(&self) -> u16 {
        // As a conversion, `as` stops at the largest.
        (self.p * 65_536.0).round() as u16
    }

    /// What kept elements are multiplied by: 1 / (1 - p).
    pub(crate) fn factor(&self) -> f32 {
        (1.0 / (1.0 - f64::from(self.threshold()) / 65_536.0)) as f32
    }

    /// The layer that only masks and leaves its factor to others.
    pub(crate) fn mask(&self) -> BuiltLayer {
        BuiltLayer::new(DropoutLayer {
            op: self.clone(),
            scale: 1.0,
            later: self.factor(),
            draw: None,
        })
    }
}

/// Dropout that multiplies by `scale` itself and leaves `later` to others.
#[derive(Clone)]
struct DropoutLayer {
    op: Dropout,
    scale: f32,
    later: f32,
    /// `None` while noise is off.
    draw: Option<LayerDraw>,
}

impl Op for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        single("dropout", inputs, None, "one input").cloned()
    }
    fn stochastic(&self) -> Randomness {
        if self.p > 0.0 {
            Randomness::PerExample
        } else {
            Randomness::None
        }
    }
    fn layer(&self, _inputs: &[Shape]) -> BuiltLayer {
        BuiltLayer::new(DropoutLayer {
            op: self.clone(),
            scale: self.factor(),
            later: 1.0,
            draw: None,
        })
    }
}

impl Layer for DropoutLayer {
    fn prepare(&mut self, args: Prepare<'_>) {
        self.draw = args.draw.filter(|_| self.op.p > 0.0);
    }

    fn factor(&self) -> f32 {
        self.draw.map_or(1.0, |_| self.later)
    }

    fn forward(&self, chunk: Forward<'_>) {
        match self.draw {
            Some(draw) => self.mask(draw, chunk.simd, chunk.ids, chunk.inputs[0], chunk.output),
            None => chunk.output.copy_from_slice(chunk.inputs[0]),
        }
    }

    fn backward(&self, chunk: Backward<'_>) {
        let Some(dx) = &mut chunk.input_gradients[0] else {
            return;
        };
        match self.draw {
            Some(draw) => self.mask(draw, chunk.simd, chunk.ids, chunk.upstream, dx),
            None => dx.copy_from_slice(chunk.upstream),
        }
    }
}

impl DropoutLayer {
    fn mask(
        &self,
        draw: LayerDraw,
        simd: Simd,
        ids: &[[u64; LANES]],
        from: &[Lanes],
        to: &mut [Lanes],
    ) {
        simd.run(Mask {
            key: draw.key,
            pass: draw.pass,
            ids,
            threshold: self.op.threshold(),
            scale: self.scale,
            from,
            to,
        });
    }
}

//! AdamW.

use super::moments::{BETA1, BETA2, EPS, Moments};
use super::{Optimizer, Update};
use crate::spec::{Allowed, Interval, Parameter, PlugIn};
use serde::Deserialize;

pub(super) const ENTRY: PlugIn<dyn Optimizer> = PlugIn {
    id: "adamw",
    title: "Adam with weights that decay apart from the gradient",
    paper: "Decoupled Weight Decay Regularization (2019)",
    parameters: &[BETA1, BETA2, EPS, WEIGHT_DECAY],
    build: |values| Ok(Box::new(values.read::<AdamW>()?)),
};

const WEIGHT_DECAY: Parameter = Parameter {
    name: "weight_decay",
    default: "0.01",
    allowed: Allowed::Real(&[Interval::closed(0.0, 1.0)]),
    about: "share of a parameter, times the learning rate, that a step takes off",
};

/// AdamW (Loshchilov & Hutter, "Decoupled Weight Decay Regularization", 2019), as PyTorch's: each
/// parameter shrinks by `rate · weight_decay` of itself, then moves as in Adam.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct AdamW {
    /// Adam's settings.
    #[serde(flatten)]
    pub moments: Moments,
    /// Share of a parameter, times the learning rate, that a step takes off; 0 to 1.
    pub weight_decay: f64,
}

impl Optimizer for AdamW {
    fn states(&self) -> &'static [&'static str] {
        Moments::STATES
    }

    fn step(&self, update: Update<'_>) {
        let keep = (1.0 - update.rate * self.weight_decay) as f32;
        self.moments.step(update, keep);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::tests::moved;

    #[test]
    fn first_steps_by_hand() {
        let adamw = AdamW {
            moments: Moments::default(),
            weight_decay: 0.5,
        };
        // 0.6 · (1 − 0.1 · 0.5) − 0.1, then 0.47 · 0.95 − 0.1 · (−0.005/0.19) / 0.5.
        let first = moved(&adamw, 0.6, &[0.5]);
        assert!((first - 0.47).abs() < 1e-6, "{first}");
        let second = moved(&adamw, 0.6, &[0.5, -0.5]);
        let expected = 0.47 * 0.95 + 0.1 * 0.005 / 0.19 / 0.5;
        assert!((second - expected).abs() < 1e-6, "{second}");
    }
}

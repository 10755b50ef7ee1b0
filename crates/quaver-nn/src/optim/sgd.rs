//! Stochastic gradient descent with momentum.

use super::{NEGLIGIBLE, Optimizer, UNBOUNDED, Update, at_least, clipped};
use crate::spec::{Allowed, Interval, Parameter, PlugIn};
use serde::Deserialize;

pub(super) const ENTRY: PlugIn<dyn Optimizer> = PlugIn {
    id: "sgd",
    title: "stochastic gradient descent with momentum",
    paper: "Some Methods of Speeding Up the Convergence of Iteration Methods (1964)",
    parameters: &[MOMENTUM, WEIGHT_DECAY],
    build: |values| Ok(Box::new(values.read::<Sgd>()?)),
};

const MOMENTUM: Parameter = Parameter {
    name: "momentum",
    default: "0.9",
    allowed: Allowed::Real(&[Interval::closed(0.0, 0.999_999)]),
    about: "share of a step's velocity that the next one keeps",
};
const WEIGHT_DECAY: Parameter = Parameter {
    name: "weight_decay",
    default: "0",
    allowed: Allowed::Real(&[Interval::closed(0.0, 1.0)]),
    about: "share of a parameter that is added to its gradient",
};

/// Stochastic gradient descent with momentum (Polyak, "Some Methods of Speeding Up the Convergence
/// of Iteration Methods", 1964), as PyTorch's: `v ← momentum · v + g + weight_decay · p`, then
/// `p − rate · v`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Sgd {
    /// Share of a step's velocity that the next one keeps, in [0, 1).
    pub momentum: f64,
    /// Share of a parameter that is added to its gradient, 0 to 1.
    pub weight_decay: f64,
}

impl Optimizer for Sgd {
    fn states(&self) -> &'static [&'static str] {
        &["velocity"]
    }

    fn step(&self, update: Update<'_>) {
        let (momentum, decay) = (self.momentum as f32, self.weight_decay as f32);
        let (rate, range) = (update.rate as f32, update.clip.unwrap_or(UNBOUNDED));
        let [velocity, _] = update.state;
        let elements = update.params.iter_mut().zip(update.gradient).zip(velocity);
        update.simd.vectorize(|| {
            for ((p, g), v) in elements {
                *v = at_least(NEGLIGIBLE, momentum * *v + (g + decay * *p));
                *p = clipped(*p - rate * *v, range);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::tests::moved;

    #[test]
    fn first_steps_by_hand() {
        let sgd = Sgd {
            momentum: 0.5,
            weight_decay: 0.25,
        };
        // v = 0.4 + 0.2, p = 0.8 − 0.06; then v = 0.3 + 0.4 + 0.185, p = 0.74 − 0.0885.
        let first = moved(&sgd, 0.8, &[0.4]);
        assert!((first - 0.74).abs() < 1e-6, "{first}");
        let second = moved(&sgd, 0.8, &[0.4, 0.4]);
        assert!((second - 0.6515).abs() < 1e-6, "{second}");
    }
}

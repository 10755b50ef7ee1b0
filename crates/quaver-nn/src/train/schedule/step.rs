//! A learning rate that falls in steps.

use super::{At, Schedule, WARMUP};
use crate::spec::{Allowed, Interval, Parameter, PlugIn};
use serde::Deserialize;

pub(super) const ENTRY: PlugIn<dyn Schedule> = PlugIn {
    id: "step",
    title: "the learning rate falls by a factor after so many epochs each",
    paper: "Deep Residual Learning for Image Recognition (2016)",
    parameters: &[EVERY, GAMMA, WARMUP],
    build: |values| Ok(Box::new(values.read::<Step>()?)),
};

const EVERY: Parameter = Parameter {
    name: "every",
    default: "10",
    allowed: Allowed::Integer(1, 100_000),
    about: "epochs from step to step",
};
const GAMMA: Parameter = Parameter {
    name: "gamma",
    default: "0.1",
    allowed: Allowed::Real(&[Interval::above(0.0, 1.0)]),
    about: "what a step multiplies the learning rate by",
};

/// gamma to the power of the steps so far, after `warmup` epochs of rise.
#[derive(Debug, Deserialize)]
struct Step {
    every: u32,
    gamma: f64,
    warmup: f64,
}

impl Schedule for Step {
    fn factor(&self, at: At) -> f64 {
        let steps = at.batch / (at.per_epoch * u64::from(self.every));
        at.warm_up(self.warmup) * libm::pow(self.gamma, steps as f64)
    }
}

#[cfg(test)]
mod tests {
    use crate::train::schedule::tests::factors;

    #[test]
    fn falls_at_whole_epochs() {
        let expected = [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5];
        assert_eq!(factors("step(every=2,gamma=0.5)"), expected);
        let expected = [0.1, 0.6, 0.2, 0.2, 0.04, 0.04, 0.008, 0.008];
        assert_eq!(factors("step(every=1,gamma=0.2,warmup=1)"), expected);
    }
}

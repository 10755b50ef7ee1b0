//! A learning rate that falls along half a cosine.

use super::{At, Schedule, WARMUP};
use crate::spec::{Allowed, Interval, Parameter, PlugIn};
use serde::Deserialize;

pub(super) const ENTRY: PlugIn<dyn Schedule> = PlugIn {
    id: "cosine",
    title: "the learning rate falls along half a cosine over the run",
    paper: "SGDR: Stochastic Gradient Descent with Warm Restarts (2017)",
    parameters: &[FLOOR, WARMUP],
    build: |values| Ok(Box::new(values.read::<Cosine>()?)),
};

const FLOOR: Parameter = Parameter {
    name: "floor",
    default: "0",
    allowed: Allowed::Real(&[Interval::closed(0.0, 1.0)]),
    about: "factor of the learning rate at the end of the run",
};

/// From 1 after `warmup` epochs of rise to `floor` at the end of the run: Loshchilov & Hutter,
/// "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017, without restarts.
#[derive(Debug, Deserialize)]
struct Cosine {
    floor: f64,
    warmup: f64,
}

impl Schedule for Cosine {
    fn factor(&self, at: At) -> f64 {
        let rest = (f64::from(at.epochs) - self.warmup).max(f64::MIN_POSITIVE);
        let fallen = ((at.epoch() - self.warmup) / rest).clamp(0.0, 1.0);
        let cosine = 0.5 * (1.0 + libm::cos(std::f64::consts::PI * fallen));
        at.warm_up(self.warmup) * (self.floor + (1.0 - self.floor) * cosine)
    }

    fn spans_the_run(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::train::schedule::tests::factors;

    #[test]
    fn falls_from_one_to_the_floor() {
        let half = 0.5_f64.sqrt();
        let falls = factors("cosine");
        assert_eq!((falls[0], falls[4]), (1.0, 0.5));
        assert!((falls[2] - 0.5 * (1.0 + half)).abs() < 1e-9);
        let floor = factors("cosine(floor=0.2,warmup=2)");
        assert_eq!(floor[..5], [0.05, 0.3, 0.55, 0.8, 1.0]);
        assert!((floor[5] - (0.2 + 0.4 * (1.0 + half))).abs() < 1e-9);
        assert_eq!(floor[6], 0.6);
    }
}

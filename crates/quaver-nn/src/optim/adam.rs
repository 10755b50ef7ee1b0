//! Adam.

use super::moments::{BETA1, BETA2, EPS, Moments};
use super::{Optimizer, Update};
use crate::spec::PlugIn;

pub(super) const ENTRY: PlugIn<dyn Optimizer> = PlugIn {
    id: "adam",
    title: "steps of about the learning rate in every element",
    paper: "Adam: A Method for Stochastic Optimization (2015)",
    parameters: &[BETA1, BETA2, EPS],
    build: |values| Ok(Box::new(Adam(values.read()?))),
};

/// Adam (Kingma & Ba, "Adam: A Method for Stochastic Optimization", 2015), step and state as
/// PyTorch's: `p − rate · m̂ / (√v̂ + eps)` with bias-corrected means of the gradient and of its
/// square.
#[derive(Clone, Copy, Debug, Default)]
pub struct Adam(pub Moments);

impl Optimizer for Adam {
    fn states(&self) -> &'static [&'static str] {
        Moments::STATES
    }

    fn step(&self, update: Update<'_>) {
        self.0.step(update, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::tests::moved;

    #[test]
    fn first_steps_by_hand() {
        let first = moved(&Adam::default(), 0.5, &[0.5]);
        // The bias-corrected first step is rate · sign(g).
        assert!((first - 0.4).abs() < 1e-6, "{first}");
        let second = moved(&Adam::default(), 0.5, &[0.5, -0.5]);
        // m = (0.9·0.05 − 0.05) / 0.19, v = 0.25: the step is 0.1 · (−0.005/0.19) / 0.5.
        let expected = 0.4 + 0.1 * 0.005 / 0.19 / 0.5;
        assert!((second - expected).abs() < 1e-6, "{second}");
    }
}

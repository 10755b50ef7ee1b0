//! A learning rate that stays.

use super::{At, Schedule, WARMUP};
use crate::spec::PlugIn;
use serde::Deserialize;

pub(super) const ENTRY: PlugIn<dyn Schedule> = PlugIn {
    id: "constant",
    title: "the learning rate stays",
    paper: "",
    parameters: &[WARMUP],
    build: |values| Ok(Box::new(values.read::<Constant>()?)),
};

/// 1, after `warmup` epochs of rise.
#[derive(Debug, Deserialize)]
struct Constant {
    warmup: f64,
}

impl Schedule for Constant {
    fn factor(&self, at: At) -> f64 {
        at.warm_up(self.warmup)
    }
}

#[cfg(test)]
mod tests {
    use crate::train::schedule::tests::factors;

    #[test]
    fn stays_after_a_rise() {
        assert_eq!(factors("constant"), [1.0; 8]);
        let expected = [0.05, 0.3, 0.55, 0.8, 1.0, 1.0, 1.0, 1.0];
        assert_eq!(factors("constant(warmup=2)"), expected);
    }
}

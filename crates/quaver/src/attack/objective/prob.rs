//! Probability.

use crate::decision::softmax;

use super::softmax::log_prob_gradient;
use super::{Aim, Entry, LogitObjective};

pub(super) const ENTRY: Entry = Entry {
    id: "prob",
    title: "probability",
    parameters: &[],
    build: |_| Ok(Box::new(Prob)),
};

/// -p_y; targeted p_t.
#[derive(Clone, Copy, Debug)]
pub struct Prob;

impl LogitObjective for Prob {
    fn value(&self, logits: &[f32], aim: Aim) -> f64 {
        let (class, sign) = aim.class_and_sign();
        sign * softmax(logits)[class]
    }

    fn gradient(&self, logits: &[f32], aim: Aim, weight: f64, upstream: &mut [f32]) {
        let (class, sign) = aim.class_and_sign();
        let p = softmax(logits)[class];
        log_prob_gradient(logits, class, weight * sign * p, upstream);
    }
}

//! Margin of the probabilities.

use crate::decision::softmax;

use super::{Aim, Entry, LogitObjective, best_other};

pub(super) const ENTRY: Entry = Entry {
    id: "prob-margin",
    title: "margin of the probabilities",
    parameters: &[],
    build: |_| Ok(Box::new(ProbMargin)),
};

/// max over c != y of p_c, less p_y; targeted p_t less the largest other probability. Its gradient
/// vanishes where the softmax saturates.
#[derive(Clone, Copy, Debug)]
pub struct ProbMargin;

impl LogitObjective for ProbMargin {
    fn value(&self, logits: &[f32], aim: Aim) -> f64 {
        let (class, sign) = aim.class_and_sign();
        let p = softmax(logits);
        sign * (p[class] - p[best_other(logits, class)])
    }

    fn gradient(&self, logits: &[f32], aim: Aim, weight: f64, upstream: &mut [f32]) {
        let (class, sign) = aim.class_and_sign();
        let other = best_other(logits, class);
        let p = softmax(logits);
        let difference = p[class] - p[other];
        for (c, up) in upstream.iter_mut().enumerate() {
            let own = f64::from(u8::from(c == class)) - f64::from(u8::from(c == other));
            *up = (weight * sign * p[c] * (own - difference)) as f32;
        }
    }
}

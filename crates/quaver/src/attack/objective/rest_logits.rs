//! Logits of the other classes.

use super::{Aim, Entry, LogitObjective};

pub(super) const ENTRY: Entry = Entry {
    id: "rest-logits",
    title: "logits of the other classes",
    parameters: &[],
    build: |_| Ok(Box::new(RestLogits)),
};

/// Sum of z_c over c != y; targeted minus the sum over c != t.
#[derive(Clone, Copy, Debug)]
pub struct RestLogits;

impl LogitObjective for RestLogits {
    fn value(&self, logits: &[f32], aim: Aim) -> f64 {
        let (class, sign) = aim.class_and_sign();
        let all: f64 = logits.iter().map(|z| f64::from(*z)).sum();
        sign * (f64::from(logits[class]) - all)
    }

    fn gradient(&self, _: &[f32], aim: Aim, weight: f64, upstream: &mut [f32]) {
        let (class, sign) = aim.class_and_sign();
        upstream.fill(-(weight * sign) as f32);
        upstream[class] = 0.0;
    }
}

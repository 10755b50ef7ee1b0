//! Logit.

use super::{Aim, Entry, LogitObjective};

pub(super) const ENTRY: Entry = Entry {
    id: "logit",
    title: "logit",
    parameters: &[],
    build: |_| Ok(Box::new(Logit)),
};

/// -z_y; targeted z_t.
#[derive(Clone, Copy, Debug)]
pub struct Logit;

impl LogitObjective for Logit {
    fn value(&self, logits: &[f32], aim: Aim) -> f64 {
        let (class, sign) = aim.class_and_sign();
        sign * f64::from(logits[class])
    }

    fn gradient(&self, _: &[f32], aim: Aim, weight: f64, upstream: &mut [f32]) {
        let (class, sign) = aim.class_and_sign();
        upstream[class] = (weight * sign) as f32;
    }
}

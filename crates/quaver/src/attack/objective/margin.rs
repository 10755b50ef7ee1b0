//! Margin of the logits.

use super::{Aim, Entry, LogitObjective, best_other};

pub(super) const ENTRY: Entry = Entry {
    id: "margin",
    title: "margin of the logits",
    parameters: &[],
    build: |_| Ok(Box::new(Margin)),
};

/// max over c != y of z_c, less z_y; targeted z_t less the largest other logit.
#[derive(Clone, Copy, Debug)]
pub struct Margin;

impl LogitObjective for Margin {
    fn value(&self, logits: &[f32], aim: Aim) -> f64 {
        let (class, sign) = aim.class_and_sign();
        let z = |c: usize| f64::from(logits[c]);
        sign * (z(class) - z(best_other(logits, class)))
    }

    fn gradient(&self, logits: &[f32], aim: Aim, weight: f64, upstream: &mut [f32]) {
        let (class, sign) = aim.class_and_sign();
        let weight = weight * sign;
        upstream[class] = weight as f32;
        upstream[best_other(logits, class)] = -weight as f32;
    }
}

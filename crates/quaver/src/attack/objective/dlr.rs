//! Difference of logits ratio.

use crate::threat::Goal;

use super::{Aim, Entry, LogitObjective, best_other};

/// Keeps the ratio finite where logits are equal.
const MIN_SPREAD: f64 = 1e-12;

pub(super) const ENTRY: Entry = Entry {
    id: "dlr",
    title: "difference of logits ratio",
    parameters: &[],
    build: |_| Ok(Box::new(Dlr)),
};

/// Difference of logits ratio, (max over c != y of z_c - z_y) / (z_1st - z_3rd); targeted
/// (z_t - z_y) / (z_1st - (z_3rd + z_4th) / 2). Does not change when logits are scaled.
/// "Reliable evaluation of adversarial robustness with an ensemble of diverse
/// parameter-free attacks" (2020), eq. 6 and 7.
#[derive(Clone, Copy, Debug)]
pub struct Dlr;

impl LogitObjective for Dlr {
    fn min_classes(&self, goal: Goal) -> usize {
        match goal {
            Goal::Untargeted => 3,
            Goal::Targeted => 4,
        }
    }

    fn value(&self, logits: &[f32], aim: Aim) -> f64 {
        let parts = Ratio::of(logits, aim);
        parts.difference / parts.spread
    }

    fn gradient(&self, logits: &[f32], aim: Aim, weight: f64, upstream: &mut [f32]) {
        Ratio::of(logits, aim).gradient(weight, upstream);
    }
}

/// Numerator and denominator of the difference of logits ratio with their gradients.
struct Ratio {
    difference: f64,
    spread: f64,
    raised: usize,
    lowered: usize,
    order: Vec<usize>,
    targeted: bool,
}

impl Ratio {
    fn of(logits: &[f32], aim: Aim) -> Self {
        let z = |c: usize| f64::from(logits[c]);
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
        let raised = aim.target.unwrap_or_else(|| best_other(logits, aim.label));
        let low = match aim.target {
            Some(_) => f64::midpoint(z(order[2]), z(order[3])),
            None => z(order[2]),
        };
        Self {
            difference: z(raised) - z(aim.label),
            spread: z(order[0]) - low + MIN_SPREAD,
            raised,
            lowered: aim.label,
            targeted: aim.target.is_some(),
            order,
        }
    }

    fn gradient(&self, weight: f64, upstream: &mut [f32]) {
        let through_difference = weight / self.spread;
        let through_spread = -weight * self.difference / (self.spread * self.spread);
        let mut add = |class: usize, amount: f64| upstream[class] += amount as f32;
        add(self.raised, through_difference);
        add(self.lowered, -through_difference);
        add(self.order[0], through_spread);
        if self.targeted {
            add(self.order[2], -through_spread / 2.0);
            add(self.order[3], -through_spread / 2.0);
        } else {
            add(self.order[2], -through_spread);
        }
    }
}

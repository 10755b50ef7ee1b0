//! What an attack pushes up, as a function of the logits: [`Objective`] and its gradient at the
//! logits. No attack computes a loss itself.

use serde::{Deserialize, Serialize};

use crate::decision::softmax;
use crate::threat::Goal;

/// Keeps the difference-of-logits ratio finite where logits are equal.
const MIN_SPREAD: f64 = 1e-12;

/// What is aimed at for one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aim {
    /// The class to get away from.
    pub label: usize,
    /// The class to reach; `None` if any class but the label will do.
    pub target: Option<usize>,
}

/// A function of one image's logits that is the larger, the nearer the attack is to its aim.
/// z are logits, p their softmax, y the label, t the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// -log p_y; targeted log p_t. Its gradient has p and p - 1 rounded to float32, as the
    /// frameworks form it: of a p that rounds to 1 nothing is left.
    #[default]
    CrossEntropy,
    /// The same in float64, for networks that are that sure.
    CrossEntropyF64,
    /// max over c != y of z_c, less z_y; targeted z_t less the largest other logit.
    Margin,
    /// Difference of logits ratio, (max over c != y of z_c - z_y) / (z_1st - z_3rd); targeted
    /// (z_t - z_y) / (z_1st - (z_3rd + z_4th) / 2). Does not change when logits are scaled.
    /// "Reliable evaluation of adversarial robustness with an ensemble of diverse
    /// parameter-free attacks" (2020), eq. 6 and 7.
    Dlr,
    /// -p_y; targeted p_t.
    Prob,
    /// -z_y; targeted z_t.
    Logit,
    /// Sum of z_c over c != y; targeted minus the sum over c != t.
    RestLogits,
}

impl Objective {
    /// The fewest classes it is defined for.
    #[must_use]
    pub const fn min_classes(self, goal: Goal) -> usize {
        match (self, goal) {
            (Self::Dlr, Goal::Untargeted) => 3,
            (Self::Dlr, Goal::Targeted) => 4,
            _ => 2,
        }
    }

    /// Its value; not a number where a logit is none.
    #[must_use]
    pub fn value(self, logits: &[f32], aim: Aim) -> f64 {
        let (class, sign) = away_or_toward(aim);
        let z = |c: usize| f64::from(logits[c]);
        match self {
            Self::CrossEntropy | Self::CrossEntropyF64 => sign * log_softmax(logits, class),
            Self::Margin => sign * (z(class) - z(best_other(logits, class))),
            Self::Dlr => {
                let parts = Ratio::of(logits, aim);
                parts.difference / parts.spread
            }
            Self::Prob => sign * softmax(logits)[class],
            Self::Logit => sign * z(class),
            Self::RestLogits => {
                let all: f64 = logits.iter().map(|z| f64::from(*z)).sum();
                sign * (z(class) - all)
            }
        }
    }

    /// Writes its gradient with respect to the logits, times `weight`, into `upstream`, which
    /// arrives zeroed.
    pub fn upstream(self, logits: &[f32], aim: Aim, weight: f64, upstream: &mut [f32]) {
        let (class, sign) = away_or_toward(aim);
        let weight = weight * sign;
        match self {
            Self::CrossEntropy => float32_gradient(logits, class, weight, upstream),
            Self::CrossEntropyF64 => log_prob_gradient(logits, class, weight, upstream),
            Self::Prob => {
                let p = softmax(logits)[class];
                log_prob_gradient(logits, class, weight * p, upstream);
            }
            Self::Margin => {
                upstream[class] = weight as f32;
                upstream[best_other(logits, class)] = -weight as f32;
            }
            Self::Dlr => Ratio::of(logits, aim).gradient(weight * sign, upstream),
            Self::Logit => upstream[class] = weight as f32,
            Self::RestLogits => {
                upstream.fill(-weight as f32);
                upstream[class] = 0.0;
            }
        }
    }
}

/// The class in question, and +1 to raise it or -1 to lower it.
fn away_or_toward(aim: Aim) -> (usize, f64) {
    aim.target.map_or((aim.label, -1.0), |target| (target, 1.0))
}

fn log_softmax(logits: &[f32], class: usize) -> f64 {
    let max = logits.iter().fold(f32::NEG_INFINITY, |max, z| max.max(*z));
    let total: f64 = logits
        .iter()
        .map(|z| libm::exp(f64::from(*z) - f64::from(max)))
        .sum();
    f64::from(logits[class]) - f64::from(max) - libm::log(total)
}

/// Gradient of log p_class. Its own entry is the sum of the other probabilities, which keeps
/// digits that 1 - p loses on confident networks.
fn log_prob_gradient(logits: &[f32], class: usize, weight: f64, upstream: &mut [f32]) {
    let mut others = 0.0;
    for (c, p) in softmax(logits).into_iter().enumerate() {
        if c != class {
            others += p;
            upstream[c] = (-weight * p) as f32;
        }
    }
    upstream[class] = (weight * others) as f32;
}

/// Gradient of log p_class by way of float32 logarithms, 1 - p included.
fn float32_gradient(logits: &[f32], class: usize, weight: f64, upstream: &mut [f32]) {
    let max = logits.iter().fold(f32::NEG_INFINITY, |max, z| max.max(*z));
    let total: f32 = logits.iter().map(|z| libm::expf(z - max)).sum();
    let log_total = libm::logf(total);
    for (c, (up, z)) in upstream.iter_mut().zip(logits).enumerate() {
        let p = libm::expf(z - max - log_total);
        let one = if c == class { 1.0 } else { 0.0 };
        *up = (one - p) * weight as f32;
    }
}

/// The first largest logit but `class`.
fn best_other(logits: &[f32], class: usize) -> usize {
    let mut best = usize::from(class == 0);
    for (c, z) in logits.iter().enumerate() {
        if c != class && *z > logits[best] {
            best = c;
        }
    }
    best
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

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Objective; 7] = [
        Objective::CrossEntropy,
        Objective::CrossEntropyF64,
        Objective::Margin,
        Objective::Dlr,
        Objective::Prob,
        Objective::Logit,
        Objective::RestLogits,
    ];

    fn aims() -> [Aim; 2] {
        [
            Aim {
                label: 1,
                target: None,
            },
            Aim {
                label: 1,
                target: Some(3),
            },
        ]
    }

    #[test]
    fn hand_computed_values() {
        let logits = [1.0, 3.0, 0.0, -1.0];
        let [away, toward] = aims();
        assert_eq!(Objective::Margin.value(&logits, away), -2.0);
        assert_eq!(Objective::Margin.value(&logits, toward), -4.0);
        assert_eq!(Objective::Logit.value(&logits, away), -3.0);
        assert_eq!(Objective::RestLogits.value(&logits, away), 0.0);
        assert_eq!(Objective::RestLogits.value(&logits, toward), -4.0);
        // (1 - 3) / (3 - 0) and (-1 - 3) / (3 - (0 - 1) / 2).
        assert!((Objective::Dlr.value(&logits, away) + 2.0 / 3.0).abs() < 1e-9);
        assert!((Objective::Dlr.value(&logits, toward) + 4.0 / 3.5).abs() < 1e-9);
        let even = Objective::CrossEntropy.value(&[0.0; 4], away);
        assert!((even - 4.0_f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn upstream_is_the_gradient_of_value() {
        let logits = [0.3, 1.1, -0.4, 0.9, 0.1];
        let step = 1.0_f32 / 1024.0;
        for objective in ALL {
            for aim in aims() {
                let mut upstream = [0.0; 5];
                objective.upstream(&logits, aim, 2.0, &mut upstream);
                for c in 0..5 {
                    let (mut up, mut down) = (logits, logits);
                    up[c] += step;
                    down[c] -= step;
                    let slope = (objective.value(&up, aim) - objective.value(&down, aim))
                        / (f64::from(up[c]) - f64::from(down[c]));
                    let got = f64::from(upstream[c]);
                    assert!(
                        (got - 2.0 * slope).abs() < 1e-4,
                        "{objective:?} {aim:?} {c}: {got}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_confident_network_still_has_a_gradient() {
        let mut upstream = [0.0; 2];
        let aim = Aim {
            label: 0,
            target: None,
        };
        Objective::CrossEntropyF64.upstream(&[60.0, 0.0], aim, 1.0, &mut upstream);
        assert!(upstream[0] < 0.0 && upstream[1] > 0.0, "{upstream:?}");
        let mut upstream = [0.0; 2];
        Objective::CrossEntropy.upstream(&[60.0, 0.0], aim, 1.0, &mut upstream);
        assert!(upstream[0] == 0.0 && upstream[1] > 0.0, "{upstream:?}");
    }

    #[test]
    fn broken_logits_give_no_number() {
        let aim = Aim {
            label: 0,
            target: None,
        };
        assert!(
            Objective::CrossEntropy
                .value(&[f32::NAN, 0.0], aim)
                .is_nan()
        );
    }
}

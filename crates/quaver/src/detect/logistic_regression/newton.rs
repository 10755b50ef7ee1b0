//! Damped Newton steps for a penalized logistic regression.

use super::{DetectError, ENTRY};

const MAX_STEPS: u32 = 200;
/// Newton steps end when one moves the logits of the features by no more than this, relative
/// to the largest of them.
const TOLERANCE: f64 = 1e-10;
/// Relative error of the objective: a rise below it is none.
const ROUNDING: f64 = 1e-12;

pub(super) fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-logit))
}

/// `log(1 + exp(x))` without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
}

/// What is minimized over the weights and, behind them, the intercept.
pub(super) struct Problem {
    /// Standardized features, and whether they are an adversarial input's.
    pub(super) points: Vec<(Vec<f64>, bool)>,
    /// Of each weight.
    pub(super) penalties: Vec<f64>,
}

impl Problem {
    fn logit(&self, z: &[f64], at: &[f64]) -> f64 {
        let terms = z.iter().zip(at).map(|(z, weight)| weight * z);
        terms.sum::<f64>() + at[z.len()]
    }

    /// The objective divided by `c`.
    fn value(&self, at: &[f64]) -> f64 {
        let loss = |(z, adversarial): &(Vec<f64>, bool)| {
            let logit = self.logit(z, at);
            softplus(if *adversarial { -logit } else { logit })
        };
        let penalties = self.penalties.iter().zip(at);
        let penalties = penalties.map(|(penalty, weight)| 0.5 * penalty * weight * weight);
        penalties.sum::<f64>() + self.points.iter().map(loss).sum::<f64>()
    }

    /// The step of Newton's method.
    fn newton_step(&self, at: &[f64]) -> Vec<f64> {
        let k = self.penalties.len();
        let mut gradient = vec![0.0; k + 1];
        let mut hessian = vec![vec![0.0; k + 1]; k + 1];
        for (j, penalty) in self.penalties.iter().enumerate() {
            gradient[j] = penalty * at[j];
            hessian[j][j] = *penalty;
        }
        for (z, adversarial) in &self.points {
            let logit = self.logit(z, at);
            let (p, q) = (sigmoid(logit), sigmoid(-logit));
            let residual = if *adversarial { -q } else { p };
            // p · q keeps the curvature of points far on the right side, which p · (1 - p)
            // rounds to 0.
            let curvature = p * q;
            for i in 0..k {
                gradient[i] += residual * z[i];
                for j in i..k {
                    hessian[i][j] += curvature * z[i] * z[j];
                }
                hessian[i][k] += curvature * z[i];
            }
            gradient[k] += residual;
            hessian[k][k] += curvature;
        }
        solve(hessian, gradient).iter().map(|x| -x).collect()
    }

    /// The weights and the intercept.
    pub(super) fn minimize(&self) -> Result<Vec<f64>, DetectError> {
        let k = self.penalties.len();
        let largest = |j: usize| {
            self.points
                .iter()
                .fold(0.0f64, |max, (z, _)| max.max(z[j].abs()))
        };
        let largest: Vec<f64> = (0..k).map(largest).chain([1.0]).collect();
        // How far a change of the weights and the intercept moves a logit at most, from `start`.
        let reach = |change: &[f64], start: f64| {
            let moved = change.iter().zip(&largest).map(|(d, z)| d.abs() * z);
            moved.fold(start, |sum, moved| sum + moved)
        };
        let mut at = vec![0.0; k + 1];
        let mut value = self.value(&at);
        let mut got = f64::INFINITY;
        for _ in 0..MAX_STEPS {
            let step = self.newton_step(&at);
            let moved = |scale: f64| -> Vec<f64> {
                at.iter()
                    .zip(&step)
                    .map(|(x, step)| x + scale * step)
                    .collect()
            };
            got = reach(&step, 0.0) / reach(&at, 1.0);
            if got <= TOLERANCE {
                return Ok(moved(1.0));
            }
            // The objective is convex: halving a step that overshoots always ends.
            let mut scale = 1.0;
            (at, value) = loop {
                let next = moved(scale);
                let next_value = self.value(&next);
                if next_value <= value + value * ROUNDING || scale < 1e-8 {
                    break (next, next_value);
                }
                scale *= 0.5;
            };
        }
        Err(DetectError::NotConverged {
            detector: ENTRY.id,
            n_steps: MAX_STEPS,
            got,
            allowed: TOLERANCE,
        })
    }
}

/// x of `a x = b`, `a` symmetric, positive definite and given by its upper half: by determinants
/// of two unknowns, by Gaussian elimination of more.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    if let ([a, d], [g, h]) = (&a[..], &b[..]) {
        let determinant = a[0] * d[1] - a[1] * a[1];
        return vec![
            (d[1] * g - a[1] * h) / determinant,
            (a[0] * h - a[1] * g) / determinant,
        ];
    }
    for i in 0..n {
        for row in i + 1..n {
            let factor = a[i][row] / a[i][i];
            for column in row..n {
                a[row][column] -= factor * a[i][column];
            }
            b[row] -= factor * b[i];
        }
    }
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|j| a[i][j] * b[j]).sum();
        b[i] = (b[i] - known) / a[i][i];
    }
    b
}

//! FMN.

use serde::{Deserialize, Serialize};

use crate::spec::{Allowed, Interval, Parameter, Spec, SpecError};
use crate::threat::{Bound, Budget, Norm};

use super::ascent::{LOSS, N_STEPS};
use super::descent::{Descent, Seen, half_wave, scale_to};
use super::objective::Loss;
use super::oracle::Oracle;
use super::{Access, Attack, AttackError, Case, Dialect, Entry, Perturbed, Setting, Start};

pub(super) const ENTRY: Entry = Entry {
    id: "fmn",
    short: "FMN",
    title: "Fast minimum-norm attack",
    paper: "Fast Minimum-norm Adversarial Attacks through Adaptive Norm Constraints (2021)",
    access: Access::WhiteBox,
    norms: &[Norm::Linf, Norm::L2, Norm::L1, Norm::L0],
    dialects: &[Dialect::Corrected],
    start: Start::Own,
    always_targeted: false,
    parameters: &[
        N_STEPS.or("100"),
        Parameter {
            name: "norm",
            default: "l2",
            allowed: Allowed::OneOf(&["linf", "l2", "l1", "l0"]),
            about: "how the distance is measured",
        },
        LOSS.or("margin"),
        Parameter {
            name: "gamma",
            default: "0.05",
            allowed: Allowed::Real(&[Interval::closed(0.001, 0.9)]),
            about: "how fast the radius grows and shrinks at first; it falls along half a wave to \
                    0.001",
        },
        Parameter {
            name: "step_size",
            default: "1",
            allowed: Allowed::Real(&[Interval::above(0.0, 1000.0)]),
            about: "length of the first step, in pixel units; it falls along half a wave to a \
                    hundredth",
        },
    ],
    build: |values| {
        let params = values.read()?;
        Ok(Box::new(Fmn { params }))
    },
};

/// The last step in parts of the first.
const LAST: f64 = 0.01;
/// The last rate of growth.
const LAST_GAMMA: f64 = 0.001;
/// By how much the way to the boundary is taken longer than the linear model says: at a curved
/// boundary it says too little, each time again.
const OVERSHOOT: f64 = 0.02;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Params {
    n_steps: u32,
    norm: Norm,
    loss: Loss,
    gamma: f64,
    step_size: f64,
}

/// Fast minimum-norm attack (FMN): gradient steps in a ball whose radius follows the boundary.
///
/// # Method
/// δ' = δ + α g / ‖g‖₂, projected into the ball of radius ε and into the pixel range. Where x + δ is
/// adversarial, ε is the smaller of (1 − γ) ε and the smallest distance found; where it is not,
/// (1 + γ) ε, or ‖δ‖ + |loss| / ‖g‖ in the dual norm as long as nothing was found. In L0 ε changes by
/// at least one pixel. α and γ fall along half a wave.
///
/// # Source
/// "Fast Minimum-norm Adversarial Attacks through Adaptive Norm Constraints" (2021), algorithm 1.
/// Differs: the way to the boundary is taken 2 % longer, and from the radius where the pixel range
/// keeps the image nearer than that: iterates may otherwise come ever closer to the boundary from
/// inside and never cross it.
///
/// # Cost
/// `n_steps` forward and backward passes for each draw of noise, and one forward pass more.
///
/// # Limits
/// The loss must be 0 at the boundary for the linear model to say where that is, as the margin is.
#[derive(Clone, Debug)]
pub struct Fmn {
    params: Params,
}

/// Length of a gradient in the dual of `norm`.
fn dual(norm: Norm, gradient: &[f32]) -> f64 {
    let sizes = gradient.iter().map(|g| f64::from(*g).abs());
    match norm {
        Norm::Linf => sizes.sum(),
        Norm::L2 => sizes.map(|g| g * g).sum::<f64>().sqrt(),
        Norm::L1 | Norm::L0 => sizes.fold(0.0, f64::max),
    }
}

impl Fmn {
    /// The radius that follows `eps`.
    fn radius(&self, seen: &Seen<'_>, distance: f64, eps: f64) -> f64 {
        let gamma = half_wave(
            self.params.gamma,
            LAST_GAMMA.min(self.params.gamma),
            seen.step,
            self.params.n_steps,
        );
        let by_pixels = self.params.norm == Norm::L0;
        if seen.met {
            let shorter = match by_pixels {
                true => (eps - 1.0).min((eps * (1.0 - gamma)).floor()),
                false => eps * (1.0 - gamma),
            };
            return shorter.min(seen.nearest).max(0.0);
        }
        if seen.nearest.is_finite() {
            return match by_pixels {
                true => (eps + 1.0).max((eps * (1.0 + gamma)).floor()),
                false => eps * (1.0 + gamma),
            };
        }
        let dual = dual(self.params.norm, seen.gradient);
        let way = (1.0 + OVERSHOOT) * seen.loss.abs() / dual;
        let way = if way.is_finite() { way } else { distance };
        let way = if by_pixels { way.ceil().max(1.0) } else { way };
        // Clipping to the pixel range takes from the distance what the radius had added.
        let before = if eps.is_finite() { eps } else { 0.0 };
        distance.max(before) + way
    }

    fn advance(&self, seen: Seen<'_>, image: &mut [f32], eps: &mut f64) {
        let norm = self.params.norm;
        let distance = crate::threat::Distances::between(seen.x, image).get(norm);
        *eps = self.radius(&seen, distance, *eps);
        let size = half_wave(
            self.params.step_size,
            LAST * self.params.step_size,
            seen.step,
            self.params.n_steps,
        );
        let scale = scale_to(size, seen.gradient);
        for (v, g) in image.iter_mut().zip(seen.gradient) {
            *v = (f64::from(*v) + scale * f64::from(*g)) as f32;
        }
        let ball = Budget {
            norm,
            eps: (*eps).min(f64::from(f32::MAX)) as f32,
        };
        ball.project(seen.x, image);
        image.iter_mut().for_each(|v| *v = seen.range.clip(*v));
    }
}

impl Attack for Fmn {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn spec(&self, _: Dialect) -> Result<Spec, SpecError> {
        Spec::of(ENTRY.id, &self.params)
    }

    fn bound(&self, _: Setting) -> Bound {
        let norm = self.params.norm;
        Bound::Smallest { norm }
    }

    fn n_steps(&self, _: Setting) -> u32 {
        self.params.n_steps
    }

    fn perturb(&self, oracle: &mut Oracle<'_>, case: &Case<'_>) -> Result<Perturbed, AttackError> {
        let descent = Descent {
            loss: &self.params.loss,
            n_steps: self.params.n_steps,
            norm: self.params.norm,
        };
        descent.run(oracle, case, &f64::INFINITY, |seen, image, eps| {
            self.advance(seen, image, eps);
        })
    }
}

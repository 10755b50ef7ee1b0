//! DDN.

use serde::{Deserialize, Serialize};

use crate::spec::{Allowed, Interval, Parameter, Spec, SpecError};
use crate::threat::{Bound, Norm};

use super::ascent::{LOSS, N_STEPS};
use super::descent::{Descent, Seen, half_wave, scale_to};
use super::objective::Loss;
use super::oracle::Oracle;
use super::{Access, Attack, AttackError, Case, Dialect, Entry, Perturbed, Setting, Start};

pub(super) const ENTRY: Entry = Entry {
    id: "ddn",
    short: "DDN",
    title: "Decoupled direction and norm",
    paper: "Decoupling Direction and Norm for Efficient Gradient-Based L2 Adversarial Attacks and \
            Defenses (2019)",
    access: Access::WhiteBox,
    norms: &[Norm::L2],
    dialects: &[Dialect::Corrected],
    start: Start::Own,
    always_targeted: false,
    parameters: &[
        N_STEPS.or("100"),
        LOSS,
        Parameter {
            name: "gamma",
            default: "0.05",
            allowed: Allowed::Real(&[Interval::closed(0.0001, 0.9)]),
            about: "how fast the length grows and shrinks",
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
        Ok(Box::new(Ddn { params }))
    },
};

/// The last step in parts of the first.
const LAST: f64 = 0.01;
/// Length of the first perturbation, in pixel units.
const FIRST_LENGTH: f64 = 1.0;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Params {
    n_steps: u32,
    loss: Loss,
    gamma: f64,
    step_size: f64,
}

/// Decoupled direction and norm (DDN): gradient steps turn the perturbation, and its length is
/// set apart from them, shorter after a success and longer after a failure.
///
/// # Method
/// δ' = δ + α g / ‖g‖₂; ε' = (1 − γ) ε where x + δ is adversarial, (1 + γ) ε where it is not;
/// x' = clip(x + ε' δ' / ‖δ'‖₂). α falls along half a wave; ε is 1 at first.
///
/// # Source
/// "Decoupling Direction and Norm for Efficient Gradient-Based L2 Adversarial Attacks and Defenses"
/// (2019), algorithm 1. Differs: the loss is the log-odds, whose gradient has the direction of that
/// of cross-entropy and never vanishes; pixels are not rounded to 256 levels.
///
/// # Cost
/// `n_steps` forward and backward passes for each draw of noise, and one forward pass more.
///
/// # Limits
/// Under noise an image is adversarial by the draws of its step: the smallest is the luckiest.
#[derive(Clone, Debug)]
pub struct Ddn {
    params: Params,
}

impl Ddn {
    /// Turns the perturbation of one image along its gradient and sets its length.
    fn turn(&self, seen: Seen<'_>, image: &mut [f32], length: &mut f64) {
        let size = half_wave(
            self.params.step_size,
            LAST * self.params.step_size,
            seen.step,
            self.params.n_steps,
        );
        let scale = scale_to(size, seen.gradient);
        let pixels = image.iter().zip(seen.x).zip(seen.gradient);
        let moved: Vec<f64> = pixels
            .map(|((v, x), g)| f64::from(*v) - f64::from(*x) + scale * f64::from(*g))
            .collect();
        *length *= match seen.met {
            true => 1.0 - self.params.gamma,
            false => 1.0 + self.params.gamma,
        };
        let now = moved.iter().map(|m| m * m).sum::<f64>().sqrt();
        if now > 0.0 {
            let scale = *length / now;
            for ((v, x), moved) in image.iter_mut().zip(seen.x).zip(moved) {
                *v = seen.range.clip((f64::from(*x) + scale * moved) as f32);
            }
        }
    }
}

impl Attack for Ddn {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn spec(&self, _: Dialect) -> Result<Spec, SpecError> {
        Spec::of(ENTRY.id, &self.params)
    }

    fn bound(&self, _: Setting) -> Bound {
        let norm = Norm::L2;
        Bound::Smallest { norm }
    }

    fn n_steps(&self, _: Setting) -> u32 {
        self.params.n_steps
    }

    fn perturb(&self, oracle: &mut Oracle<'_>, case: &Case<'_>) -> Result<Perturbed, AttackError> {
        let descent = Descent {
            loss: &self.params.loss,
            n_steps: self.params.n_steps,
            norm: Norm::L2,
        };
        descent.run(oracle, case, &FIRST_LENGTH, |seen, image, length| {
            self.turn(seen, image, length);
        })
    }
}

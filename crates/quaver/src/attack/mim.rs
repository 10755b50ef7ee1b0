//! MIM.

use serde::{Deserialize, Serialize};

use crate::spec::{Allowed, Interval, Parameter, Spec, SpecError};
use crate::threat::Bound;

use super::ascent::{
    EPS, IteratedParams, LOSS_OR_AUTO, N_STEPS, NORM, NORMS, Rule, SCHEDULE, STEP_SIZE,
    loss_in_force,
};
use super::oracle::Oracle;
use super::{Access, Attack, AttackError, Case, Dialect, Entry, Perturbed, Setting, Start};

pub(super) const ENTRY: Entry = Entry {
    id: "mim",
    short: "MIM",
    title: "Momentum iterative method",
    paper: "Boosting Adversarial Attacks with Momentum (2018)",
    access: Access::WhiteBox,
    norms: NORMS,
    dialects: &[Dialect::Corrected],
    start: Start::Own,
    always_targeted: false,
    parameters: &[
        EPS,
        STEP_SIZE,
        N_STEPS.or("10"),
        NORM,
        LOSS_OR_AUTO,
        SCHEDULE,
        Parameter {
            name: "decay",
            default: "1",
            allowed: Allowed::Real(&[Interval::closed(0.0, 10.0)]),
            about: "what is kept of the sum of the gradients so far",
        },
    ],
    build: |values| {
        let params = values.read()?;
        Ok(Box::new(Mim { params }))
    },
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Params {
    #[serde(flatten)]
    steps: IteratedParams,
    decay: f64,
}

/// Momentum iterative method (MIM): steps along the sum of the gradients so far.
///
/// # Method
/// m' = decay · m + g / ‖g‖₁, then x' = ball(clip(x + step_size · sign(m'))) from the clean image, in L2
/// along m' / ‖m'‖₂.
///
/// # Source
/// "Boosting Adversarial Attacks with Momentum" (2018), algorithm 1. Differs: the best iterate is
/// returned, and the length of a step is a tenth of eps or more and not eps / `n_steps`.
///
/// # Cost
/// `n_steps` forward and backward passes for each draw of noise, and one forward pass more.
///
/// # Limits
/// From one start only.
#[derive(Clone, Debug)]
pub struct Mim {
    params: Params,
}

impl Rule for Params {
    /// The sum, empty before the first step.
    type Memory = Vec<f32>;

    fn apply(&self, sum: &mut Vec<f32>, gradient: &mut [f32]) {
        let length: f64 = gradient.iter().map(|g| f64::from(*g).abs()).sum();
        let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
        sum.resize(gradient.len(), 0.0);
        for (sum, g) in sum.iter_mut().zip(gradient) {
            *sum = (self.decay * f64::from(*sum) + scale * f64::from(*g)) as f32;
            *g = *sum;
        }
    }
}

impl Attack for Mim {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn spec(&self, dialect: Dialect) -> Result<Spec, SpecError> {
        let params = Params {
            steps: self.params.steps.in_force(dialect)?,
            ..self.params.clone()
        };
        Spec::of(ENTRY.id, &params)
    }

    fn warnings(&self, dialect: Dialect) -> Vec<String> {
        self.params.steps.warnings(dialect)
    }

    fn bound(&self, _: Setting) -> Bound {
        Bound::Ball(self.params.steps.budget())
    }

    fn n_steps(&self, _: Setting) -> u32 {
        self.params.steps.n_steps
    }

    fn perturb(&self, oracle: &mut Oracle<'_>, case: &Case<'_>) -> Result<Perturbed, AttackError> {
        let dialect = case.setting.dialect;
        let loss = loss_in_force(&self.params.steps.loss, dialect)?;
        let ascent = self.params.steps.ascent(dialect, &loss);
        ascent.run_by(&self.params, oracle, case, case.pixels.to_vec())
    }
}

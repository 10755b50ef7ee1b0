//! FGSM.

use serde::{Deserialize, Serialize};

use crate::spec::{OrAuto, Spec, SpecError};
use crate::threat::{Bound, Budget, Norm};

use super::ascent::{
    Ascent, DIALECTS, Direction, EPS, LOSS_OR_AUTO, NORM, NORMS, Schedule, loss_in_force,
};
use super::objective::Loss;
use super::oracle::Oracle;
use super::{Access, Attack, AttackError, Case, Dialect, Entry, Perturbed, Setting, Start};

pub(super) const ENTRY: Entry = Entry {
    id: "fgsm",
    short: "FGSM",
    title: "Fast gradient sign method",
    paper: "Explaining and Harnessing Adversarial Examples (2015)",
    access: Access::WhiteBox,
    norms: NORMS,
    dialects: DIALECTS,
    start: Start::Own,
    always_targeted: false,
    parameters: &[EPS, NORM, LOSS_OR_AUTO],
    build: |values| {
        let params = values.read()?;
        Ok(Box::new(Fgsm { params }))
    },
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Params {
    eps: f64,
    norm: Norm,
    loss: OrAuto<Loss>,
}

impl Params {
    const fn budget(&self) -> Budget {
        Budget {
            norm: self.norm,
            eps: self.eps as f32,
        }
    }
}

/// Fast gradient sign method (FGSM): one step of length eps along the gradient.
///
/// # Method
/// x' = clip(x + eps · sign(g)), g the gradient of the loss at x and sign(0) = 0; in L2 along
/// g / ‖g‖₂. A zero gradient moves nothing.
///
/// # Source
/// "Explaining and Harnessing Adversarial Examples" (2015). Dialects differ in the labels they
/// attack and in the precision of the loss.
///
/// # Cost
/// One forward and one backward pass for each draw of noise.
///
/// # Limits
/// A single step says little about robustness: where it fails, iterated attacks often succeed.
#[derive(Clone, Debug)]
pub struct Fgsm {
    params: Params,
}

impl Attack for Fgsm {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn spec(&self, dialect: Dialect) -> Result<Spec, SpecError> {
        let loss = OrAuto::Given(loss_in_force(&self.params.loss, dialect)?);
        let params = Params {
            loss,
            ..self.params.clone()
        };
        Spec::of(ENTRY.id, &params)
    }

    fn bound(&self, _: Setting) -> Bound {
        Bound::Ball(self.params.budget())
    }

    fn n_steps(&self, _: Setting) -> u32 {
        1
    }

    fn perturb(&self, oracle: &mut Oracle<'_>, case: &Case<'_>) -> Result<Perturbed, AttackError> {
        let budget = self.params.budget();
        let loss = loss_in_force(&self.params.loss, case.setting.dialect)?;
        let ascent = Ascent {
            loss: &loss,
            budget,
            step_size: budget.eps,
            n_steps: 1,
            schedule: Schedule::Constant,
            direction: Direction::steepest(budget.norm),
            keep_best: false,
        };
        ascent.run(oracle, case, case.pixels.to_vec())
    }
}

//! BIM.

use crate::spec::{Spec, SpecError};
use crate::threat::Bound;

use super::ascent::{
    DIALECTS, EPS, IteratedParams, LOSS_OR_AUTO, N_STEPS, NORM, NORMS, SCHEDULE, STEP_SIZE,
    loss_in_force,
};
use super::oracle::Oracle;
use super::{Access, Attack, AttackError, Case, Dialect, Entry, Perturbed, Setting, Start};

pub(super) const ENTRY: Entry = Entry {
    id: "bim",
    short: "BIM",
    title: "Basic iterative method",
    paper: "Adversarial examples in the physical world (2017)",
    access: Access::WhiteBox,
    norms: NORMS,
    dialects: DIALECTS,
    start: Start::Own,
    always_targeted: false,
    parameters: &[EPS, STEP_SIZE, N_STEPS, NORM, LOSS_OR_AUTO, SCHEDULE],
    build: |values| {
        let params = values.read()?;
        Ok(Box::new(Bim { params }))
    },
};

/// Basic iterative method (BIM): many small steps along the gradient, from the clean image.
///
/// # Method
/// x₀ = x, then x' = ball(clip(x + step_size · sign(g))), g the gradient of the loss and
/// sign(0) = 0; in L2 along g / ‖g‖₂.
///
/// # Source
/// "Adversarial examples in the physical world" (2017), section 2.2. Differs: the best
/// iterate is returned, as the attack sees them: one that succeeded, else that of the largest loss;
/// the dialects `cleverhans-2.1` and `cleverhans-3.1` return the last.
///
/// # Cost
/// `n_steps` forward and backward passes for each draw of noise, and one forward pass more to
/// judge the last iterate.
///
/// # Limits
/// From one start only; gradients of quantized networks are surrogates, so that failing shows
/// less than it seems.
#[derive(Clone, Debug)]
pub struct Bim {
    params: IteratedParams,
}

impl Attack for Bim {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn spec(&self, dialect: Dialect) -> Result<Spec, SpecError> {
        Spec::of(ENTRY.id, &self.params.in_force(dialect)?)
    }

    fn warnings(&self, dialect: Dialect) -> Vec<String> {
        self.params.warnings(dialect)
    }

    fn bound(&self, _: Setting) -> Bound {
        Bound::Ball(self.params.budget())
    }

    fn n_steps(&self, _: Setting) -> u32 {
        self.params.n_steps
    }

    fn perturb(&self, oracle: &mut Oracle<'_>, case: &Case<'_>) -> Result<Perturbed, AttackError> {
        let dialect = case.setting.dialect;
        let loss = loss_in_force(&self.params.loss, dialect)?;
        let ascent = self.params.ascent(dialect, &loss);
        ascent.run(oracle, case, case.pixels.to_vec())
    }
}

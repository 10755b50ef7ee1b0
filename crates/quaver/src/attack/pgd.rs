//! PGD.

use crate::rng::Rng;
use crate::spec::{Spec, SpecError};
use crate::threat::{Bound, Budget, Norm};

use super::ascent::{
    DIALECTS, Direction, EPS, IteratedParams, LOSS_OR_AUTO, N_STEPS, NORM, NORMS, SCHEDULE,
    STEP_SIZE, loss_in_force,
};
use super::ball;
use super::oracle::Oracle;
use super::{Access, Attack, AttackError, Case, Dialect, Entry, Perturbed, Setting, Start};

pub(super) const ENTRY: Entry = Entry {
    id: "pgd",
    short: "PGD",
    title: "Projected gradient descent",
    paper: "Towards Deep Learning Models Resistant to Adversarial Attacks (2018)",
    access: Access::WhiteBox,
    norms: NORMS,
    dialects: DIALECTS,
    start: Start::Optional,
    always_targeted: false,
    parameters: &[EPS, STEP_SIZE, N_STEPS, NORM, LOSS_OR_AUTO, SCHEDULE],
    build: |values| {
        let params = values.read()?;
        Ok(Box::new(Pgd { params }))
    },
};

/// Projected gradient descent (PGD): many small steps along the gradient, from a random point
/// of the ball.
///
/// # Method
/// x₀ uniform in the ball around x, clipped; then x' = ball(clip(x + step_size · sign(g))), g the
/// gradient of the loss and sign(0) = 0; in L2 along g / ‖g‖₂. A start that is given is projected
/// into the ball and used in the first restart.
///
/// # Source
/// "Towards Deep Learning Models Resistant to Adversarial Attacks" (2018), section 2.1. Differs:
/// the best iterate is returned, as the attack sees them: one that succeeded, else that of the
/// largest loss. Dialects: `cleverhans-3.1` returns the last iterate; `cleverhans-2.1` as well, starts
/// uniformly in the cube of radius eps whatever the norm, projected into the ball but not
/// clipped to the pixel range before the first gradient, and steps along the sign in every norm.
///
/// # Cost
/// `n_steps` forward and backward passes for each draw of noise, and one forward pass more to
/// judge the last iterate; times the restarts.
///
/// # Limits
/// Gradients of quantized networks are surrogates, so that failing shows less than it seems.
#[derive(Clone, Debug)]
pub struct Pgd {
    params: IteratedParams,
}

impl Pgd {
    /// Where image `row` begins.
    fn start(&self, case: &Case<'_>, row: usize) -> Vec<f32> {
        let x = case.image(row);
        let d = x.len();
        let budget = self.params.budget();
        let in_cube = case.setting.dialect == Dialect::CleverHans21;
        let mut start = match case.start {
            Some(start) => start[row * d..][..d].to_vec(),
            None => {
                let purpose = format!("attack-start-{}", case.restart);
                let mut rng = Rng::new(case.seed, &purpose, case.ids[row]);
                let norm = if in_cube { Norm::Linf } else { budget.norm };
                let changes = ball::sample(Budget { norm, ..budget }, d, &mut rng);
                x.iter()
                    .zip(changes)
                    .map(|(x, change)| (f64::from(*x) + change) as f32)
                    .collect()
            }
        };
        budget.project(x, &mut start);
        if !in_cube {
            start
                .iter_mut()
                .for_each(|v| *v = case.setting.range.clip(*v));
        }
        start
    }
}

impl Attack for Pgd {
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
        let mut ascent = self.params.ascent(dialect, &loss);
        if dialect == Dialect::CleverHans21 {
            ascent.direction = Direction::Sign;
        }
        let start = (0..case.ids.len())
            .flat_map(|row| self.start(case, row))
            .collect();
        ascent.run(oracle, case, start)
    }
}

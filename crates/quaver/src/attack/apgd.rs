//! APGD.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::rng::Rng;
use crate::spec::{Allowed, Interval, Parameter, Spec, SpecError};
use crate::threat::{Bound, Budget, Norm, every};

use super::active::Active;
use super::ascent::{EPS, LOSS, N_STEPS};
use super::ball;
use super::best::Best;
use super::noise::NoiseMode;
use super::objective::Loss;
use super::oracle::{Oracle, Query};
use super::outputs::Outputs;
use super::{Access, Attack, AttackError, Case, Dialect, Entry, Perturbed, Setting, Start};

mod step;

use step::{Iterate, Progress};

pub(super) const ENTRY: Entry = Entry {
    id: "apgd",
    short: "APGD",
    title: "Auto-PGD",
    paper: "Reliable evaluation of adversarial robustness with an ensemble of diverse \
            parameter-free attacks (2020)",
    access: Access::WhiteBox,
    norms: &[Norm::Linf, Norm::L2, Norm::L1],
    dialects: &[Dialect::Corrected],
    start: Start::Optional,
    always_targeted: false,
    parameters: &[
        EPS,
        Parameter {
            about: "number of steps, over which the checkpoints are spread",
            ..N_STEPS.or("100")
        },
        NORM,
        LOSS,
        Parameter {
            name: "n_target_classes",
            default: "0",
            allowed: Allowed::Integer(0, 1000),
            about: "0, or how many of the most likely wrong classes restarts aim at in turn",
        },
        Parameter {
            name: "rho",
            default: "0.75",
            allowed: Allowed::Real(&[Interval::closed(0.0, 1.0)]),
            about: "share of steps that must go up for the step size to stay",
        },
        Parameter {
            name: "momentum",
            default: "0.75",
            allowed: Allowed::Real(&[Interval::above(0.0, 1.0)]),
            about: "share of the new step; the rest goes on along the last one",
        },
    ],
    build: |values| {
        let params = values.read()?;
        Ok(Box::new(Apgd { params }))
    },
};

const NORM: Parameter = Parameter {
    name: "norm",
    default: "linf",
    allowed: Allowed::OneOf(&["linf", "l2", "l1"]),
    about: "how lengths are measured",
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Params {
    eps: f64,
    n_steps: u32,
    norm: Norm,
    loss: Loss,
    n_target_classes: u32,
    rho: f64,
    momentum: f64,
}

/// Auto-PGD (APGD): gradient steps whose length is halved where they stop helping.
///
/// # Method
/// x₀ uniform in the ball. z = P(x + η d), d the steepest direction of the loss; then
/// x' = P(x + α (z − x) + (1 − α)(x − x₋)), η = 2 eps at first. At checkpoints that come closer and
/// closer, η is halved and the search goes on from the best point if fewer than ρ of the steps since
/// the last one went up, or if neither η nor the best loss has changed since then. In L1 a step
/// moves the largest entries of the gradient, as many as the best change has over 1.5, and P is the
/// exact projection on ball and pixel range together; η is eps at first, and shorter by 1.5 down to
/// eps / 10 while the number of entries stays alike.
///
/// With `n_target_classes` each restart aims at one of the most likely wrong classes of the clean
/// image; any wrong class is a success all the same, unless a target was asked for.
///
/// # Source
/// "Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free
/// attacks" (2020); L1: "Mind the box: l1-APGD for sparse adversarial attacks on image classifiers"
/// (2021), without its larger radii at the start. Differs: an image that met the aim leaves with
/// that iterate (noise off); under noise the iterates are compared on draws of their own.
///
/// # Cost
/// `n_steps` forward and backward passes for each draw of noise and one forward pass more; with
/// targets another one.
///
/// # Limits
/// Where the loss is noisy it rises and falls by itself, and steps are halved too early: average
/// many draws.
#[derive(Clone, Debug)]
pub struct Apgd {
    params: Params,
}

impl Apgd {
    fn budget(&self) -> Budget {
        Budget {
            norm: self.params.norm,
            eps: self.params.eps as f32,
        }
    }

    /// Where image `row` begins.
    fn start(&self, case: &Case<'_>, row: usize) -> Vec<f32> {
        let x = case.image(row);
        let d = x.len();
        let mut start: Vec<f32> = match case.start {
            Some(start) => start[row * d..][..d].to_vec(),
            None => {
                let purpose = format!("attack-start-{}", case.restart);
                let mut rng = Rng::new(case.seed, &purpose, case.ids[row]);
                let changes = ball::sample(self.budget(), d, &mut rng);
                let pixels = x.iter().zip(changes);
                pixels.map(|(x, c)| (f64::from(*x) + c) as f32).collect()
            }
        };
        self.budget().project(x, &mut start);
        start
            .iter_mut()
            .for_each(|v| *v = case.setting.range.clip(*v));
        start
    }

    /// Aims each image at the class that is this restart's turn.
    fn aim(
        &self,
        oracle: &mut Oracle<'_>,
        case: &Case<'_>,
        active: &mut Active<'_, Progress>,
    ) -> Result<(), AttackError> {
        if self.params.n_target_classes == 0 {
            return Ok(());
        }
        let pixels = std::mem::replace(&mut active.pixels, case.pixels.to_vec());
        let outputs = oracle.outputs(active, CLEAN, &self.params.loss)?;
        active.pixels = pixels;
        for (place, aim) in active
            .aims
            .iter_mut()
            .enumerate()
            .filter(|(_, a)| a.target.is_none())
        {
            let probs = outputs.probs(place);
            let mut others: Vec<usize> = (0..probs.len()).filter(|c| *c != aim.label).collect();
            others.sort_by(|a, b| probs[*b].total_cmp(&probs[*a]));
            let n = others.len().min(self.params.n_target_classes as usize);
            aim.target = Some(others[case.restart as usize % n]);
        }
        Ok(())
    }

    /// Moves every active image along its gradient; `false` for those that are finished.
    fn advance(
        &self,
        case: &Case<'_>,
        (step, checkpoint): (u32, bool),
        active: &mut Active<'_, Progress>,
        (outputs, gradient): (&Outputs, &[f32]),
        found: &mut Perturbed,
    ) -> Vec<bool> {
        let d = case.n_features();
        let losses: Vec<f64> = (0..active.rows.len())
            .map(|place| outputs.value(place, &self.params.loss, active))
            .collect();
        let rows = active.rows.clone();
        let images = active.pixels.par_chunks_mut(d).zip(&mut active.states);
        let images = images.zip(gradient.par_chunks(d)).enumerate();
        let finite: Vec<(bool, bool)> = images
            .map(|(place, ((image, progress), gradient))| {
                if !every(gradient, |g| g.is_finite()) || losses[place].is_nan() {
                    return (false, false);
                }
                progress.see(image, gradient, losses[place], step);
                if checkpoint {
                    progress.check(self.params.rho, self.params.eps, case.image(rows[place]));
                }
                let iterate = Iterate {
                    x: case.image(rows[place]),
                    budget: self.budget(),
                    range: case.setting.range,
                    momentum: if step == 0 { 1.0 } else { self.params.momentum },
                };
                progress.advance(&iterate, image);
                (true, every(gradient, |g| *g == 0.0))
            })
            .collect();
        for (row, (finite, zero)) in rows.iter().zip(&finite) {
            found.n_steps[*row] += u32::from(*finite);
            found.flags[*row].non_finite |= !finite;
            found.flags[*row].zero_gradient |= zero;
        }
        finite.into_iter().map(|(finite, _)| finite).collect()
    }
}

/// The query about the clean image.
const CLEAN: Query = Query { step: 0, number: 1 };
/// The draws that iterates are compared on under noise.
const OWN_DRAWS: Query = Query { step: 0, number: 2 };
/// Iterates that are compared under noise.
const JUDGED: u32 = 20;

impl Attack for Apgd {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn spec(&self, _: Dialect) -> Result<Spec, SpecError> {
        Spec::of(ENTRY.id, &self.params)
    }

    fn bound(&self, _: Setting) -> Bound {
        Bound::Ball(self.budget())
    }

    fn n_steps(&self, _: Setting) -> u32 {
        self.params.n_steps
    }

    fn perturb(&self, oracle: &mut Oracle<'_>, case: &Case<'_>) -> Result<Perturbed, AttackError> {
        let n = case.ids.len();
        let starts: Vec<f32> = (0..n)
            .into_par_iter()
            .flat_map_iter(|row| self.start(case, row))
            .collect();
        let mut found = Perturbed::unchanged(starts.clone(), n);
        let first = Progress::new(self.params.norm, self.params.eps, case.n_features());
        let mut active = Active::all(case, starts, vec![first; n]);
        self.aim(oracle, case, &mut active)?;
        let (loss, n_steps) = (&self.params.loss, self.params.n_steps);
        let certain = oracle.noise() == NoiseMode::Off;
        let mut best = Best::new(n, oracle.noise());
        let checkpoints = step::checkpoints(self.params.norm, n_steps);
        for step in 0..n_steps {
            if active.is_empty() {
                break;
            }
            let (outputs, gradient) = oracle.gradient(&active, step, loss)?;
            if certain {
                best.take(&outputs, loss, &active, &mut found);
            } else if step % n_steps.div_ceil(JUDGED) == 0 {
                let outputs = oracle.outputs(&active, OWN_DRAWS, loss)?;
                best.take(&outputs, loss, &active, &mut found);
            }
            let open = |place: usize| !(certain && active.goal(place).is_met(outputs.class(place)));
            let open: Vec<bool> = (0..active.rows.len()).map(open).collect();
            let at = (step, checkpoints.contains(&step));
            let seen = (&outputs, &gradient[..]);
            let finite = self.advance(case, at, &mut active, seen, &mut found);
            let keep: Vec<bool> = finite.iter().zip(open).map(|(f, o)| *f && o).collect();
            active.retain(&keep);
        }
        if !active.is_empty() {
            let query = if certain { n_steps.into() } else { OWN_DRAWS };
            let outputs = oracle.outputs(&active, query, loss)?;
            best.take(&outputs, loss, &active, &mut found);
        }
        Ok(found)
    }
}

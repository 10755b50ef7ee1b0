//! Gradient steps in a ball: what FGSM, BIM and PGD are made of.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::spec::{Allowed, Interval, Parameter};
use crate::threat::{Budget, Goal, Norm, PixelRange, every};

use super::active::Active;
use super::noise::NoiseMode;
use super::objective::{Aim, Objective};
use super::oracle::{Oracle, Outputs};
use super::{AttackError, Case, Dialect, Perturbed};

/// Norms that gradient steps know.
pub const NORMS: &[Norm] = &[Norm::Linf, Norm::L2];
/// Dialects that gradient steps know.
pub const DIALECTS: &[Dialect] = &[
    Dialect::Corrected,
    Dialect::CleverHans21,
    Dialect::CleverHans31,
];

/// Largest radius and step size, in pixel units.
const MAX_LENGTH: f64 = 1000.0;

/// Radius of the ball.
pub const EPS: Parameter = Parameter {
    name: "eps",
    default: "0.3",
    allowed: Allowed::Real(&[Interval::closed(0.0, MAX_LENGTH)]),
    about: "radius of the ball, in pixel units",
};
/// Length of a step.
pub const STEP_SIZE: Parameter = Parameter {
    name: "step_size",
    default: "0.01",
    allowed: Allowed::Real(&[Interval::above(0.0, MAX_LENGTH)]),
    about: "length of a step, in pixel units",
};
/// Number of steps.
pub const N_STEPS: Parameter = Parameter {
    name: "n_steps",
    default: "40",
    allowed: Allowed::Integer(1, 100_000),
    about: "number of steps",
};
/// How lengths are measured.
pub const NORM: Parameter = Parameter {
    name: "norm",
    default: "linf",
    allowed: Allowed::OneOf(&["linf", "l2"]),
    about: "how lengths are measured",
};
/// What is pushed up.
pub const LOSS: Parameter = Parameter {
    name: "loss",
    default: "cross-entropy",
    allowed: Allowed::OneOf(&[
        "cross-entropy",
        "cross-entropy-f64",
        "margin",
        "dlr",
        "prob",
        "logit",
        "rest-logits",
    ]),
    about: "what is pushed up",
};

/// Values of [`EPS`], [`STEP_SIZE`], [`N_STEPS`], [`NORM`] and [`LOSS`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IteratedParams {
    /// Radius of the ball, in pixel units.
    pub eps: f64,
    /// Length of a step, in pixel units.
    pub step_size: f64,
    /// Number of steps.
    pub n_steps: u32,
    /// How lengths are measured.
    pub norm: Norm,
    /// What is pushed up.
    pub loss: Objective,
}

impl IteratedParams {
    /// The ball.
    #[must_use]
    pub const fn budget(&self) -> Budget {
        Budget {
            norm: self.norm,
            eps: self.eps as f32,
        }
    }

    /// The steps under a dialect: ours prefers an iterate that succeeded, the others return the
    /// last.
    #[must_use]
    pub fn ascent(&self, dialect: Dialect) -> Ascent {
        Ascent {
            objective: self.loss,
            budget: self.budget(),
            step_size: self.step_size as f32,
            n_steps: self.n_steps,
            direction: Direction::steepest(self.norm),
            keep_best: dialect == Dialect::Corrected,
        }
    }
}

/// What turns a gradient into a step of length 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Its sign, 0 where it is 0.
    Sign,
    /// The gradient divided by its Euclidean length.
    Unit,
}

impl Direction {
    /// The steepest one in a norm.
    #[must_use]
    pub const fn steepest(norm: Norm) -> Self {
        match norm {
            Norm::Linf => Self::Sign,
            Norm::L2 | Norm::L1 | Norm::L0 => Self::Unit,
        }
    }
}

/// A sequence of steps x' = project(x + step_size · direction).
#[derive(Clone, Copy, Debug)]
pub struct Ascent {
    /// What is pushed up.
    pub objective: Objective,
    /// The ball around the clean image.
    pub budget: Budget,
    /// Length of a step, in pixel units.
    pub step_size: f32,
    /// Number of steps.
    pub n_steps: u32,
    /// Where a step goes.
    pub direction: Direction,
    /// Whether to return the best iterate instead of the last: one that met the aim (the last of
    /// them with the noise off, else that of the largest objective), or where none did that of
    /// the largest objective. It costs one more forward pass.
    pub keep_best: bool,
}

/// Lowest and highest value of each pixel, image after image.
type Bounds = (Vec<f32>, Vec<f32>);

/// How good an iterate is: whether the aim is met, then the objective.
type Rank = (bool, f64);

impl Ascent {
    /// Runs it from `start`. An image whose gradient is not finite stops where it is.
    ///
    /// # Errors
    /// [`AttackError::TooFewClasses`] for the objective, and what the classifier refuses.
    pub fn run(
        &self,
        oracle: &mut Oracle<'_>,
        case: &Case<'_>,
        start: Vec<f32>,
    ) -> Result<Perturbed, AttackError> {
        self.check_classes(oracle.n_classes(), case)?;
        let n = case.ids.len();
        let mut found = Perturbed::unchanged(start.clone(), n);
        let mut best: Vec<Option<Rank>> = vec![None; n];
        let latest = oracle.noise() == NoiseMode::Off;
        let mut active = Active::all(case, start);
        // They cost as much as projecting twice.
        let bounds = (self.direction == Direction::Sign && self.n_steps > 2)
            .then(|| self.budget.bounds(case.pixels, case.setting.range));
        for step in 0..self.n_steps {
            if active.is_empty() {
                break;
            }
            let (outputs, gradient) =
                oracle.gradient(active.batch()?, step, self.objective, &active.aims)?;
            if self.keep_best {
                self.remember(&outputs, &active, latest, &mut best, &mut found);
            }
            let finite = self.advance(case, bounds.as_ref(), &mut active, &gradient, &mut found);
            active.retain(&finite);
        }
        if self.keep_best && !active.is_empty() {
            let outputs = oracle.outputs(active.batch()?, self.n_steps)?;
            self.remember(&outputs, &active, latest, &mut best, &mut found);
        }
        if !self.keep_best {
            for (place, row) in active.rows.iter().enumerate() {
                found.set(*row, active.image(place));
            }
        }
        Ok(found)
    }

    fn check_classes(&self, n_classes: usize, case: &Case<'_>) -> Result<(), AttackError> {
        let targeted = case.aims.iter().any(|aim| aim.target.is_some());
        let goal = if targeted {
            Goal::Targeted
        } else {
            Goal::Untargeted
        };
        let allowed = self.objective.min_classes(goal);
        if n_classes >= allowed {
            return Ok(());
        }
        let what = format!("the objective {:?}", self.objective);
        Err(AttackError::TooFewClasses {
            what,
            got: n_classes,
            allowed,
        })
    }

    /// Moves every active image by one step; `false` for those whose gradient is not finite.
    fn advance(
        &self,
        case: &Case<'_>,
        bounds: Option<&Bounds>,
        active: &mut Active<'_>,
        gradient: &[f32],
        found: &mut Perturbed,
    ) -> Vec<bool> {
        let d = case.n_features();
        let rows = &active.rows;
        let finite: Vec<bool> = active
            .pixels
            .par_chunks_mut(d)
            .zip(gradient.par_chunks(d))
            .enumerate()
            .map(|(place, (image, gradient))| {
                let finite = every(gradient, |g| g.is_finite());
                let row = rows[place];
                match bounds {
                    _ if !finite => {}
                    Some((low, high)) => {
                        let of_row = row * d..(row + 1) * d;
                        self.step_within(&low[of_row.clone()], &high[of_row], image, gradient);
                    }
                    None => self.step(case.image(row), image, gradient, case.setting.range),
                }
                finite
            })
            .collect();
        for (place, row) in rows.iter().enumerate() {
            let flags = &mut found.flags[*row];
            if !finite[place] {
                flags.non_finite = true;
                if !self.keep_best {
                    found.set(*row, active.image(place));
                }
                continue;
            }
            found.n_steps[*row] += 1;
            flags.zero_gradient |= gradient[place * d..][..d].iter().all(|g| *g == 0.0);
        }
        finite
    }

    /// A step of sign(gradient), clamped to the bounds.
    fn step_within(&self, low: &[f32], high: &[f32], image: &mut [f32], gradient: &[f32]) {
        let bounds = low.iter().zip(high);
        for ((pixel, g), (low, high)) in image.iter_mut().zip(gradient).zip(bounds) {
            *pixel = (*pixel + self.step_size * sign(*g)).max(*low).min(*high);
        }
    }

    fn step(&self, x: &[f32], image: &mut [f32], gradient: &[f32], range: PixelRange) {
        match self.direction {
            Direction::Sign => {
                for (pixel, g) in image.iter_mut().zip(gradient) {
                    *pixel = range.clip(*pixel + self.step_size * sign(*g));
                }
            }
            Direction::Unit => {
                let squares: f64 = gradient.iter().map(|g| f64::from(*g).powi(2)).sum();
                let scale = f64::from(self.step_size) / squares.sqrt();
                if !scale.is_finite() {
                    return;
                }
                for (pixel, g) in image.iter_mut().zip(gradient) {
                    *pixel = range.clip((f64::from(*pixel) + scale * f64::from(*g)) as f32);
                }
            }
        }
        self.budget.project(x, image);
    }

    /// Notes the images that are better than all before them. Of those that meet the aim it is
    /// the `latest` where nothing is random: it is mostly the last, and so what other programs
    /// return. What met it on one draw may not on another, so under noise the objective decides.
    fn remember(
        &self,
        outputs: &Outputs,
        active: &Active<'_>,
        latest: bool,
        best: &mut [Option<Rank>],
        found: &mut Perturbed,
    ) {
        let d = active.image(0).len();
        let mut place_of = vec![None; best.len()];
        for (place, row) in active.rows.iter().enumerate() {
            place_of[*row] = Some(place);
        }
        let images = found.pixels.par_chunks_mut(d).zip(best);
        images.zip(place_of).for_each(|((image, best), place)| {
            let Some(place) = place else { return };
            let aim = active.aims[place];
            let value = outputs.value(place, self.objective, aim);
            let rank = (is_met(aim, outputs.class(place)), value);
            let better = match *best {
                None => true,
                Some(before) if rank.0 != before.0 => rank.0,
                Some(before) => (rank.0 && latest) || value > before.1,
            };
            if better && !value.is_nan() {
                *best = Some(rank);
                image.copy_from_slice(active.image(place));
            }
        });
    }
}

/// 0 at 0, where the pixel must not move and `signum` gives 1.
fn sign(gradient: f32) -> f32 {
    if gradient == 0.0 {
        0.0
    } else {
        gradient.signum()
    }
}

/// Whether being classified as `class` meets the aim.
fn is_met(aim: Aim, class: Option<usize>) -> bool {
    class.is_some_and(|class| match aim.target {
        Some(target) => class == target,
        None => class != aim.label,
    })
}

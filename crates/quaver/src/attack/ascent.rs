//! Gradient steps in a ball: what FGSM, BIM and PGD are made of.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::spec::{AUTO, Allowed, Interval, OrAuto, Parameter, SpecError};
use crate::threat::{Budget, Norm, every};

use super::active::Active;
use super::best::Best;
use super::noise::NoiseMode;
use super::objective::Loss;
use super::oracle::{Oracle, Query};
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
    default: AUTO,
    allowed: Allowed::RealOrAuto(&[Interval::above(0.0, MAX_LENGTH)]),
    about: "length of a step, in pixel units; auto: eps / 10, or 2.5 eps / n_steps where that is \
            more; 0.01 in the dialects of CleverHans",
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
    default: "log-odds",
    allowed: Allowed::Spec(
        "objectives, such as margin or cross-entropy+-2*variance",
        |text| text.parse::<Loss>().map(|_| ()),
    ),
    about: "what is pushed up",
};

/// How the length of a step changes.
pub const SCHEDULE: Parameter = Parameter {
    name: "schedule",
    default: "constant",
    allowed: Allowed::OneOf(&["constant", "linear", "cosine"]),
    about: "how the length of a step changes: not at all, or from twice step_size down to 0",
};

/// The same, or the word `auto`.
pub const LOSS_OR_AUTO: Parameter = Parameter {
    default: AUTO,
    allowed: Allowed::Spec(
        "objectives, such as margin or cross-entropy+-2*variance, or auto",
        |text| match text {
            AUTO => Ok(()),
            text => text.parse::<Loss>().map(|_| ()),
        },
    ),
    about: "what is pushed up; auto: log-odds, which never saturates; cross-entropy in the \
            dialects of CleverHans",
    ..LOSS
};

/// The loss that is meant by `auto` under a dialect.
///
/// # Errors
/// None.
pub fn loss_in_force(loss: &OrAuto<Loss>, dialect: Dialect) -> Result<Loss, SpecError> {
    match (loss, dialect) {
        (OrAuto::Given(loss), _) => Ok(loss.clone()),
        (OrAuto::Auto, Dialect::Corrected) => LOSS.default.parse(),
        (OrAuto::Auto, _) => "cross-entropy".parse(),
    }
}

/// How the length of a step changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Not at all.
    Constant,
    /// In equal parts from twice the length down to 0.
    Linear,
    /// The same along half a wave.
    Cosine,
}

impl Schedule {
    /// Factor of step `step` of `n_steps`.
    fn factor(self, step: u32, n_steps: u32) -> f64 {
        let done = f64::from(step) / f64::from(n_steps);
        match self {
            Self::Constant => 1.0,
            Self::Linear => 2.0 * (1.0 - done),
            Self::Cosine => 1.0 + libm::cos(std::f64::consts::PI * done),
        }
    }
}

/// Values of [`EPS`], [`STEP_SIZE`], [`N_STEPS`], [`NORM`], [`LOSS_OR_AUTO`] and [`SCHEDULE`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IteratedParams {
    /// Radius of the ball, in pixel units.
    pub eps: f64,
    /// Length of a step, in pixel units.
    pub step_size: OrAuto<f64>,
    /// Number of steps.
    pub n_steps: u32,
    /// How lengths are measured.
    pub norm: Norm,
    /// What is pushed up.
    pub loss: OrAuto<Loss>,
    /// How the length of a step changes.
    pub schedule: Schedule,
}

/// Length of a step where none is given under the dialects of CleverHans.
const PLAIN_STEP: f64 = 0.01;
/// The least share of the radius that a step takes by itself.
const SHARE: f64 = 0.1;
/// How far all steps together reach by themselves, in radii.
const REACH: f64 = 2.5;

impl IteratedParams {
    /// The ball.
    #[must_use]
    pub const fn budget(&self) -> Budget {
        Budget {
            norm: self.norm,
            eps: self.eps as f32,
        }
    }

    /// The same with nothing left to choose.
    ///
    /// # Errors
    /// As [`loss_in_force`].
    pub fn in_force(&self, dialect: Dialect) -> Result<Self, SpecError> {
        let loss = loss_in_force(&self.loss, dialect)?;
        Ok(Self {
            step_size: OrAuto::Given(self.step(dialect)),
            loss: OrAuto::Given(loss),
            ..self.clone()
        })
    }

    fn step(&self, dialect: Dialect) -> f64 {
        self.step_size.unwrap_or_else(|| match dialect {
            Dialect::Corrected if self.eps > 0.0 => {
                self.eps * SHARE.max(REACH / f64::from(self.n_steps)).min(1.0)
            }
            _ => PLAIN_STEP,
        })
    }

    /// What a user should know before such steps are taken.
    #[must_use]
    pub fn warnings(&self, dialect: Dialect) -> Vec<String> {
        let (step, n_steps) = (self.step(dialect), self.n_steps);
        let reach = step * f64::from(n_steps);
        let short = reach < self.eps * (1.0 - 1e-9);
        let warning = format!(
            "{n_steps} steps of {step} reach {reach:.3} at most, less than eps = {}: an image that \
             stands this attack may fall to longer steps",
            self.eps
        );
        short.then_some(warning).into_iter().collect()
    }

    /// The steps under a dialect, with `loss` in force: ours prefers an iterate that succeeded, the
    /// others return the last.
    #[must_use]
    pub fn ascent<'a>(&self, dialect: Dialect, loss: &'a Loss) -> Ascent<'a> {
        Ascent {
            loss,
            budget: self.budget(),
            step_size: self.step(dialect) as f32,
            n_steps: self.n_steps,
            schedule: self.schedule,
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

/// What a step goes along instead of the gradient itself, such as an average of those before it.
pub trait Rule: Sync {
    /// What it remembers of an image; its default is what is known before the first step.
    type Memory: Default + Send + Sync;
    /// Replaces a gradient, which is finite. An image whose result is not stops, as one whose
    /// gradient is not does.
    fn apply(&self, memory: &mut Self::Memory, gradient: &mut [f32]);
}

/// Steps along the gradient itself.
#[derive(Clone, Copy, Debug)]
pub struct Plain;

impl Rule for Plain {
    type Memory = ();

    fn apply(&self, (): &mut (), _: &mut [f32]) {}
}

/// A sequence of steps x' = project(x + step_size · direction).
#[derive(Clone, Copy, Debug)]
pub struct Ascent<'a> {
    /// What is pushed up.
    pub loss: &'a Loss,
    /// The ball around the clean image.
    pub budget: Budget,
    /// Length of a step, in pixel units.
    pub step_size: f32,
    /// Number of steps.
    pub n_steps: u32,
    /// How the length of a step changes.
    pub schedule: Schedule,
    /// Where a step goes.
    pub direction: Direction,
    /// Whether to return the best iterate instead of the last: one that met the aim (the last of
    /// them with the noise off, else that of the largest loss), or where none did that of
    /// the largest loss. It costs one more forward pass. Under noise iterates are compared on
    /// draws of their own, the same for all, at up to 20 steps and the last.
    pub keep_best: bool,
}

/// Iterates that are compared under noise.
const JUDGED: u32 = 20;
/// The draws they are compared on.
const OWN_DRAWS: Query = Query { step: 0, number: 1 };

/// Lowest and highest value of each pixel, image after image.
type Bounds = (Vec<f32>, Vec<f32>);

impl Ascent<'_> {
    /// Runs it from `start` along the gradient.
    ///
    /// # Errors
    /// As [`Ascent::run_by`].
    pub fn run(
        &self,
        oracle: &mut Oracle<'_>,
        case: &Case<'_>,
        start: Vec<f32>,
    ) -> Result<Perturbed, AttackError> {
        self.run_by(&Plain, oracle, case, start)
    }

    /// Runs it from `start` along what `rule` makes of the gradients. An image whose gradient is
    /// not finite stops where it is.
    ///
    /// # Errors
    /// What the oracle refuses.
    pub fn run_by<R: Rule>(
        &self,
        rule: &R,
        oracle: &mut Oracle<'_>,
        case: &Case<'_>,
        start: Vec<f32>,
    ) -> Result<Perturbed, AttackError> {
        let n = case.ids.len();
        let mut found = Perturbed::unchanged(start.clone(), n);
        let mut best = Best::new(n, oracle.noise());
        let memories = (0..n).map(|_| R::Memory::default()).collect();
        let mut active = Active::all(case, start, memories);
        // They cost as much as projecting twice.
        let bounds = (self.direction == Direction::Sign && self.n_steps > 2)
            .then(|| self.budget.bounds(case.pixels, case.setting.range));
        for step in 0..self.n_steps {
            if active.is_empty() {
                break;
            }
            let (outputs, gradient) = oracle.gradient(&active, step, self.loss)?;
            if self.keep_best && oracle.noise() == NoiseMode::Off {
                best.take(&outputs, self.loss, &active, &mut found);
            } else if self.keep_best && step % self.n_steps.div_ceil(JUDGED) == 0 {
                let outputs = oracle.outputs(&active, OWN_DRAWS, self.loss)?;
                best.take(&outputs, self.loss, &active, &mut found);
            }
            let length = self.step_size * self.schedule.factor(step, self.n_steps) as f32;
            let finite = self.advance(
                rule,
                (case, length),
                bounds.as_ref(),
                &mut active,
                gradient,
                &mut found,
            );
            active.retain(&finite);
        }
        if self.keep_best && !active.is_empty() {
            let query = match oracle.noise() {
                NoiseMode::Off => self.n_steps.into(),
                _ => OWN_DRAWS,
            };
            let outputs = oracle.outputs(&active, query, self.loss)?;
            best.take(&outputs, self.loss, &active, &mut found);
        }
        if !self.keep_best {
            for (place, row) in active.rows.iter().enumerate() {
                found.set(*row, active.image(place));
            }
        }
        Ok(found)
    }

    /// Moves every active image by one step; `false` for those whose gradient is not finite.
    fn advance<R: Rule>(
        &self,
        rule: &R,
        (case, length): (&Case<'_>, f32),
        bounds: Option<&Bounds>,
        active: &mut Active<'_, R::Memory>,
        mut gradient: Vec<f32>,
        found: &mut Perturbed,
    ) -> Vec<bool> {
        let d = case.n_features();
        let rows = &active.rows;
        let images = active.pixels.par_chunks_mut(d).zip(&mut active.states);
        let seen: Vec<(bool, bool)> = images
            .zip(gradient.par_chunks_mut(d))
            .enumerate()
            .map(|(place, ((image, memory), gradient))| {
                if !every(gradient, |g| g.is_finite()) {
                    return (false, false);
                }
                let zero = gradient.iter().all(|g| *g == 0.0);
                rule.apply(memory, gradient);
                if !every(gradient, |g| g.is_finite()) {
                    return (false, zero);
                }
                let row = rows[place];
                match bounds {
                    Some((low, high)) => {
                        let of_row = row * d..(row + 1) * d;
                        step_within(
                            (&low[of_row.clone()], &high[of_row]),
                            length,
                            image,
                            gradient,
                        );
                    }
                    None => self.step((case, row), length, image, gradient),
                }
                (true, zero)
            })
            .collect();
        for (place, row) in rows.iter().enumerate() {
            let (finite, zero) = seen[place];
            let flags = &mut found.flags[*row];
            if !finite {
                flags.non_finite = true;
                if !self.keep_best {
                    found.set(*row, active.image(place));
                }
                continue;
            }
            found.n_steps[*row] += 1;
            flags.zero_gradient |= zero;
        }
        seen.into_iter().map(|(finite, _)| finite).collect()
    }

    fn step(
        &self,
        (case, row): (&Case<'_>, usize),
        length: f32,
        image: &mut [f32],
        gradient: &[f32],
    ) {
        let range = case.setting.range;
        match self.direction {
            Direction::Sign => {
                for (pixel, g) in image.iter_mut().zip(gradient) {
                    *pixel = range.clip(*pixel + length * sign(*g));
                }
            }
            Direction::Unit => {
                let squares: f64 = gradient.iter().map(|g| f64::from(*g).powi(2)).sum();
                let scale = f64::from(length) / squares.sqrt();
                if !scale.is_finite() {
                    return;
                }
                for (pixel, g) in image.iter_mut().zip(gradient) {
                    *pixel = range.clip((f64::from(*pixel) + scale * f64::from(*g)) as f32);
                }
            }
        }
        self.budget.project(case.image(row), image);
    }
}

/// A step of sign(gradient), clamped to the lowest and highest value of each pixel.
fn step_within((low, high): (&[f32], &[f32]), length: f32, image: &mut [f32], gradient: &[f32]) {
    let bounds = low.iter().zip(high);
    for ((pixel, g), (low, high)) in image.iter_mut().zip(gradient).zip(bounds) {
        *pixel = (*pixel + length * sign(*g)).max(*low).min(*high);
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

//! Gradient steps in a ball: what FGSM, BIM and PGD are made of.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::spec::{Allowed, Interval, Parameter};
use crate::threat::{Budget, Norm, PixelRange, every};

use super::active::Active;
use super::best::Best;
use super::objective::Loss;
use super::oracle::Oracle;
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
    allowed: Allowed::Spec(
        "objectives, such as margin or cross-entropy+-2*variance",
        |text| text.parse::<Loss>().map(|_| ()),
    ),
    about: "what is pushed up",
};

/// Values of [`EPS`], [`STEP_SIZE`], [`N_STEPS`], [`NORM`] and [`LOSS`].
#[derive(Clone, Debug, Serialize, Deserialize)]
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
    pub loss: Loss,
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
    pub fn ascent(&self, dialect: Dialect) -> Ascent<'_> {
        Ascent {
            loss: &self.loss,
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
    /// Where a step goes.
    pub direction: Direction,
    /// Whether to return the best iterate instead of the last: one that met the aim (the last of
    /// them with the noise off, else that of the largest loss), or where none did that of
    /// the largest loss. It costs one more forward pass.
    pub keep_best: bool,
}

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
            if self.keep_best {
                best.take(&outputs, self.loss, &active, &mut found);
            }
            let finite = self.advance(
                rule,
                case,
                bounds.as_ref(),
                &mut active,
                gradient,
                &mut found,
            );
            active.retain(&finite);
        }
        if self.keep_best && !active.is_empty() {
            let outputs = oracle.outputs(&active, self.n_steps, self.loss)?;
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
        case: &Case<'_>,
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
                        self.step_within(&low[of_row.clone()], &high[of_row], image, gradient);
                    }
                    None => self.step(case.image(row), image, gradient, case.setting.range),
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
}

/// 0 at 0, where the pixel must not move and `signum` gives 1.
fn sign(gradient: f32) -> f32 {
    if gradient == 0.0 {
        0.0
    } else {
        gradient.signum()
    }
}

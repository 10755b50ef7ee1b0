//! What an attack pushes up: an [`Objective`] sees all that a step has asked of the classifier
//! about one image, and gives a number and its gradient. No attack computes a loss itself.
//!
//! An objective is a file here and a line in [`REGISTRY`]; a [`Loss`] is a weighted sum of them.

use crate::spec::{Parameter, SpecError, Values};
use crate::threat::Goal;

mod loss;
mod softmax;

pub use loss::Loss;

plug_ins! {
    /// All objectives.
    pub const REGISTRY: Entry = [
        cross_entropy,
        cross_entropy_f64,
        margin,
        dlr,
        prob,
        logit,
        logit_difference,
        rest_logits,
        mean_margin,
        log_odds,
        prob_margin,
        variance,
        squared_distance,
    ];
}

/// What is known of an objective before it is built.
#[derive(Debug)]
pub struct Entry {
    /// Name in specs.
    pub id: &'static str,
    /// What it is, in words.
    pub title: &'static str,
    /// What its spec takes.
    pub parameters: &'static [Parameter],
    /// Builds it from their values.
    pub build: fn(&Values) -> Result<Box<dyn Objective>, SpecError>,
}

/// What is aimed at for one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aim {
    /// The class to get away from.
    pub label: usize,
    /// The class to reach; `None` if any class but the label will do.
    pub target: Option<usize>,
}

impl Aim {
    /// The class in question, and +1 to raise it or -1 to lower it.
    #[must_use]
    pub fn class_and_sign(self) -> (usize, f64) {
        self.target
            .map_or((self.label, -1.0), |target| (target, 1.0))
    }

    /// Whether being classified as `class` meets it.
    #[must_use]
    pub fn is_met(self, class: Option<usize>) -> bool {
        class.is_some_and(|class| match self.target {
            Some(target) => class == target,
            None => class != self.label,
        })
    }
}

/// What a step has seen of one image.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// What is aimed at.
    pub aim: Aim,
    /// The clean image.
    pub clean: &'a [f32],
    /// The image as it is now.
    pub pixels: &'a [f32],
    /// Names of the layer outputs that were asked for beside the logits.
    pub taps: &'a [String],
    /// Outputs, draw after draw: the logits, then the taps.
    pub outputs: &'a [&'a [f32]],
}

impl<'a> View<'a> {
    /// Draws of the classifier's randomness.
    #[must_use]
    pub const fn n_draws(&self) -> usize {
        self.outputs.len() / (1 + self.taps.len())
    }

    /// Where the logits of a draw lie among the outputs.
    #[must_use]
    pub const fn place(&self, draw: usize) -> usize {
        draw * (1 + self.taps.len())
    }

    /// Logits of a draw.
    #[must_use]
    pub const fn logits(&self, draw: usize) -> &'a [f32] {
        self.outputs[self.place(draw)]
    }

    /// Where the output of the layer called `tap` lies among the outputs of a draw.
    #[must_use]
    pub fn place_of(&self, draw: usize, tap: &str) -> Option<usize> {
        let tap = self.taps.iter().position(|name| name == tap)?;
        Some(self.place(draw) + 1 + tap)
    }
}

/// A function of what was seen of one image that is the larger, the nearer the attack is to its
/// aim.
pub trait Objective: Send + Sync {
    /// The fewest classes it is defined for.
    fn min_classes(&self, _goal: Goal) -> usize {
        2
    }
    /// Layer outputs that it reads beside the logits.
    fn taps(&self) -> Vec<String> {
        Vec::new()
    }
    /// Whether it reads several draws together. Otherwise it is the mean over draws of what it
    /// is for each alone, and need not see one to know its gradient at another.
    fn joins_draws(&self) -> bool {
        false
    }
    /// Whether it reads pixels, so that [`Objective::pixel_gradient`] is not zero.
    fn reads_pixels(&self) -> bool {
        false
    }
    /// Its value; not a number where an output is none.
    fn value(&self, view: &View<'_>) -> f64;
    /// Writes `weight` times its gradient with respect to each of `view.outputs` into `upstream`,
    /// which is laid out alike and arrives zeroed.
    fn gradient(&self, view: &View<'_>, weight: f64, upstream: &mut [&mut [f32]]);
    /// Adds `weight` times its gradient with respect to the pixels, the outputs held fixed.
    fn pixel_gradient(&self, _view: &View<'_>, _weight: f64, _gradient: &mut [f32]) {}
}

/// An objective that is a function f of the logits of one draw, averaged over the draws. z are
/// logits, p their softmax, y the label, t the target.
pub trait LogitObjective: Send + Sync {
    /// As [`Objective::min_classes`].
    fn min_classes(&self, _goal: Goal) -> usize {
        2
    }
    /// f at one draw.
    fn value(&self, logits: &[f32], aim: Aim) -> f64;
    /// Writes `weight` times the gradient of f into `upstream`, which arrives zeroed.
    fn gradient(&self, logits: &[f32], aim: Aim, weight: f64, upstream: &mut [f32]);
}

impl<T: LogitObjective> Objective for T {
    fn min_classes(&self, goal: Goal) -> usize {
        LogitObjective::min_classes(self, goal)
    }

    fn value(&self, view: &View<'_>) -> f64 {
        let values = (0..view.n_draws()).map(|k| self.value(view.logits(k), view.aim));
        values.sum::<f64>() / view.n_draws() as f64
    }

    fn gradient(&self, view: &View<'_>, weight: f64, upstream: &mut [&mut [f32]]) {
        let weight = weight / view.n_draws() as f64;
        for draw in 0..view.n_draws() {
            let upstream = &mut upstream[view.place(draw)];
            LogitObjective::gradient(self, view.logits(draw), view.aim, weight, upstream);
        }
    }
}

/// The first largest logit but `class`.
fn best_other(logits: &[f32], class: usize) -> usize {
    let mut best = usize::from(class == 0);
    for (c, z) in logits.iter().enumerate() {
        if c != class && *z > logits[best] {
            best = c;
        }
    }
    best
}

#[cfg(test)]
mod tests;

//! What is made small beside the classifier's loss, and how the weight of that loss is found.

use crate::attack::weight::{Descent, Next, WeightSearch};
use crate::threat::{Distances, PixelRange};

use super::Params;

/// An image that the classifier was asked about.
#[derive(Clone, Copy)]
pub(super) struct Iterate<'a> {
    pub(super) range: PixelRange,
    pub(super) x: &'a [f32],
    pub(super) image: &'a [f32],
    /// Whether it is adversarial.
    pub(super) reached: bool,
    /// What its margin lacks.
    pub(super) hinge: f64,
}

impl Iterate<'_> {
    /// Replaces the slopes of the margin by those of what is to become small. Both are slopes
    /// along pixels that are counted in widths of the range.
    fn slopes(&self, weight: f32, gradient: &mut [f32], slope: impl Fn(f32) -> f32) {
        let width = width(self.range) as f32;
        let (of_margin, unit) = (weight * width, 1.0 / width);
        let pixels = self.image.iter().zip(self.x);
        for (g, (pixel, x)) in gradient.iter_mut().zip(pixels) {
            *g = slope((pixel - x) * unit) - of_margin * *g;
        }
    }
}

fn width(range: PixelRange) -> f64 {
    f64::from(range.high) - f64::from(range.low)
}

/// A distance, and how to make it small.
pub(super) trait Search: Send + Sync {
    /// Whether a descent begins at the nearest adversarial image, not at the clean one.
    const KEEPS_NEAREST: bool;
    /// Before the first step.
    fn new(params: &Params) -> Self;
    /// Distance of `image` from `x`, in widths of the range.
    fn distance(range: PixelRange, x: &[f32], image: &[f32]) -> f64;
    /// Weight of the classifier's loss.
    fn weight(&self) -> f64;
    /// Replaces the gradient of the margin by that of the objective, with `weight` for the margin.
    fn slopes(&self, iterate: &Iterate<'_>, weight: f32, gradient: &mut [f32]);
    /// What follows an image at `distance`.
    fn next(&mut self, iterate: &Iterate<'_>, distance: f64) -> Next;
}

/// L2: the squared length.
pub(super) struct Squares(WeightSearch);

impl Search for Squares {
    const KEEPS_NEAREST: bool = false;

    fn new(params: &Params) -> Self {
        Self(WeightSearch::new(
            params.c_init,
            params.n_searches,
            params.n_steps,
        ))
    }

    fn distance(range: PixelRange, x: &[f32], image: &[f32]) -> f64 {
        Distances::between(x, image).l2 / width(range)
    }

    fn weight(&self) -> f64 {
        self.0.weight
    }

    fn slopes(&self, iterate: &Iterate<'_>, weight: f32, gradient: &mut [f32]) {
        iterate.slopes(weight, gradient, |change| 2.0 * change);
    }

    fn next(&mut self, iterate: &Iterate<'_>, distance: f64) -> Next {
        let objective = distance * distance + self.0.weight * iterate.hinge;
        self.0.next(iterate.reached, objective)
    }
}

/// L-infinity: what changes exceed a bound by, which shrinks.
pub(super) struct Shrinking {
    tau: f64,
    weight: f64,
    n_left: u32,
    n_steps: u32,
    descent: Descent,
}

/// The next bound, as a share of a distance that was reached.
const SHRINK: f64 = 0.9;

impl Search for Shrinking {
    const KEEPS_NEAREST: bool = true;

    fn new(params: &Params) -> Self {
        Self {
            tau: 1.0,
            weight: params.c_init,
            n_left: params.n_searches,
            n_steps: params.n_steps,
            descent: Descent::new(params.n_steps),
        }
    }

    fn distance(range: PixelRange, x: &[f32], image: &[f32]) -> f64 {
        Distances::between(x, image).linf / width(range)
    }

    fn weight(&self) -> f64 {
        self.weight
    }

    fn slopes(&self, iterate: &Iterate<'_>, weight: f32, gradient: &mut [f32]) {
        let tau = self.tau as f32;
        iterate.slopes(weight, gradient, |change| match change.abs() > tau {
            true => change.signum(),
            false => 0.0,
        });
    }

    fn next(&mut self, iterate: &Iterate<'_>, distance: f64) -> Next {
        if iterate.reached && distance <= self.tau {
            self.tau = SHRINK * distance;
            self.descent = Descent::new(self.n_steps);
            return Next::Step;
        }
        let changes = iterate.image.iter().zip(iterate.x);
        let tau = self.tau * width(iterate.range);
        let excess = |(pixel, x): (&f32, &f32)| (f64::from((pixel - x).abs()) - tau).max(0.0);
        let excess = changes.map(excess).sum::<f64>() / width(iterate.range);
        if !self.descent.ends(excess + self.weight * iterate.hinge) {
            return Next::Step;
        }
        self.n_left -= 1;
        self.weight *= 10.0;
        self.descent = Descent::new(self.n_steps);
        match self.n_left {
            0 => Next::Done,
            _ => Next::Restart,
        }
    }
}

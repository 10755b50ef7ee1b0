//! sigma-zero.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::spec::{Allowed, Interval, Parameter, Spec, SpecError};
use crate::threat::{Bound, Distances, Norm, PixelRange, every};

use super::active::Active;
use super::adam::Adam;
use super::ascent::N_STEPS;
use super::objective::Loss;
use super::oracle::Oracle;
use super::outputs::Outputs;
use super::smallest::{Answer, Moved, Smallest, answers, note};
use super::weight::margin;
use super::{Access, Attack, AttackError, Case, Dialect, Entry, Perturbed, Setting, Start};

pub(super) const ENTRY: Entry = Entry {
    id: "sigma-zero",
    short: "SIGMA-ZERO",
    title: "Sparse attack by a smooth count of changed pixels",
    paper: "σ-zero: Gradient-based Optimization of ℓ0-norm Adversarial Examples (2025)",
    access: Access::WhiteBox,
    norms: &[Norm::L0],
    dialects: &[Dialect::Corrected],
    start: Start::Own,
    always_targeted: false,
    parameters: &[
        Parameter {
            name: "first_step",
            default: "1",
            allowed: Allowed::Real(&[Interval::above(0.0, 10.0)]),
            about: "about the change of a pixel in the first step, in widths of the pixel range",
        },
        N_STEPS.or("1000"),
        Parameter {
            name: "sigma",
            default: "0.001",
            allowed: Allowed::Real(&[Interval::above(0.0, 1.0)]),
            about: "square of a change that counts for half a pixel",
        },
        Parameter {
            name: "threshold",
            default: "0.3",
            allowed: Allowed::Real(&[Interval::closed(0.0, 1.0)]),
            about: "changes below it are undone, in widths of the pixel range; where it begins",
        },
        Parameter {
            name: "threshold_step",
            default: "0.01",
            allowed: Allowed::Real(&[Interval::closed(0.0, 1.0)]),
            about: "what the threshold moves by in a step, in step sizes",
        },
    ],
    build: |values| {
        let params = values.read()?;
        Ok(Box::new(SigmaZero { params }))
    },
};

/// Share of the step size that is left at the end.
const LAST: f64 = 0.1;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Params {
    first_step: f64,
    n_steps: u32,
    sigma: f64,
    threshold: f64,
    threshold_step: f64,
}

/// sigma-zero: makes few pixels change by a smooth count of them, and undoes small changes.
///
/// # Method
/// With changes δ in widths of the pixel range, Adam lowers max(-margin, 0) + mean(δ² / (δ² + σ))
/// along its gradient divided by the largest entry; δ is clipped to the range, and what is smaller
/// than a threshold is set to 0. The threshold falls while the image is not adversarial and rises
/// while it is. Steps shorten along half a wave to a tenth. The adversarial image with the fewest changes is
/// returned.
///
/// # Source
/// "σ-zero: Gradient-based Optimization of ℓ0-norm Adversarial Examples" (2025), algorithm 1.
/// Differs: Adam takes the steps, as in the authors' experiments; targets are possible; the last
/// image counts too; the loss does not rest where logits are tied.
///
/// # Cost
/// `n_steps` forward and backward passes for each draw of noise and one forward pass more; under
/// fresh noise twice the forward passes where a step averages draws, and those of 20 draws for
/// each image that is sparser than all before.
///
/// # Limits
/// Channels of a pixel count one by one. It follows surrogate gradients on quantized networks.
#[derive(Clone, Debug)]
pub struct SigmaZero {
    params: Params,
}

/// What is kept of one image.
struct State {
    adam: Adam,
    threshold: f64,
    smallest: Smallest,
}

impl SigmaZero {
    /// Step size of step `step`.
    fn step_size(&self, step: u32) -> f64 {
        let done = f64::from(step) / f64::from(self.params.n_steps);
        let wave = 0.5 * (1.0 + libm::cos(std::f64::consts::PI * done));
        self.params.first_step * (LAST + (1.0 - LAST) * wave)
    }

    fn answers(
        &self,
        oracle: &mut Oracle<'_>,
        case: &Case<'_>,
        active: &Active<'_, State>,
        seen: (&Outputs, &Loss),
    ) -> Result<Vec<Answer>, AttackError> {
        let sparser = |place: usize| {
            let x = case.image(active.rows[place]);
            let n_changed = Distances::between(x, active.image(place)).l0 as f64;
            n_changed < active.states[place].smallest.distance
        };
        answers(oracle, active, seen, 0.0, sparser)
    }

    /// Moves an image that is adversarial or not, from the gradient of its margin.
    fn step(
        &self,
        step: u32,
        (range, x): (PixelRange, &[f32]),
        answer: Answer,
        state: &mut State,
        image: &mut [f32],
        gradient: &mut [f32],
    ) -> Moved {
        if !every(gradient, |g| g.is_finite()) {
            return Moved::NotFinite;
        }
        let zero_gradient = gradient.iter().all(|g| *g == 0.0);
        take(state, answer.counts, x, image);
        if state.smallest.distance == 0.0 {
            return Moved::Done;
        }
        let width = range.high - range.low;
        let (unit, sigma) = (1.0 / width, self.params.sigma as f32);
        let weight = if answer.reached { 0.0 } else { width };
        let count = 2.0 * sigma / x.len() as f32;
        let pixels = image.iter().zip(x);
        for (g, (pixel, x)) in gradient.iter_mut().zip(pixels) {
            let change = (pixel - x) * unit;
            let below = change * change + sigma;
            *g = count * change / (below * below) - weight * *g;
        }
        let largest = gradient.iter().fold(1e-12_f32, |most, g| most.max(g.abs()));
        gradient.iter_mut().for_each(|g| *g /= largest);
        state.adam.step(self.step_size(step), gradient);
        let change = self.params.threshold_step * self.step_size(step + 1);
        let signed = if answer.reached { change } else { -change };
        state.threshold = (state.threshold + signed).clamp(0.0, 1.0);
        let least = state.threshold as f32 * width;
        for ((pixel, x), move_by) in image.iter_mut().zip(x).zip(gradient) {
            let moved = range.clip(*pixel + width * *move_by);
            *pixel = if (moved - x).abs() < least { *x } else { moved };
        }
        Moved::On { zero_gradient }
    }
}

/// Keeps `image` if it is adversarial and the sparsest.
fn take(state: &mut State, counts: bool, x: &[f32], image: &[f32]) {
    if counts {
        state
            .smallest
            .take(image, Distances::between(x, image).l0 as f64);
    }
}

impl Attack for SigmaZero {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn spec(&self, _: Dialect) -> Result<Spec, SpecError> {
        Spec::of(ENTRY.id, &self.params)
    }

    fn bound(&self, _: Setting) -> Bound {
        Bound::Smallest { norm: Norm::L0 }
    }

    fn n_steps(&self, _: Setting) -> u32 {
        self.params.n_steps
    }

    fn perturb(&self, oracle: &mut Oracle<'_>, case: &Case<'_>) -> Result<Perturbed, AttackError> {
        let (d, range) = (case.n_features(), case.setting.range);
        let mut found = Perturbed::unchanged(case.pixels.to_vec(), case.ids.len());
        let states = case.pixels.par_chunks(d).map(|x| State {
            adam: Adam::new(d),
            threshold: self.params.threshold,
            smallest: Smallest::of(x),
        });
        let mut active = Active::all(case, case.pixels.to_vec(), states.collect());
        let loss = margin(oracle.noise())?;
        for step in 0..self.params.n_steps {
            if active.is_empty() {
                break;
            }
            let (outputs, mut gradient) = oracle.gradient(&active, step, &loss)?;
            let seen = self.answers(oracle, case, &active, (&outputs, &loss))?;
            let rows = &active.rows;
            let images = (active.pixels.par_chunks_mut(d), &mut active.states);
            let images = images.into_par_iter().zip(gradient.par_chunks_mut(d));
            let moved: Vec<Moved> = images
                .enumerate()
                .map(|(place, ((image, state), gradient))| {
                    let clean = (range, case.image(rows[place]));
                    self.step(step, clean, seen[place], state, image, gradient)
                })
                .collect();
            let goes_on = note(&moved, &active, |state| &state.smallest, &mut found);
            active.retain(&goes_on);
        }
        if !active.is_empty() {
            let outputs = oracle.outputs(&active, self.params.n_steps, &loss)?;
            let seen = self.answers(oracle, case, &active, (&outputs, &loss))?;
            for (place, row) in active.rows.iter().enumerate() {
                let image = &active.pixels[place * d..][..d];
                take(
                    &mut active.states[place],
                    seen[place].counts,
                    case.image(*row),
                    image,
                );
                found.set(*row, &active.states[place].smallest.image);
            }
        }
        Ok(found)
    }
}

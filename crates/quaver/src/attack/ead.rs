//! EAD.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::spec::{Allowed, Interval, Parameter, Spec, SpecError};
use crate::threat::{Bound, Distances, Norm, PixelRange, every};

use super::active::Active;
use super::ascent::N_STEPS;
use super::oracle::{Oracle, Query};
use super::smallest::{Answer, Moved, Smallest, answers, note};
use super::weight::{C_INIT, CONFIDENCE, N_SEARCHES, Next, WeightSearch, margin};
use super::{Access, Attack, AttackError, Case, Dialect, Entry, Perturbed, Setting, Start};

pub(super) const ENTRY: Entry = Entry {
    id: "ead",
    short: "EAD",
    title: "Elastic-net attack",
    paper: "EAD: Elastic-Net Attacks to Deep Neural Networks via Adversarial Examples (2018)",
    access: Access::WhiteBox,
    norms: &[Norm::L1],
    dialects: &[Dialect::Corrected],
    start: Start::Own,
    always_targeted: false,
    parameters: &[
        Parameter {
            name: "step_size",
            default: "0.01",
            allowed: Allowed::Real(&[Interval::above(0.0, 1.0)]),
            about: "factor of the gradient in the first step",
        },
        N_STEPS.or("1000"),
        Parameter {
            name: "beta",
            default: "0.001",
            allowed: Allowed::Real(&[Interval::closed(0.0, 1.0)]),
            about: "weight of the sum of the changes, and what a step takes off each of them",
        },
        Parameter {
            name: "rule",
            default: "l1",
            allowed: Allowed::OneOf(&["en", "l1"]),
            about: "which adversarial image is returned: of the smallest elastic net, or L1 distance",
        },
        N_SEARCHES,
        C_INIT,
        CONFIDENCE,
    ],
    build: |values| {
        let params = values.read()?;
        Ok(Box::new(ElasticNet { params }))
    },
};

/// By what adversarial images are compared.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Rule {
    En,
    L1,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Params {
    step_size: f64,
    n_steps: u32,
    beta: f64,
    rule: Rule,
    n_searches: u32,
    c_init: f64,
    confidence: f64,
}

/// Elastic-net attack (EAD): makes the sum of the changes small, which leaves most pixels as they
/// are.
///
/// # Method
/// Lowers c · max(confidence - margin, 0) + ‖δ‖₂² + beta ‖δ‖₁, δ in widths of the pixel range, by
/// shrinking and thresholding (FISTA): δ' = S(y - α ∇(c · max(confidence - margin, 0) + ‖y‖₂²)), where S takes
/// beta off each change and clips to the range, and y' = δ' + k / (k + 3) · (δ' - δ). α falls with
/// the square root of the steps left. The weight c is found for each image as C&W finds it. Of all
/// adversarial images that the classifier was asked about that with the smallest L1 distance is
/// returned, or by `rule=en` that with the smallest ‖δ‖₂² + beta ‖δ‖₁.
///
/// # Source
/// "EAD: Elastic-Net Attacks to Deep Neural Networks via Adversarial Examples" (2018), algorithm 1.
/// Differs: y is clipped to the pixel range as well; a descent ends for an image alone once
/// its objective has stopped falling; the loss does not rest where logits are tied.
///
/// # Cost
/// At most `n_steps` · `n_searches` times two forward passes and one backward pass for each draw
/// of noise; under fresh noise three forward passes where a step averages draws, and those of 20
/// draws for each image that is nearer than all before.
///
/// # Limits
/// Steps have the length of the gradient: where that is far from that of a float network's logits,
/// `c_init` should be as well. Under noise the smallest image is adversarial by a hair: on other
/// draws it may not be, unless `confidence` is above 0.
#[derive(Clone, Debug)]
pub struct ElasticNet {
    params: Params,
}

/// What is kept of one image.
struct State {
    search: WeightSearch,
    /// Steps since the descent began.
    step: u32,
    /// Where the gradient was asked for; where it will be.
    ahead: Vec<f32>,
    /// The image before.
    last: Vec<f32>,
    smallest: Smallest,
}

impl State {
    fn restart(&mut self, x: &[f32]) {
        self.step = 0;
        self.ahead.copy_from_slice(x);
        self.last.copy_from_slice(x);
    }
}

impl ElasticNet {
    /// By what adversarial images are compared, and the elastic net, in widths of the range.
    fn sizes(&self, range: PixelRange, x: &[f32], image: &[f32]) -> (f64, f64) {
        let width = f64::from(range.high) - f64::from(range.low);
        let distances = Distances::between(x, image);
        let (l1, l2) = (distances.l1 / width, distances.l2 / width);
        let net = l2 * l2 + self.params.beta * l1;
        match self.params.rule {
            Rule::En => (net, net),
            Rule::L1 => (l1, net),
        }
    }

    /// Goes from where the gradient was asked for to the next image.
    fn advance(
        &self,
        (range, x): (PixelRange, &[f32]),
        answer: Answer,
        state: &mut State,
        image: &mut [f32],
        gradient: &[f32],
    ) -> Moved {
        if !(answer.margin.is_finite() && every(gradient, |g| g.is_finite())) {
            return Moved::NotFinite;
        }
        if state.step == 0 && answer.counts {
            // Nothing is nearer than the clean image.
            state.smallest.take(x, 0.0);
            return Moved::Done;
        }
        let width = range.high - range.low;
        let left = 1.0 - f64::from(state.step) / f64::from(self.params.n_steps);
        let size = (self.params.step_size * left.sqrt()) as f32;
        let weight = if answer.reached {
            0.0
        } else {
            state.search.weight as f32 * width
        };
        let beta = self.params.beta as f32;
        for ((pixel, x), g) in image.iter_mut().zip(x).zip(gradient) {
            let change = (*pixel - x) / width;
            let moved = change - size * (2.0 * change - weight * g);
            let kept = (moved.abs() - beta).max(0.0).copysign(moved);
            *pixel = range.clip(x + width * kept);
        }
        let momentum = state.step as f32 / (state.step as f32 + 3.0);
        let images = state.ahead.iter_mut().zip(&mut state.last);
        for ((ahead, last), pixel) in images.zip(image.iter()) {
            *ahead = range.clip(pixel + momentum * (pixel - *last));
            *last = *pixel;
        }
        state.step += 1;
        let zero_gradient = gradient.iter().all(|g| *g == 0.0);
        Moved::On { zero_gradient }
    }

    /// Judges the image that was reached, and goes to where the next gradient is asked for.
    fn judge(
        &self,
        (range, x): (PixelRange, &[f32]),
        answer: Answer,
        state: &mut State,
        image: &mut [f32],
    ) -> Next {
        let (size, net) = self.sizes(range, x, image);
        if answer.counts {
            state.smallest.take(image, size);
        }
        let hinge = (self.params.confidence - answer.margin).max(0.0);
        let next = state
            .search
            .next(answer.counts, net + state.search.weight * hinge);
        if next == Next::Restart {
            state.restart(x);
        }
        image.copy_from_slice(&state.ahead);
        next
    }
}

impl Attack for ElasticNet {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn spec(&self, _: Dialect) -> Result<Spec, SpecError> {
        Spec::of(ENTRY.id, &self.params)
    }

    fn bound(&self, _: Setting) -> Bound {
        Bound::Smallest { norm: Norm::L1 }
    }

    fn n_steps(&self, _: Setting) -> u32 {
        self.params.n_steps * self.params.n_searches
    }

    fn perturb(&self, oracle: &mut Oracle<'_>, case: &Case<'_>) -> Result<Perturbed, AttackError> {
        let (d, range) = (case.n_features(), case.setting.range);
        let mut found = Perturbed::unchanged(case.pixels.to_vec(), case.ids.len());
        let Params {
            c_init,
            n_searches,
            n_steps,
            confidence,
            ..
        } = self.params;
        let states = case.pixels.par_chunks(d).map(|x| State {
            search: WeightSearch::new(c_init, n_searches, n_steps),
            step: 0,
            ahead: x.to_vec(),
            last: x.to_vec(),
            smallest: Smallest::of(x),
        });
        let mut active = Active::all(case, case.pixels.to_vec(), states.collect());
        let loss = margin(oracle.noise())?;
        for step in 0..self.n_steps(case.setting) {
            if active.is_empty() {
                break;
            }
            let (outputs, gradient) = oracle.gradient(&active, step, &loss)?;
            let first = |place: usize| active.states[place].step == 0;
            let seen = answers(oracle, &active, (&outputs, &loss), confidence, first)?;
            let rows = &active.rows;
            let images = (active.pixels.par_chunks_mut(d), &mut active.states);
            let images = images
                .into_par_iter()
                .zip(gradient.par_chunks(d))
                .enumerate();
            let moved = images.map(|(place, ((image, state), gradient))| {
                let clean = (range, case.image(rows[place]));
                self.advance(clean, seen[place], state, image, gradient)
            });
            let moved: Vec<Moved> = moved.collect();
            let goes_on = note(&moved, &active, |state| &state.smallest, &mut found);
            active.retain(&goes_on);
            if active.is_empty() {
                break;
            }
            let outputs = oracle.outputs(&active, Query { step, number: 1 }, &loss)?;
            let nearer = |place: usize| {
                let x = case.image(active.rows[place]);
                let (size, _) = self.sizes(range, x, active.image(place));
                size < active.states[place].smallest.distance
            };
            let seen = answers(oracle, &active, (&outputs, &loss), confidence, nearer)?;
            let rows = &active.rows;
            let images = (active.pixels.par_chunks_mut(d), &mut active.states);
            let nexts = images
                .into_par_iter()
                .enumerate()
                .map(|(place, (image, state))| {
                    let clean = (range, case.image(rows[place]));
                    self.judge(clean, seen[place], state, image)
                });
            let nexts: Vec<Next> = nexts.collect();
            for (row, state) in active.rows.iter().zip(&active.states) {
                found.set(*row, &state.smallest.image);
            }
            let open: Vec<bool> = nexts.iter().map(|next| *next != Next::Done).collect();
            active.retain(&open);
        }
        Ok(found)
    }
}

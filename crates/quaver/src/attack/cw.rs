//! C&W.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::spec::{Allowed, Interval, Parameter, Spec, SpecError};
use crate::threat::{Bound, Norm, PixelRange, every};

use super::active::Active;
use super::adam::Adam;
use super::ascent::{N_STEPS, NORM};
use super::oracle::Oracle;
use super::smallest::{Answer, Moved, Smallest, answers, note};
use super::weight::{C_INIT, CONFIDENCE, N_SEARCHES, Next, margin};
use super::{Access, Attack, AttackError, Case, Dialect, Entry, Perturbed, Setting, Start};

mod curve;
mod search;

use curve::Curve;
use search::{Iterate, Search, Shrinking, Squares};

pub(super) const ENTRY: Entry = Entry {
    id: "cw",
    short: "C&W",
    title: "Carlini and Wagner's attack",
    paper: "Towards Evaluating the Robustness of Neural Networks (2017)",
    access: Access::WhiteBox,
    norms: &[Norm::L2, Norm::Linf],
    dialects: &[Dialect::Corrected],
    start: Start::Own,
    always_targeted: false,
    parameters: &[
        STEP_SIZE,
        N_STEPS.or("1000"),
        NORM.or("l2"),
        N_SEARCHES,
        C_INIT,
        CONFIDENCE,
    ],
    build: |values| {
        let params = values.read()?;
        Ok(Box::new(CarliniWagner { params }))
    },
};

const STEP_SIZE: Parameter = Parameter {
    name: "step_size",
    default: "0.01",
    allowed: Allowed::Real(&[Interval::above(0.0, 1.0)]),
    about: "about the change of a pixel's variable in a step",
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Params {
    step_size: f64,
    n_steps: u32,
    norm: Norm,
    n_searches: u32,
    c_init: f64,
    confidence: f64,
}

/// Carlini and Wagner's attack (C&W): makes the distance small and the margin large enough at
/// once, and looks for the weight between the two.
///
/// # Method
/// Adam lowers D(x' - x) + c · max(confidence - margin, 0) over w, where x' is a curve of tanh w
/// that stays in the pixel range, and pixels are counted in units of its width. In L2 D is the
/// squared length; c, for each image by itself, is ten times the last until a descent has led to
/// an adversarial image, then the middle of what is too small and what is enough; every descent
/// begins at the clean image. In L-infinity D is the sum of what changes exceed tau by; once an
/// image is adversarial within tau, tau is 0.9 times its distance and the descent goes on; where
/// none is found in `n_steps`, it begins again at the nearest one with ten times the weight. A
/// descent ends for an image alone once its objective has stopped falling. The nearest of all
/// adversarial images that the classifier was asked about is returned.
///
/// # Source
/// "Towards Evaluating the Robustness of Neural Networks" (2017), sections V and VI. Differs:
/// tanh w is stretched a little beyond the pixel range and cut off there, so that black and white
/// pixels are exact and can move; the loss does not rest where logits are tied; in L-infinity c rises
/// tenfold, not twofold, and `n_searches` limits how often.
///
/// # Cost
/// At most `n_steps` · `n_searches` forward and backward passes for each draw of noise; under fresh
/// noise twice the forward passes where a step averages draws, and those of 20 draws for each image
/// that is nearer than all before.
///
/// # Limits
/// A descent follows surrogate gradients on quantized networks. Under noise the smallest image is
/// adversarial by a hair: on other draws it may not be, unless `confidence` is above 0.
#[derive(Clone, Debug)]
pub struct CarliniWagner {
    params: Params,
}

/// What is kept of one image.
struct State<S> {
    search: S,
    curve: Curve,
    adam: Adam,
    smallest: Smallest,
}

impl CarliniWagner {
    fn descend<S: Search>(
        &self,
        oracle: &mut Oracle<'_>,
        case: &Case<'_>,
    ) -> Result<Perturbed, AttackError> {
        let (d, range) = (case.n_features(), case.setting.range);
        let mut found = Perturbed::unchanged(case.pixels.to_vec(), case.ids.len());
        let states = case.pixels.par_chunks(d).map(|x| State {
            search: S::new(&self.params),
            curve: Curve::at(range, x),
            adam: Adam::new(d),
            smallest: Smallest::of(x),
        });
        let mut active = Active::all(case, case.pixels.to_vec(), states.collect());
        let loss = margin(oracle.noise())?;
        for step in 0..self.n_steps(case.setting) {
            if active.is_empty() {
                break;
            }
            let (outputs, mut gradient) = oracle.gradient(&active, step, &loss)?;
            let nearer = |place: usize| {
                let x = case.image(active.rows[place]);
                let distance = S::distance(range, x, active.image(place));
                distance < active.states[place].smallest.distance
            };
            let seen = (&outputs, &loss);
            let answers = answers(oracle, &active, seen, self.params.confidence, nearer)?;
            let rows = &active.rows;
            let images = (active.pixels.par_chunks_mut(d), &mut active.states);
            let images = images.into_par_iter().zip(gradient.par_chunks_mut(d));
            let moved: Vec<Moved> = images
                .enumerate()
                .map(|(place, ((image, state), gradient))| {
                    let x = case.image(rows[place]);
                    self.step(range, answers[place], state, x, image, gradient)
                })
                .collect();
            let goes_on = note(&moved, &active, |state| &state.smallest, &mut found);
            active.retain(&goes_on);
        }
        // Descents that end early leave the last of the steps unused, and none is left over.
        for (row, state) in active.rows.iter().zip(&active.states) {
            found.set(*row, &state.smallest.image);
        }
        Ok(found)
    }

    fn step<S: Search>(
        &self,
        range: PixelRange,
        answer: Answer,
        state: &mut State<S>,
        x: &[f32],
        image: &mut [f32],
        gradient: &mut [f32],
    ) -> Moved {
        if !(answer.margin.is_finite() && every(gradient, |g| g.is_finite())) {
            return Moved::NotFinite;
        }
        let zero_gradient = gradient.iter().all(|g| *g == 0.0);
        let hinge = (self.params.confidence - answer.margin).max(0.0);
        let reached = answer.counts;
        let iterate = Iterate {
            range,
            x,
            image,
            reached,
            hinge,
        };
        let distance = S::distance(range, x, image);
        if reached {
            state.smallest.take(image, distance);
        }
        let next = match state.smallest.distance {
            // Nothing is nearer than the clean image.
            0.0 => Next::Done,
            _ => state.search.next(&iterate, distance),
        };
        match next {
            Next::Done => return Moved::Done,
            Next::Restart => {
                let start = if S::KEEPS_NEAREST {
                    &state.smallest.image
                } else {
                    x
                };
                image.copy_from_slice(start);
                state.curve = Curve::at(range, start);
                state.adam.reset();
            }
            Next::Step => {
                let weight = if answer.reached {
                    0.0
                } else {
                    state.search.weight()
                };
                state.search.slopes(&iterate, weight as f32, gradient);
                state.curve.slopes(gradient);
                state.adam.step(self.params.step_size, gradient);
                state.curve.step(x, gradient, image);
            }
        }
        Moved::On { zero_gradient }
    }
}

impl Attack for CarliniWagner {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn spec(&self, _: Dialect) -> Result<Spec, SpecError> {
        Spec::of(ENTRY.id, &self.params)
    }

    fn bound(&self, _: Setting) -> Bound {
        let norm = self.params.norm;
        Bound::Smallest { norm }
    }

    fn n_steps(&self, _: Setting) -> u32 {
        self.params.n_steps * self.params.n_searches
    }

    fn perturb(&self, oracle: &mut Oracle<'_>, case: &Case<'_>) -> Result<Perturbed, AttackError> {
        match self.params.norm {
            Norm::Linf => self.descend::<Shrinking>(oracle, case),
            _ => self.descend::<Squares>(oracle, case),
        }
    }
}

//! Coordinate search.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::rng::Rng;
use crate::spec::{Allowed, Interval, Parameter, Spec, SpecError};
use crate::threat::{Bound, Budget, Norm};

use super::active::Active;
use super::ascent::{EPS, LOSS, N_STEPS, NORM};
use super::noise::NoiseMode;
use super::objective::Loss;
use super::oracle::Oracle;
use super::outputs::Outputs;
use super::{Access, Attack, AttackError, Case, Dialect, Entry, Perturbed, Setting, Start};

mod moves;

use moves::{Change, Moves};

pub(super) const ENTRY: Entry = Entry {
    id: "coordinate-search",
    short: "Coord.",
    title: "Coordinate search",
    paper: "",
    access: Access::ScoreBased,
    norms: &[Norm::Linf, Norm::L0],
    dialects: &[Dialect::Corrected],
    start: Start::Optional,
    always_targeted: false,
    parameters: &[
        Parameter {
            about: "radius of the ball, in pixel units, or number of pixels",
            ..EPS
        },
        N_STEPS.or("5000"),
        Parameter {
            allowed: Allowed::OneOf(&["linf", "l0"]),
            ..NORM
        },
        LOSS.or("margin"),
        Parameter {
            name: "share",
            default: "0.8",
            allowed: Allowed::Real(&[Interval::above(0.0, 1.0)]),
            about: "share of the pixels (L0: of the changed ones) that a first move takes",
        },
        Parameter {
            name: "temperature",
            default: "0.1",
            allowed: Allowed::Real(&[Interval::closed(0.0, 100.0)]),
            about: "how much worse a kept move may be at first, in mean changes of the loss",
        },
    ],
    build: |values| {
        let params = values.read()?;
        Ok(Box::new(CoordinateSearch { params }))
    },
};

/// How much of the mean change of the loss each move replaces.
const FORGET: f64 = 0.02;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Params {
    eps: f64,
    n_steps: u32,
    norm: Norm,
    loss: Loss,
    share: f64,
    temperature: f64,
}

/// Coordinate search: pixels jump to the borders of the ball, in groups that shrink, and what the
/// network itself answers decides, never a gradient.
///
/// # Method
/// From x or a start that is given, projected into the ball. A move of L-infinity takes a rectangle
/// of the image and, in each channel, either puts all its pixels to one border of the ball
/// (x - eps or x + eps, clipped) or each to the border at which it is not; its sides are drawn
/// around that of a square with share / (1 + 300 t) of the pixels, t the part of the steps that is
/// done. A move of L0 gives that share of the allowed changes, at least one, to other pixels, which jump to
/// the lowest or highest value. A move by which the loss rises or stays is kept, one by which it
/// falls by d with probability exp(-d / T); T = temperature · (1 - t) · the mean change of the loss
/// in the moves before. An image that meets the aim is finished where the classifier is not
/// random; where it is and the noise is off, its loss is raised further. Where draws of noise
/// are fresh in each step, the images before and after a move are compared on the same draws.
///
/// # Source
/// None: between "Square Attack: a query-efficient black-box adversarial attack via random
/// search" (2020), "Parsimonious Black-Box Adversarial Attacks via Efficient Combinatorial
/// Optimization" (2019), whose moves change signs, and, for L0, "Sparse-RS: a versatile framework for
/// query-efficient sparse black-box adversarial attacks" (2022). That equal moves are kept, and
/// somewhat worse ones, takes it across the plateaus of binarized networks.
///
/// # Cost
/// `n_steps` + 1 forward passes for each draw of noise, twice as many where draws are fresh in
/// each step; times the restarts.
///
/// # Limits
/// Random: what it does not find in some thousand steps another restart may find. On networks
/// with good gradients those are faster. One draw of noise in a step tells little of a small move:
/// against a randomized classifier the noise is better off, or averaged over many draws.
#[derive(Clone, Debug)]
pub struct CoordinateSearch {
    params: Params,
}

/// What is kept of an image.
#[derive(Clone, Default)]
struct State {
    /// The loss.
    value: f64,
    /// Mean change of the loss in the moves so far.
    mean_change: f64,
    /// Pixels of the last move and what they were before.
    undo: Vec<Change>,
    /// A uniform number that decides whether a worse image is kept.
    chance: f64,
}

impl State {
    /// Whether an image whose loss is `value` replaces the one before.
    fn keeps(&mut self, value: f64, temperature: f64) -> bool {
        let change = value - self.value;
        if !change.is_finite() {
            return false;
        }
        let allowed = temperature * self.mean_change;
        self.mean_change += FORGET * (change.abs() - self.mean_change);
        change >= 0.0 || self.chance < libm::exp(change / allowed)
    }
}

impl CoordinateSearch {
    const fn budget(&self) -> Budget {
        Budget {
            norm: self.params.norm,
            eps: self.params.eps as f32,
        }
    }

    /// Makes the move of `step` in every active image.
    fn propose(
        &self,
        moves: &Moves<'_>,
        step: u32,
        case: &Case<'_>,
        active: &mut Active<'_, State>,
    ) {
        let purpose = format!("coordinate-search-{}", case.restart);
        let seed = Rng::new(case.seed, &purpose, step.into()).next_u64();
        let share = self.params.share / (1.0 + 300.0 * self.done(step));
        let images = active.pixels.par_chunks_mut(case.n_features());
        let keys = active.rows.par_iter().zip(&active.ids);
        let states = active.states.par_iter_mut().zip(keys);
        images.zip(states).for_each(|(image, (state, (row, id)))| {
            let mut rng = Rng::new(seed, "coordinate-search", *id);
            state.chance = rng.uniform();
            state.undo.clear();
            moves.make(*row, share, image, &mut rng, &mut state.undo);
        });
    }

    /// The part of the steps that is done before `step`.
    fn done(&self, step: u32) -> f64 {
        f64::from(step - 1) / f64::from(self.params.n_steps)
    }

    /// Takes back the moves that are not kept.
    fn judge(&self, step: u32, outputs: &Outputs, active: &mut Active<'_, State>) {
        let values = self.values(outputs, active);
        let temperature = self.params.temperature * (1.0 - self.done(step));
        let d = active.pixels.len() / active.rows.len();
        let images = active.pixels.chunks_mut(d).zip(&mut active.states);
        for ((image, state), value) in images.zip(values) {
            if state.keeps(value, temperature) {
                state.value = value;
                continue;
            }
            // A pixel may have moved twice.
            for change in state.undo.iter().rev() {
                image[change.pixel] = change.before;
            }
        }
    }

    fn values(&self, outputs: &Outputs, active: &Active<'_, State>) -> Vec<f64> {
        let places = 0..active.rows.len();
        places
            .map(|place| outputs.value(place, &self.params.loss, active))
            .collect()
    }

    /// Learns the losses of the images as they are. Those without one are finished.
    fn look(&self, outputs: &Outputs, active: &mut Active<'_, State>, found: &mut Perturbed) {
        let values = self.values(outputs, active);
        let finite: Vec<bool> = values.iter().map(|value| value.is_finite()).collect();
        for (place, row) in active.rows.iter().enumerate() {
            active.states[place].value = values[place];
            found.flags[*row].non_finite |= !finite[place];
        }
        active.retain(&finite);
    }
}

/// Writes down the images that meet their aims, which are finished.
fn finish(outputs: &Outputs, active: &mut Active<'_, State>, found: &mut Perturbed) {
    let open: Vec<bool> = (0..active.rows.len())
        .map(|place| !active.aims[place].is_met(outputs.class(place)))
        .collect();
    for (place, row) in active.rows.iter().enumerate() {
        if !open[place] {
            found.set(*row, active.image(place));
        }
    }
    active.retain(&open);
}

impl Attack for CoordinateSearch {
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
        let d = case.n_features();
        let mut start = case.start.unwrap_or(case.pixels).to_vec();
        for (start, x) in start.chunks_mut(d).zip(case.pixels.chunks(d)) {
            self.budget().project(x, start);
        }
        let mut found = Perturbed::unchanged(start.clone(), n);
        let mut active = Active::all(case, start, vec![State::default(); n]);
        let moves = Moves::new(self.budget(), case);
        let loss = &self.params.loss;
        let fresh = !matches!(oracle.noise(), NoiseMode::Off | NoiseMode::Fixed);
        let mut outputs = oracle.outputs(&active, 0, loss)?;
        self.look(&outputs, &mut active, &mut found);
        for step in 1..=self.params.n_steps {
            if oracle.is_deterministic() {
                finish(&outputs, &mut active, &mut found);
            }
            if active.is_empty() {
                break;
            }
            if fresh && step > 1 {
                outputs = oracle.outputs(&active, step, loss)?;
                self.look(&outputs, &mut active, &mut found);
            }
            self.propose(&moves, step, case, &mut active);
            outputs = oracle.outputs(&active, step, loss)?;
            self.judge(step, &outputs, &mut active);
            active.rows.iter().for_each(|row| found.n_steps[*row] += 1);
        }
        for (place, row) in active.rows.iter().enumerate() {
            found.set(*row, active.image(place));
        }
        Ok(found)
    }
}

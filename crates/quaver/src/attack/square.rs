//! Square attack.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::rng::Rng;
use crate::spec::{Allowed, Interval, Parameter, Spec, SpecError};
use crate::threat::{Bound, Budget, Norm};

use super::active::Active;
use super::ascent::{EPS, LOSS, NORM, NORMS};
use super::noise::NoiseMode;
use super::objective::Loss;
use super::oracle::{Oracle, Query};
use super::{Access, Attack, AttackError, Case, Dialect, Entry, Perturbed, Setting, Start};

mod windows;

use windows::Canvas;

pub(super) const ENTRY: Entry = Entry {
    id: "square",
    short: "Square",
    title: "Square attack",
    paper: "Square Attack: a query-efficient black-box adversarial attack via random search (2020)",
    access: Access::ScoreBased,
    norms: NORMS,
    dialects: &[Dialect::Corrected],
    start: Start::Own,
    always_targeted: false,
    parameters: &[
        EPS,
        NORM,
        Parameter {
            name: "n_queries",
            default: "5000",
            allowed: Allowed::Integer(1, 1_000_000),
            about: "images asked about, the first included",
        },
        Parameter {
            name: "p_init",
            default: "0.8",
            allowed: Allowed::Real(&[Interval::above(0.0, 1.0)]),
            about: "share of the pixels in the first squares",
        },
        LOSS.or("margin"),
    ],
    build: |values| {
        let params = values.read()?;
        Ok(Box::new(Square { params }))
    },
};

/// Queries, of 10 000, after which squares have half as many pixels.
const HALVINGS: [f64; 9] = [
    10.0, 50.0, 200.0, 500.0, 1000.0, 2000.0, 4000.0, 6000.0, 8000.0,
];
/// Under noise the image that is kept is asked about again after as many queries.
const ASK_AGAIN: u32 = 50;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Params {
    eps: f64,
    norm: Norm,
    n_queries: u32,
    p_init: f64,
    loss: Loss,
}

/// Square attack: random squares at the border of the ball, kept when they raise the loss.
///
/// # Method
/// It begins with vertical stripes of x ± eps. A query sets a square of every channel to x + eps or
/// x − eps, and keeps it if the loss is not lower. The squares cover a share of the pixels that is
/// halved after 10, 50, 200, 500, 1000, 2000, 4000, 6000 and 8000 of 10 000 queries. In L2 it begins
/// with a mosaic of two-sided bumps; a query moves what two windows hold, and what is left of the
/// radius, into one of them.
///
/// # Source
/// "Square Attack: a query-efficient black-box adversarial attack via random search" (2020). Differs:
/// each image has squares of its own, which reach the last row and column; the schedule is stretched
/// to `n_queries`; a square that does not lower the loss is kept, since integer outputs often stay
/// the same.
///
/// # Cost
/// `n_queries` forward passes for each draw of noise; an image that met the aim leaves (noise off).
/// Under noise the kept image is asked about again on fresh draws every 50 queries, so that a lucky
/// draw does not stay.
///
/// # Limits
/// It needs many queries.
#[derive(Clone, Debug)]
pub struct Square {
    params: Params,
}

struct State {
    rng: Rng,
    kept: Vec<f32>,
    loss: f64,
}

impl Square {
    fn budget(&self) -> Budget {
        Budget {
            norm: self.params.norm,
            eps: self.params.eps as f32,
        }
    }

    /// Side of the squares of query `query`.
    fn side(&self, query: u32, [_, h, w]: [usize; 3]) -> usize {
        let at = f64::from(query) * 10_000.0 / f64::from(self.params.n_queries);
        let halvings = HALVINGS.iter().filter(|then| at > **then).count() as i32;
        let share = self.params.p_init / 2.0_f64.powi(halvings);
        let side = (share * (h * w) as f64).sqrt().round() as usize;
        side.clamp(1, h.min(w))
    }

    /// Keeps the images whose loss is not lower; whether each goes on.
    fn judge(
        &self,
        oracle: &mut Oracle<'_>,
        active: &mut Active<'_, State>,
        query: u32,
        found: &mut Perturbed,
    ) -> Result<Vec<bool>, AttackError> {
        let certain = oracle.noise() == NoiseMode::Off;
        let outputs = oracle.outputs(active, query, &self.params.loss)?;
        let seen: Vec<(f64, bool)> = (0..active.rows.len())
            .map(|place| {
                let loss = outputs.value(place, &self.params.loss, active);
                let met = active.goal(place).is_met(outputs.class(place));
                (loss, met && certain)
            })
            .collect();
        for (place, (loss, met)) in seen.iter().enumerate() {
            let row = active.rows[place];
            found.n_steps[row] += 1;
            let state = &mut active.states[place];
            if *loss >= state.loss || *met {
                let d = state.kept.len();
                state.loss = *loss;
                state.kept.copy_from_slice(&active.pixels[place * d..][..d]);
                found.set(row, &state.kept);
            }
        }
        Ok(seen.into_iter().map(|(_, met)| !met).collect())
    }

    /// Takes the loss of the kept images anew.
    fn ask_again(
        &self,
        oracle: &mut Oracle<'_>,
        active: &mut Active<'_, State>,
        step: u32,
    ) -> Result<(), AttackError> {
        let kept = active.states.iter().flat_map(|state| &state.kept);
        active.pixels = kept.copied().collect();
        let outputs = oracle.outputs(active, Query { step, number: 1 }, &self.params.loss)?;
        for place in 0..active.rows.len() {
            active.states[place].loss = outputs.value(place, &self.params.loss, active);
        }
        Ok(())
    }
}

impl Attack for Square {
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
        self.params.n_queries
    }

    fn perturb(&self, oracle: &mut Oracle<'_>, case: &Case<'_>) -> Result<Perturbed, AttackError> {
        let (n, d) = (case.ids.len(), case.n_features());
        let mut found = Perturbed::unchanged(case.pixels.to_vec(), n);
        let purpose = format!("attack-square-{}", case.restart);
        let states = (0..n).map(|row| State {
            rng: Rng::new(case.seed, &purpose, case.ids[row]),
            kept: case.image(row).to_vec(),
            loss: f64::NEG_INFINITY,
        });
        let mut active = Active::all(case, case.pixels.to_vec(), states.collect());
        for query in 0..self.params.n_queries {
            if active.is_empty() {
                break;
            }
            if query > 0 && query % ASK_AGAIN == 0 && oracle.noise() != NoiseMode::Off {
                self.ask_again(oracle, &mut active, query)?;
            }
            let side = self.side(query, case.shape);
            let rows = &active.rows;
            let images = active.pixels.par_chunks_mut(d).zip(&mut active.states);
            images.enumerate().for_each(|(place, (image, state))| {
                let canvas = Canvas {
                    x: case.image(rows[place]),
                    shape: case.shape,
                    range: case.setting.range,
                    budget: self.budget(),
                };
                image.copy_from_slice(&state.kept);
                match query {
                    0 => canvas.begin(image, &mut state.rng),
                    _ => canvas.change(image, side, &mut state.rng),
                }
            });
            let open = self.judge(oracle, &mut active, query, &mut found)?;
            active.retain(&open);
        }
        Ok(found)
    }
}

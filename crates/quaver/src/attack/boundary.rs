//! Boundary attack.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::rng::Rng;
use crate::spec::{Allowed, Interval, Parameter, Spec, SpecError};
use crate::threat::{Bound, Norm};

use super::active::Active;
use super::ascent::N_STEPS;
use super::oracle::Oracle;
use super::walk::Walk;
use super::{Access, Attack, AttackError, Case, Dialect, Entry, Perturbed, Setting, Start};

pub(super) const ENTRY: Entry = Entry {
    id: "boundary",
    short: "Boundary",
    title: "Boundary attack",
    paper: "Decision-Based Adversarial Attacks: Reliable Attacks Against Black-Box Machine Learning Models (2018)",
    access: Access::DecisionBased,
    norms: &[Norm::L2],
    dialects: &[Dialect::Corrected],
    start: Start::Adversarial,
    always_targeted: false,
    parameters: &[
        N_STEPS.or("5000"),
        Parameter {
            name: "side_step",
            default: "0.01",
            allowed: Allowed::Real(&[Interval::closed(0.01, 0.99)]),
            about: "first step along the sphere around the image, in parts of the distance",
        },
        Parameter {
            name: "inward_step",
            default: "0.01",
            allowed: Allowed::Real(&[Interval::closed(0.0001, 0.99)]),
            about: "first step toward the image, in parts of the distance",
        },
    ],
    build: |values| {
        let params = values.read()?;
        Ok(Box::new(Boundary { params }))
    },
};

/// Factor of a step's size after a success.
const GROWTH: f64 = 1.1;
/// After a failure a side step shrinks by GROWTH to this power: one success in six holds it.
const SIDE_SHARE: f64 = 0.2;
/// The same of an inward step: one in four.
const INWARD_SHARE: f64 = 1.0 / 3.0;
/// Smallest steps.
const MIN_SIDE: f64 = 0.01;
const MIN_INWARD: f64 = 0.0001;
/// Largest steps.
const MAX_STEP: f64 = 0.99;
/// Tolerance of the first way to the boundary.
const TOLERANCE: f64 = 1e-3;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Params {
    n_steps: u32,
    side_step: f64,
    inward_step: f64,
}

/// Boundary attack: a random walk along the decision boundary, by classes alone, that makes the
/// L2 distance small.
///
/// # Method
/// From an adversarial start to the boundary by halving the way to x. A step adds a normal
/// direction of length `side` · ‖x' - x‖ and returns to the sphere around x on which x' lies;
/// where that, clipped, is adversarial, it goes toward x by `inward` of the way and clips, and if that is
/// adversarial too it is the next x'. Both sizes grow by a tenth with every success; `side` shrinks
/// with every failure so that one in six succeeds, not below 0.01, `inward` so that one in four
/// does, not below 0.0001.
///
/// # Source
/// "Decision-Based Adversarial Attacks: Reliable Attacks Against Black-Box Machine Learning Models"
/// (2018), algorithm 1 and section 2.4. Differs: sizes follow each answer, not the rates of a window
/// of them, and have a lower end, where the paper's walk ends, and half of its side steps succeed: the
/// boundary of a binarized network has corners in which few directions lead on, however
/// short. The way from the start is halved first, which saves the walk there; where noise is
/// fresh in each query, five in a row must find an image adversarial. The runner finds starts.
///
/// # Cost
/// One or two forward passes a step and draw of noise, and ten to begin with.
///
/// # Limits
/// An upper bound of the smallest distance, by chance: another restart may come nearer. On smooth
/// networks `hop-skip-jump` does with as many answers.
#[derive(Clone, Debug)]
pub struct Boundary {
    params: Params,
}

/// Sizes of an image's steps, in parts of the distance.
#[derive(Clone, Copy, Default)]
struct Sizes {
    side: f64,
    inward: f64,
}

impl Sizes {
    fn adapt_side(&mut self, met: bool) {
        let size = adapted(self.side, met, SIDE_SHARE);
        self.side = size.clamp(MIN_SIDE, MAX_STEP);
    }

    fn adapt_inward(&mut self, met: bool) {
        let size = adapted(self.inward, met, INWARD_SHARE);
        self.inward = size.clamp(MIN_INWARD, MAX_STEP);
    }
}

/// A larger size after a success, a smaller one after a failure.
fn adapted(size: f64, met: bool, share: f64) -> f64 {
    match met {
        true => size * GROWTH,
        false => size * libm::pow(GROWTH, -share),
    }
}

/// Moves `image` along the sphere around `x` on which it lies.
fn step_aside(x: &[f32], image: &mut [f32], side: f64, rng: &mut Rng) {
    let length = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>().sqrt();
    let change = |image: &[f32]| -> Vec<f64> {
        let pairs = image.iter().zip(x);
        pairs.map(|(a, x)| f64::from(*a) - f64::from(*x)).collect()
    };
    let before = change(image);
    let radius = length(&mut before.iter().copied());
    let mut direction = vec![0.0_f32; x.len()];
    rng.normals(&mut direction);
    let norm = length(&mut direction.iter().map(|v| f64::from(*v)));
    let scale = side * radius / norm.max(f64::MIN_POSITIVE);
    let after: Vec<f64> = before
        .iter()
        .zip(&direction)
        .map(|(before, u)| before + scale * f64::from(*u))
        .collect();
    let back = radius / length(&mut after.iter().copied()).max(f64::MIN_POSITIVE);
    for ((pixel, x), after) in image.iter_mut().zip(x).zip(after) {
        *pixel = (f64::from(*x) + back * after) as f32;
    }
}

impl Boundary {
    /// Points aside of the active images for `step`, on their spheres.
    fn aside(step: u32, case: &Case<'_>, active: &Active<'_, Sizes>) -> Vec<f32> {
        let purpose = format!("boundary-{}", case.restart);
        let seed = Rng::new(case.seed, &purpose, step.into()).next_u64();
        let mut tried = active.pixels.clone();
        let images = tried.par_chunks_mut(case.n_features()).enumerate();
        images.for_each(|(place, image)| {
            let mut rng = Rng::new(seed, "boundary", active.ids[place]);
            let x = case.image(active.rows[place]);
            step_aside(x, image, active.states[place].side, &mut rng);
        });
        tried
    }

    /// One step of every active image.
    fn step(
        step: u32,
        walk: &mut Walk<'_, '_>,
        case: &Case<'_>,
        active: &mut Active<'_, Sizes>,
    ) -> Result<(), AttackError> {
        let (d, range) = (case.n_features(), case.setting.range);
        let places: Vec<usize> = (0..active.rows.len()).collect();
        let aside = Self::aside(step, case, active);
        let clipped = aside.iter().map(|v| range.clip(*v)).collect();
        let met = walk.met(&active.candidates(&places, clipped))?;
        let sizes = active.states.iter_mut().zip(&met);
        sizes.for_each(|(sizes, met)| sizes.adapt_side(*met));
        let places: Vec<usize> = places.into_iter().filter(|place| met[*place]).collect();
        if places.is_empty() {
            return Ok(());
        }
        let inward = places.iter().flat_map(|place| {
            let share = 1.0 - active.states[*place].inward;
            let pixels = aside[place * d..][..d].iter();
            let pixels = pixels.zip(case.image(active.rows[*place]));
            pixels.map(move |(pixel, x)| {
                let x = f64::from(*x);
                range.clip((x + share * (f64::from(*pixel) - x)) as f32)
            })
        });
        let tried = active.candidates(&places, inward.collect());
        for (i, met) in walk.met(&tried)?.into_iter().enumerate() {
            let place = places[i];
            active.states[place].adapt_inward(met);
            if met {
                active.pixels[place * d..][..d].copy_from_slice(tried.image(i));
            }
        }
        Ok(())
    }
}

impl Attack for Boundary {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn spec(&self, _: Dialect) -> Result<Spec, SpecError> {
        Spec::of(ENTRY.id, &self.params)
    }

    fn bound(&self, _: Setting) -> Bound {
        Bound::Smallest { norm: Norm::L2 }
    }

    fn n_steps(&self, _: Setting) -> u32 {
        self.params.n_steps
    }

    fn perturb(&self, oracle: &mut Oracle<'_>, case: &Case<'_>) -> Result<Perturbed, AttackError> {
        let mut walk = Walk::new(oracle, case, Norm::L2);
        let mut active: Active<'_, Sizes> = walk.begin()?;
        active.states.fill(Sizes {
            side: self.params.side_step,
            inward: self.params.inward_step,
        });
        walk.bisect(&mut active, TOLERANCE)?;
        walk.keep(&active);
        for step in 1..=self.params.n_steps {
            if active.is_empty() {
                break;
            }
            walk.turn_to(step, &active);
            Self::step(step, &mut walk, case, &mut active)?;
            walk.keep(&active);
        }
        Ok(walk.finish())
    }
}

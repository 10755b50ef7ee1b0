//! HopSkipJump.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::rng::Rng;
use crate::spec::{Allowed, Parameter, Spec, SpecError};
use crate::threat::{Bound, Norm};

use super::active::Active;
use super::ascent::{N_STEPS, NORM, NORMS};
use super::oracle::Oracle;
use super::walk::{N_DRAWS, Walk};
use super::{Access, Attack, AttackError, Case, Dialect, Entry, Perturbed, Setting, Start};

pub(super) const ENTRY: Entry = Entry {
    id: "hop-skip-jump",
    short: "HSJ",
    title: "HopSkipJump attack",
    paper: "HopSkipJumpAttack: A Query-Efficient Decision-Based Attack (2020)",
    access: Access::DecisionBased,
    norms: NORMS,
    dialects: &[Dialect::Corrected],
    start: Start::Adversarial,
    always_targeted: false,
    parameters: &[
        N_STEPS.or("50"),
        NORM.or("l2"),
        Parameter {
            name: "n_samples",
            default: "100",
            allowed: Allowed::Integer(2, 10_000),
            about: "classes asked for the direction of the first step; of step t sqrt(t) times as many",
        },
    ],
    build: |values| {
        let params = values.read()?;
        Ok(Box::new(HopSkipJump { params }))
    },
};

/// Radius of the first step's samples, in parts of the pixel range.
const FIRST_RADIUS: f64 = 0.1;
/// Most classes asked for one direction.
const MAX_SAMPLES: f64 = 10_000.0;
/// Halvings of a step before the image stays where it is.
const N_HALVINGS: u32 = 30;
/// Largest tolerance of the way to the boundary: that of the paper is rough where there are few pixels.
const MAX_TOLERANCE: f64 = 1e-3;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Params {
    n_steps: u32,
    norm: Norm,
    n_samples: u32,
}

/// HopSkipJump: walks along the decision boundary, whose direction it estimates from classes
/// alone, and makes the distance small.
///
/// # Method
/// From an adversarial start to the boundary by halving the way to x. Step t: B = `n_samples` √t
/// directions u of length 1 (normal, in L-infinity uniform in the cube) are tried at
/// clip(x' + δ u), φ being +1 where that is adversarial and -1 where not; the gradient is the mean of
/// (φ - mean φ) u, of φ u where all φ agree. x' jumps along it (L-infinity: along its sign) by
/// ‖x' - x‖ / √t, halved until the result is adversarial, and returns to the boundary. δ is a
/// tenth of the pixel range in the first step, then ‖x' - x‖ / d, d being the number of pixels; the way to
/// the boundary is halved down to d^(-3/2) of it, in L-infinity to d^(-2).
///
/// # Source
/// "HopSkipJumpAttack: A Query-Efficient Decision-Based Attack" (2020), algorithms 1 and 2.
/// Differs: the nearest adversarial image is returned, not the last; the way to the boundary is never
/// left coarser than a thousandth; halving a step ends after 30 times, and the image stays; it gets away from
/// the label, not from the class of x, so that an image that is wrong already stays as it is; where
/// noise is fresh in each query, five in a row must find an image adversarial, samples excepted. The
/// runner finds starts.
///
/// # Cost
/// About `n_samples` √t + 20 forward passes in step t, for each draw of noise: 24 000 in 50 steps.
///
/// # Limits
/// An upper bound of the smallest distance, not tight where classes turn with fresh noise.
#[derive(Clone, Debug)]
pub struct HopSkipJump {
    params: Params,
}

/// Sums over the samples of a step.
#[derive(Clone, Default)]
struct Sums {
    /// Of φ u.
    signed: Vec<f32>,
    /// Of u.
    plain: Vec<f32>,
    /// Of φ.
    signs: f64,
}

impl Sums {
    fn clear(&mut self, d: usize) {
        for sum in [&mut self.signed, &mut self.plain] {
            sum.clear();
            sum.resize(d, 0.0);
        }
        self.signs = 0.0;
    }

    /// Adds the sample `tried` around `image`, in units of the radius.
    fn add(&mut self, image: &[f32], tried: &[f32], radius: f64, met: bool) {
        let (per_radius, sign) = (1.0 / radius as f32, if met { 1.0 } else { -1.0 });
        let sums = self.signed.iter_mut().zip(&mut self.plain);
        for ((signed, plain), (x, tried)) in sums.zip(image.iter().zip(tried)) {
            let u = (tried - x) * per_radius;
            *signed += sign * u;
            *plain += u;
        }
        self.signs += f64::from(sign);
    }

    /// The direction estimated from `n` samples; `None` where it is zero.
    fn direction(&mut self, n: u32, norm: Norm) -> Option<&[f32]> {
        let n = f64::from(n);
        if self.signs.abs() < n {
            let mean = (self.signs / n) as f32;
            let sums = self.signed.iter_mut().zip(&self.plain);
            sums.for_each(|(signed, plain)| *signed -= mean * plain);
        }
        let squares: f64 = self.signed.iter().map(|v| f64::from(*v).powi(2)).sum();
        for v in &mut self.signed {
            *v = match norm {
                Norm::Linf if *v == 0.0 => 0.0,
                Norm::Linf => v.signum(),
                _ => (f64::from(*v) / squares.sqrt()) as f32,
            };
        }
        (squares > 0.0).then_some(&self.signed)
    }
}

impl HopSkipJump {
    fn n_samples(&self, step: u32) -> u32 {
        let n = f64::from(self.params.n_samples) * f64::from(step).sqrt();
        n.min(MAX_SAMPLES.max(f64::from(self.params.n_samples))) as u32
    }

    /// Fills `image` with a sample around what it holds.
    fn sample(&self, radius: f64, case: &Case<'_>, rng: &mut Rng, image: &mut [f32]) {
        let mut u = vec![0.0; image.len()];
        match self.params.norm {
            Norm::Linf => u.fill_with(|| (2.0 * rng.uniform() - 1.0) as f32),
            _ => rng.normals(&mut u),
        }
        let length = u.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let scale = (radius / length.max(f64::MIN_POSITIVE)) as f32;
        for (pixel, u) in image.iter_mut().zip(u) {
            *pixel = case.setting.range.clip(*pixel + scale * u);
        }
    }

    /// Estimates the direction of every active image for `step`.
    fn look(
        &self,
        step: u32,
        walk: &mut Walk<'_, '_>,
        case: &Case<'_>,
        active: &mut Active<'_, Sums>,
    ) -> Result<(), AttackError> {
        let d = case.n_features();
        let places: Vec<usize> = (0..active.rows.len()).collect();
        let range = f64::from(case.setting.range.high) - f64::from(case.setting.range.low);
        let radii: Vec<f64> = match step {
            1 => vec![FIRST_RADIUS * range; places.len()],
            _ => places
                .iter()
                .map(|place| walk.distance(active, *place) / d as f64)
                .collect(),
        };
        active.states.iter_mut().for_each(|sums| sums.clear(d));
        let purpose = format!("hop-skip-jump-{}-{step}", case.restart);
        for number in 0..self.n_samples(step) {
            let seed = Rng::new(case.seed, &purpose, number.into()).next_u64();
            let mut tried = active.pixels.clone();
            let images = tried.par_chunks_mut(d).zip(&active.ids).zip(&radii);
            images.for_each(|((image, id), radius)| {
                let mut rng = Rng::new(seed, "hop-skip-jump", *id);
                self.sample(*radius, case, &mut rng, image);
            });
            let tried = active.candidates(&places, tried);
            let met = walk.met_once(&tried)?;
            let images = active.pixels.par_chunks(d).zip(tried.pixels.par_chunks(d));
            let sums = active.states.par_iter_mut().zip(images);
            let answers = radii.par_iter().zip(&met);
            sums.zip(answers)
                .for_each(|((sums, (image, tried)), (radius, met))| {
                    sums.add(image, tried, *radius, *met);
                });
        }
        Ok(())
    }

    /// Moves every active image along its direction, as far as it stays adversarial.
    fn jump(
        &self,
        step: u32,
        walk: &mut Walk<'_, '_>,
        case: &Case<'_>,
        active: &mut Active<'_, Sums>,
    ) -> Result<(), AttackError> {
        let (d, n) = (case.n_features(), self.n_samples(step));
        let mut sizes: Vec<f64> = (0..active.rows.len())
            .map(|place| walk.distance(active, place) / f64::from(step).sqrt())
            .collect();
        let moving = active.states.iter_mut().enumerate();
        let mut places: Vec<usize> = moving
            .filter_map(|(place, sums)| sums.direction(n, self.params.norm).map(|_| place))
            .collect();
        for _ in 0..N_HALVINGS {
            if places.is_empty() {
                break;
            }
            let tried = places.iter().flat_map(|place| {
                let size = sizes[*place];
                let pixels = active
                    .image(*place)
                    .iter()
                    .zip(&active.states[*place].signed);
                pixels.map(move |(x, v)| (f64::from(*x) + size * f64::from(*v)) as f32)
            });
            let tried = tried.map(|v| case.setting.range.clip(v)).collect();
            let tried = active.candidates(&places, tried);
            let met = walk.met(&tried)?;
            for (i, place) in places.iter().enumerate() {
                sizes[*place] /= 2.0;
                if met[i] {
                    active.pixels[place * d..][..d].copy_from_slice(tried.image(i));
                }
            }
            let mut met = met.into_iter();
            places.retain(|_| met.next() == Some(false));
        }
        walk.number_from(n + N_HALVINGS * N_DRAWS);
        Ok(())
    }
}

impl Attack for HopSkipJump {
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
        self.params.n_steps
    }

    fn perturb(&self, oracle: &mut Oracle<'_>, case: &Case<'_>) -> Result<Perturbed, AttackError> {
        let d = case.n_features() as f64;
        let tolerance = match self.params.norm {
            Norm::Linf => 1.0 / (d * d),
            _ => 1.0 / (d * d.sqrt()),
        };
        let tolerance = tolerance.min(MAX_TOLERANCE);
        let mut walk = Walk::new(oracle, case, self.params.norm);
        let mut active: Active<'_, Sums> = walk.begin()?;
        walk.bisect(&mut active, tolerance)?;
        walk.keep(&active);
        for step in 1..=self.params.n_steps {
            if active.is_empty() {
                break;
            }
            walk.turn_to(step, &active);
            self.look(step, &mut walk, case, &mut active)?;
            self.jump(step, &mut walk, case, &mut active)?;
            walk.bisect(&mut active, tolerance)?;
            walk.keep(&active);
        }
        Ok(walk.finish())
    }
}

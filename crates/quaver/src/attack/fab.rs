//! FAB.

use serde::{Deserialize, Serialize};

use crate::rng::Rng;
use crate::spec::{Allowed, Interval, Parameter, Spec, SpecError};
use crate::threat::{Bound, Budget, Distances, Norm};

use super::active::Active;
use super::ascent::N_STEPS;
use super::ball;
use super::hyperplane::reach;
use super::objective::Loss;
use super::oracle::{Oracle, Query};
use super::planes::{Plane, candidates, nearest};
use super::smallest::Smallest;
use super::{Access, Attack, AttackError, Case, Dialect, Entry, Perturbed, Setting, Start};

pub(super) const ENTRY: Entry = Entry {
    id: "fab",
    short: "FAB",
    title: "Fast adaptive boundary attack",
    paper: "Minimally distorted Adversarial Examples with a Fast Adaptive Boundary Attack (2020)",
    access: Access::WhiteBox,
    norms: &[Norm::Linf, Norm::L2, Norm::L1],
    dialects: &[Dialect::Corrected],
    start: Start::Own,
    always_targeted: false,
    parameters: &[
        Parameter {
            name: "norm",
            default: "linf",
            allowed: Allowed::OneOf(&["linf", "l2", "l1"]),
            about: "how the distance is measured",
        },
        N_STEPS.or("100"),
        Parameter {
            name: "n_target_classes",
            default: "0",
            allowed: Allowed::Integer(0, 1000),
            about: "0: the nearest of all classes at each step; else how many of the likeliest wrong \
                    classes restarts go for in turn (FAB-T)",
        },
        Parameter {
            name: "alpha_max",
            default: "0.1",
            allowed: Allowed::Real(&[Interval::closed(0.0, 1.0)]),
            about: "largest share of the way from the clean image",
        },
        Parameter {
            name: "eta",
            default: "1.05",
            allowed: Allowed::Real(&[Interval::closed(1.0, 10.0)]),
            about: "by how much steps onto a plane are taken longer",
        },
        Parameter {
            name: "beta",
            default: "0.9",
            allowed: Allowed::Real(&[Interval::closed(0.0, 0.999)]),
            about: "part of the perturbation that is left after a success",
        },
    ],
    build: |values| {
        let params = values.read()?;
        Ok(Box::new(Fab { params }))
    },
};

/// Steps of the search between the clean image and the nearest adversarial one.
const N_FINAL: u32 = 3;
/// Number of the query that asks whether a step has crossed the boundary.
const AFTER: u32 = 1 << 20;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Params {
    norm: Norm,
    n_steps: u32,
    n_target_classes: u32,
    alpha_max: f64,
    eta: f64,
    beta: f64,
}

/// Fast adaptive boundary attack (FAB): onto the boundary as the classifier's slope shows it, drawn
/// to the clean image, and back into the adversarial side.
///
/// # Method
/// At x with the plane π of the nearest class, d₁ and d₂ are the smallest changes that bring x and the
/// clean x₀ onto π within the pixel range, α = min(‖d₁‖ / (‖d₁‖ + ‖d₂‖), alpha_max), and
/// x' = clip((1 − α)(x + η d₁) + α (x₀ + η d₂)). Where x' is adversarial it is kept if it is nearer, and
/// x' goes on from x₀ + β (x' − x₀). Later rounds of restarts begin at random within half the
/// distance of the nearest plane. At the end the nearest adversarial image is drawn to x₀ in three steps.
///
/// # Source
/// "Minimally distorted Adversarial Examples with a Fast Adaptive Boundary Attack" (2020), algorithm
/// 1; targets by restart as in "Reliable evaluation of adversarial robustness with an ensemble of
/// diverse parameter-free attacks" (2020). Differs: an image that is adversarial at its start is used.
///
/// # Cost
/// A step: as many forward and backward passes as there are classes less one, with targets one, and
/// one forward pass; for each draw of noise.
///
/// # Limits
/// It trusts slopes: on binarized networks those are surrogates.
#[derive(Clone, Debug)]
pub struct Fab {
    params: Params,
}

#[derive(Clone)]
struct State {
    classes: Vec<usize>,
    smallest: Smallest,
}

impl Fab {
    /// Where image `row` begins: at random, half as far at most as its nearest plane is.
    fn start(&self, case: &Case<'_>, row: usize, plane: &Plane) -> Vec<f32> {
        let x = case.image(row);
        let distance = plane.distance(self.params.norm);
        let distance = if distance.is_finite() { distance } else { 0.0 };
        let purpose = format!("attack-start-{}", case.restart);
        let mut rng = Rng::new(case.seed, &purpose, case.ids[row]);
        let budget = Budget {
            norm: self.params.norm,
            eps: (distance / 2.0) as f32,
        };
        let changes = ball::sample(budget, x.len(), &mut rng);
        let pixels = x.iter().zip(changes);
        let moved = pixels.map(|(x, c)| case.setting.range.clip((f64::from(*x) + c) as f32));
        moved.collect()
    }

    /// Moves the active images to where a later round of restarts begins; the first begins at the
    /// clean ones.
    fn begin(
        &self,
        oracle: &mut Oracle<'_>,
        case: &Case<'_>,
        active: &mut Active<'_, State>,
    ) -> Result<(), AttackError> {
        if case.restart < self.params.n_target_classes.max(1) {
            return Ok(());
        }
        let classes: Vec<Vec<usize>> = active.states.iter().map(|s| s.classes.clone()).collect();
        let classes: Vec<&[usize]> = classes.iter().map(Vec::as_slice).collect();
        let planes = nearest(
            oracle,
            active,
            self.params.n_steps,
            &classes,
            self.params.norm,
        )?;
        let d = case.n_features();
        for (place, plane) in planes.nearest.iter().enumerate() {
            if let Some(plane) = plane {
                let start = self.start(case, active.rows[place], plane);
                active.pixels[place * d..][..d].copy_from_slice(&start);
            }
        }
        Ok(())
    }

    /// The step of one image towards its plane.
    fn advance(&self, case: &Case<'_>, row: usize, plane: &Plane, image: &mut [f32]) {
        let (x, range, norm) = (case.image(row), case.setting.range, self.params.norm);
        // The plane seen from x₀ is as far as from x, less what lies between them.
        let between: f64 = (image.iter().zip(x).zip(&plane.w))
            .map(|((v, x), w)| f64::from(*w) * (f64::from(*v) - f64::from(*x)))
            .sum();
        let onto = |from: &[f32], needed: f64| -> Vec<f64> {
            if needed >= 0.0 {
                return reach(norm, from, &plane.w, needed, range);
            }
            let back: Vec<f32> = plane.w.iter().map(|w| -w).collect();
            reach(norm, from, &back, -needed, range)
        };
        let near = onto(image, plane.needed);
        let far = onto(x, plane.needed + between);
        let [n, f] = [&near, &far].map(|changes| length(norm, changes));
        let alpha = if n + f > 0.0 {
            (n / (n + f)).min(self.params.alpha_max)
        } else {
            0.0
        };
        let eta = self.params.eta;
        for (i, v) in image.iter_mut().enumerate() {
            let here = f64::from(*v) + eta * near[i];
            let there = f64::from(x[i]) + eta * far[i];
            *v = range.clip(((1.0 - alpha) * here + alpha * there) as f32);
        }
    }

    /// Draws the nearest adversarial images to the clean ones as long as they stay adversarial.
    fn draw_near(
        &self,
        oracle: &mut Oracle<'_>,
        case: &Case<'_>,
        mut active: Active<'_, State>,
        found: &mut Perturbed,
    ) -> Result<(), AttackError> {
        let loss: Loss = "logit-difference".parse()?;
        let d = case.n_features();
        let any: Vec<bool> = active
            .states
            .iter()
            .map(|s| s.smallest.distance.is_finite())
            .collect();
        active.retain(&any);
        for number in 0..N_FINAL {
            if active.is_empty() {
                break;
            }
            for (place, row) in active.rows.iter().enumerate() {
                let (x, from) = (case.image(*row), &active.states[place].smallest.image);
                let image = &mut active.pixels[place * d..][..d];
                for ((v, x), from) in image.iter_mut().zip(x).zip(from) {
                    // By the same amount as the steps into the adversarial side are longer.
                    *v = (f64::from(*x) + (f64::from(*from) - f64::from(*x)) / self.params.eta)
                        as f32;
                }
            }
            let query = Query {
                step: self.params.n_steps,
                number,
            };
            let outputs = oracle.outputs(&active, query, &loss)?;
            let met: Vec<bool> = (0..active.rows.len())
                .map(|place| active.goal(place).is_met(outputs.class(place)))
                .collect();
            self.keep(case, &mut active, &met, found);
            active.retain(&met);
        }
        Ok(())
    }

    /// Keeps adversarial images that are nearer than those before them.
    fn keep(
        &self,
        case: &Case<'_>,
        active: &mut Active<'_, State>,
        met: &[bool],
        found: &mut Perturbed,
    ) {
        let d = case.n_features();
        for (place, row) in active
            .rows
            .iter()
            .enumerate()
            .filter(|(place, _)| met[*place])
        {
            let image = &active.pixels[place * d..][..d];
            let distance = Distances::between(case.image(*row), image).get(self.params.norm);
            let smallest = &mut active.states[place].smallest;
            smallest.take(image, distance);
            found.set(*row, &smallest.image);
        }
    }
}

fn length(norm: Norm, changes: &[f64]) -> f64 {
    let sizes = changes.iter().map(|c| c.abs());
    match norm {
        Norm::Linf => sizes.fold(0.0, f64::max),
        Norm::L2 => sizes.map(|c| c * c).sum::<f64>().sqrt(),
        Norm::L1 | Norm::L0 => sizes.sum(),
    }
}

impl Attack for Fab {
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
        let (n, d) = (case.ids.len(), case.n_features());
        let mut found = Perturbed::unchanged(case.pixels.to_vec(), n);
        let loss: Loss = "logit-difference".parse()?;
        let states = (0..n).map(|row| State {
            classes: Vec::new(),
            smallest: Smallest::of(case.image(row)),
        });
        let mut active = Active::all(case, case.pixels.to_vec(), states.collect());
        let outputs = oracle.outputs(&active, Query::from(self.params.n_steps), &loss)?;
        for (place, state) in active.states.iter_mut().enumerate() {
            let n_targets = self.params.n_target_classes as usize;
            let all = candidates(&outputs.probs(place), case.aims[place], n_targets);
            state.classes = match n_targets {
                0 => all,
                _ => vec![all[case.restart as usize % all.len()]],
            };
        }
        self.begin(oracle, case, &mut active)?;
        for step in 0..self.params.n_steps {
            if active.is_empty() {
                break;
            }
            let classes: Vec<Vec<usize>> =
                active.states.iter().map(|s| s.classes.clone()).collect();
            let classes: Vec<&[usize]> = classes.iter().map(Vec::as_slice).collect();
            let planes = nearest(oracle, &mut active, step, &classes, self.params.norm)?;
            if step == 0 {
                let met: Vec<bool> = (0..active.rows.len())
                    .map(|place| active.goal(place).is_met(planes.outputs.class(place)))
                    .collect();
                self.keep(case, &mut active, &met, &mut found);
            }
            let finite: Vec<bool> = planes.nearest.iter().map(Option::is_some).collect();
            for (place, plane) in planes.nearest.iter().enumerate() {
                let row = active.rows[place];
                let Some(plane) = plane else {
                    found.flags[row].non_finite = true;
                    continue;
                };
                found.n_steps[row] += 1;
                found.flags[row].zero_gradient |= plane.w.iter().all(|w| *w == 0.0);
                self.advance(case, row, plane, &mut active.pixels[place * d..][..d]);
            }
            active.retain(&finite);
            if active.is_empty() {
                break;
            }
            let number = AFTER;
            let outputs = oracle.outputs(&active, Query { step, number }, &loss)?;
            let met: Vec<bool> = (0..active.rows.len())
                .map(|place| active.goal(place).is_met(outputs.class(place)))
                .collect();
            self.keep(case, &mut active, &met, &mut found);
            for (place, row) in active
                .rows
                .iter()
                .enumerate()
                .filter(|(place, _)| met[*place])
            {
                let image = active.pixels[place * d..][..d].iter_mut();
                for (v, x) in image.zip(case.image(*row)) {
                    let change = f64::from(*v) - f64::from(*x);
                    *v = (f64::from(*x) + self.params.beta * change) as f32;
                }
            }
        }
        self.draw_near(oracle, case, active, &mut found)?;
        Ok(found)
    }
}

//! DeepFool.

use serde::{Deserialize, Serialize};

use crate::spec::{Allowed, Interval, Parameter, Spec, SpecError};
use crate::threat::{Bound, Distances, Norm};

use super::active::Active;
use super::ascent::N_STEPS;
use super::hyperplane::reach;
use super::oracle::Oracle;
use super::planes::{Plane, candidates, nearest};
use super::smallest::Smallest;
use super::{Access, Attack, AttackError, Case, Dialect, Entry, Perturbed, Setting, Start};

pub(super) const ENTRY: Entry = Entry {
    id: "deepfool",
    short: "DeepFool",
    title: "DeepFool",
    paper: "DeepFool: a simple and accurate method to fool deep neural networks (2016)",
    access: Access::WhiteBox,
    norms: &[Norm::L2, Norm::Linf],
    dialects: &[Dialect::Corrected],
    start: Start::Own,
    always_targeted: false,
    parameters: &[
        N_STEPS.or("50"),
        Parameter {
            name: "norm",
            default: "l2",
            allowed: Allowed::OneOf(&["l2", "linf"]),
            about: "how the distance is measured",
        },
        Parameter {
            name: "n_candidates",
            default: "10",
            allowed: Allowed::Integer(0, 1000),
            about: "how many of the likeliest wrong classes are looked at; 0: all",
        },
        Parameter {
            name: "overshoot",
            default: "0.02",
            allowed: Allowed::Real(&[Interval::closed(0.0, 10.0)]),
            about: "by how much the whole way is taken longer",
        },
    ],
    build: |values| {
        let params = values.read()?;
        Ok(Box::new(DeepFool { params }))
    },
};

/// Added to the difference of the logits, so that a plane that is touched is crossed.
const BEYOND: f64 = 1e-4;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Params {
    n_steps: u32,
    norm: Norm,
    n_candidates: u32,
    overshoot: f64,
}

/// DeepFool: steps onto the nearest of the planes that the classifier looks like at the image.
///
/// # Method
/// At x + Σ r, the class l with the nearest plane is that of the smallest |z_l − z_y| / ‖∇(z_l −
/// z_y)‖ in the dual norm; r is the smallest change that reaches it. The image is
/// clip(x + (1 + overshoot) Σ r); it stops where it is adversarial.
///
/// # Source
/// "DeepFool: a simple and accurate method to fool deep neural networks" (2016), algorithm 2 and
/// section 3.3. Differs: r keeps to the pixel range; y is the label and not the prediction.
///
/// # Cost
/// As many forward and backward passes a step as there are candidates, for each draw of noise.
///
/// # Limits
/// Greedy: what it finds is near, and seldom the nearest.
#[derive(Clone, Debug)]
pub struct DeepFool {
    params: Params,
}

#[derive(Clone)]
struct State {
    classes: Vec<usize>,
    /// Σ r.
    way: Vec<f64>,
    smallest: Smallest,
}

impl DeepFool {
    /// Adds the step onto `plane` to the way of one image.
    fn advance(
        &self,
        case: &Case<'_>,
        row: usize,
        plane: &Plane,
        state: &mut State,
        image: &mut [f32],
    ) {
        let range = case.setting.range;
        let needed = plane.needed.abs() + BEYOND;
        // An image beyond the plane already is drawn back to it as if it were before it.
        let changes = reach(self.params.norm, image, &plane.w, needed, range);
        let longer = 1.0 + self.params.overshoot;
        let pixels = image.iter_mut().zip(case.image(row));
        for ((v, x), (way, change)) in pixels.zip(state.way.iter_mut().zip(changes)) {
            *way += change;
            *v = range.clip((f64::from(*x) + longer * *way) as f32);
        }
    }
}

impl Attack for DeepFool {
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
        let states = (0..n).map(|row| State {
            classes: Vec::new(),
            way: vec![0.0; d],
            smallest: Smallest::of(case.image(row)),
        });
        let mut active = Active::all(case, case.pixels.to_vec(), states.collect());
        let loss = "logit-difference".parse()?;
        let outputs = oracle.outputs(&active, self.params.n_steps, &loss)?;
        for (place, state) in active.states.iter_mut().enumerate() {
            let n = self.params.n_candidates as usize;
            state.classes = candidates(&outputs.probs(place), case.aims[place], n);
        }
        for step in 0..=self.params.n_steps {
            if active.is_empty() {
                break;
            }
            let classes: Vec<Vec<usize>> =
                active.states.iter().map(|s| s.classes.clone()).collect();
            let classes: Vec<&[usize]> = classes.iter().map(Vec::as_slice).collect();
            let classes = if step == self.params.n_steps {
                vec![&[][..]; classes.len()]
            } else {
                classes
            };
            let planes = nearest(oracle, &mut active, step, &classes, self.params.norm)?;
            let mut open = Vec::new();
            for (place, plane) in planes.nearest.iter().enumerate() {
                let row = active.rows[place];
                let image = &mut active.pixels[place * d..][..d];
                let state = &mut active.states[place];
                if case.aims[row].is_met(planes.outputs.class(place)) {
                    let distance = Distances::between(case.image(row), image);
                    state.smallest.take(image, distance.get(self.params.norm));
                    found.set(row, &state.smallest.image);
                    open.push(false);
                    continue;
                }
                let Some(plane) = plane else {
                    found.flags[row].non_finite |= step < self.params.n_steps;
                    open.push(false);
                    continue;
                };
                found.n_steps[row] += 1;
                found.flags[row].zero_gradient |= plane.w.iter().all(|w| *w == 0.0);
                self.advance(case, row, plane, state, image);
                open.push(true);
            }
            active.retain(&open);
        }
        Ok(found)
    }
}

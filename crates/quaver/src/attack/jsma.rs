//! JSMA.

use std::sync::Arc;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::spec::{Allowed, Interval, Parameter, Spec, SpecError, check_range};
use crate::threat::{Bound, Budget, Norm};

use super::active::Active;
use super::noise::NoiseMode;
use super::objective::Loss;
use super::objective::cross_entropy_f64::CrossEntropyF64;
use super::objective::logit::Logit;
use super::objective::prob::Prob;
use super::objective::rest_logits::RestLogits;
use super::oracle::Oracle;
use super::{Access, Attack, AttackError, Case, Dialect, Entry, Perturbed, Setting, Start};

mod features;
mod pairs;

use features::{Features, Saliency, Step};

pub(super) const ENTRY: Entry = Entry {
    id: "jsma",
    short: "JSMA",
    title: "Jacobian-based saliency map attack",
    paper: "The Limitations of Deep Learning in Adversarial Settings (2016)",
    access: Access::WhiteBox,
    norms: &[Norm::L0],
    dialects: &[
        Dialect::Corrected,
        Dialect::CleverHans21,
        Dialect::CleverHans31,
        Dialect::Art,
        Dialect::Torchattacks,
    ],
    start: Start::Own,
    always_targeted: true,
    parameters: &[
        Parameter {
            name: "theta",
            default: "1",
            allowed: Allowed::Real(&[Interval::closed(0.001, 1.0), Interval::closed(-1.0, -0.001)]),
            about: "change of a pixel in one step, in pixel units; down if negative",
        },
        Parameter {
            name: "gamma",
            default: "0.1",
            allowed: Allowed::Real(&[Interval::closed(0.0, 1.0)]),
            about: "share of the pixels that may change",
        },
        Parameter {
            name: "jacobian",
            default: "auto",
            allowed: Allowed::OneOf(&["auto", "probs", "log-probs", "logits"]),
            about: "outputs that are differentiated; auto: those of the dialect",
        },
    ],
    build: |values| {
        let params = values.read()?;
        Ok(Box::new(Jsma { params }))
    },
};

/// Which outputs the saliency map differentiates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Jacobian {
    /// What the dialect uses: log-probs in `corrected`, probs in `cleverhans-2.1` and `art`,
    /// logits in `cleverhans-3.1` and `torchattacks`.
    #[default]
    Auto,
    /// Softmax probabilities. Their gradients vanish on confident networks.
    Probs,
    /// Their logarithms: the gradient of the target's is a positive multiple of that of its
    /// probability, hence the same pairs without the underflow.
    LogProbs,
    /// Logits.
    Logits,
}

impl Jacobian {
    const fn resolved(self, dialect: Dialect) -> Self {
        match (self, dialect) {
            (Self::Auto, Dialect::Corrected) => Self::LogProbs,
            (Self::Auto, Dialect::CleverHans21 | Dialect::Art) => Self::Probs,
            (Self::Auto, Dialect::CleverHans31 | Dialect::Torchattacks) => Self::Logits,
            (given, _) => given,
        }
    }

    fn loss(self) -> Loss {
        match self {
            Self::Probs => Loss::of("prob", Arc::new(Prob)),
            Self::Logits => Loss::of("logit", Arc::new(Logit)),
            Self::LogProbs | Self::Auto => Loss::of("cross-entropy-f64", Arc::new(CrossEntropyF64)),
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Params {
    theta: f64,
    gamma: f64,
    jacobian: Jacobian,
}

/// Jacobian-based saliency map attack (JSMA): pushes the two pixels at a time that help the
/// target class most at the cost of the others.
///
/// # Method
/// With T the gradient of the target's output and O that of the sum of the others', the pair
/// (i, j) of unused pixels with T_i + T_j > 0, O_i + O_j < 0 and the largest product
/// -(T_i + T_j)(O_i + O_j) changes by theta (for negative theta both signs turn), until the
/// target is reached (where every step draws new noise the image only rests, and is asked again at
/// the next step), no pair is admissible, or floor(N gamma / 2) steps are done. For
/// probabilities O = -T, so the pair is that of the two largest T. Always targeted; without
/// given targets, a random class other than the label.
///
/// # Source
/// "The Limitations of Deep Learning in Adversarial Settings" (2016), algorithms 2 and 3.
/// Dialects: in `cleverhans-2.1` and `cleverhans-3.1` a step without an admissible pair changes
/// pixel 0 twice and goes on, and a negative theta adds its size without an upper bound; in
/// `art` the two largest T are taken without any test of sign, pixels are used again until they
/// saturate, and the attack goes on while the share of used pixels is at most gamma; in
/// `torchattacks` there are ceil(N gamma / 2) steps, pixels within a hundredth of the bound are
/// left out, the target is the class after the label, and theta must be positive.
///
/// # Cost
/// One forward and one backward pass a step and draw of noise, two of each for logits.
///
/// # Limits
/// Greedy: failing shows little. It bounds how many pixels change, not by how much.
#[derive(Clone, Debug)]
pub struct Jsma {
    params: Params,
}

impl Jsma {
    /// Most pixels that can change.
    fn n_pixels(&self, setting: Setting) -> u32 {
        let share = setting.n_features as f64 * self.params.gamma;
        match setting.dialect {
            Dialect::Art => share.floor() as u32 + 2,
            Dialect::Torchattacks => 2 * (share / 2.0).ceil() as u32,
            _ => 2 * (share / 2.0).floor() as u32,
        }
    }
}

impl Attack for Jsma {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn spec(&self, dialect: Dialect) -> Result<Spec, SpecError> {
        let jacobian = self.params.jacobian.resolved(dialect);
        Spec::of(
            ENTRY.id,
            &Params {
                jacobian,
                ..self.params.clone()
            },
        )
    }

    fn bound(&self, setting: Setting) -> Bound {
        Bound::Ball(Budget {
            norm: Norm::L0,
            eps: self.n_pixels(setting) as f32,
        })
    }

    fn n_steps(&self, setting: Setting) -> u32 {
        let n_pixels = self.n_pixels(setting);
        if setting.dialect != Dialect::Art {
            return n_pixels / 2;
        }
        let width = f64::from(setting.range.high) - f64::from(setting.range.low);
        n_pixels.saturating_mul((width / self.params.theta.abs()).ceil() as u32)
    }

    fn perturb(&self, oracle: &mut Oracle<'_>, case: &Case<'_>) -> Result<Perturbed, AttackError> {
        let setting = case.setting;
        if setting.dialect == Dialect::Torchattacks {
            check_range(
                "theta",
                self.params.theta,
                0.0..=1.0,
                "0.001 to 1 in this dialect",
            )?;
        }
        let jacobian = self.params.jacobian.resolved(setting.dialect);
        let saliency = Saliency {
            theta: self.params.theta as f32,
            gamma: self.params.gamma,
            setting,
            two_gradients: jacobian == Jacobian::Logits && setting.dialect != Dialect::Art,
            asks_again: asks_again(setting.dialect, oracle.noise()),
        };
        let d = case.n_features();
        let mut found = Perturbed::unchanged(case.pixels.to_vec(), case.ids.len());
        let features = case.pixels.par_chunks(d);
        let features = features.map(|x| Features::of(x, &saliency)).collect();
        let mut active = Active::all(case, case.pixels.to_vec(), features);
        let (loss, rest) = (
            jacobian.loss(),
            Loss::of("rest-logits", Arc::new(RestLogits)),
        );
        for step in 0..self.n_steps(setting) {
            if active.is_empty() {
                break;
            }
            let (outputs, t) = oracle.gradient(&active, step, &loss)?;
            // Both gradients of a step are those of one draw of noise.
            let p = match saliency.two_gradients {
                true => Some(oracle.gradient(&active, step, &rest)?.1),
                false => None,
            };
            let p = p.as_deref().unwrap_or(&t);
            let aims = &active.aims;
            let outcomes: Vec<Step> = (active.pixels.par_chunks_mut(d), &mut active.states)
                .into_par_iter()
                .zip((t.par_chunks(d), p.par_chunks(d)))
                .enumerate()
                .map(|(place, ((image, features), (t, p)))| {
                    let reached = outputs.class(place) == aims[place].target;
                    saliency.step(image, features, reached, t, p)
                })
                .collect();
            let goes_on = note(&outcomes, &active, &mut found);
            active.retain(&goes_on);
        }
        for (place, row) in active.rows.iter().enumerate() {
            found.set(*row, active.image(place));
        }
        Ok(found)
    }
}

/// Whether one draw of noise that finds an image at its target is no reason to stop. CleverHans
/// decides anew at every step; ours believes nothing but a mean over several draws.
const fn asks_again(dialect: Dialect, noise: NoiseMode) -> bool {
    match (dialect, noise) {
        (_, NoiseMode::Off | NoiseMode::Fixed) => false,
        (Dialect::CleverHans21 | Dialect::CleverHans31, _) => true,
        (Dialect::Corrected, NoiseMode::PerStep | NoiseMode::PerBackward) => true,
        _ => false,
    }
}

/// Writes down what a step did to each image; whether it goes on.
fn note<S>(outcomes: &[Step], active: &Active<'_, S>, found: &mut Perturbed) -> Vec<bool> {
    for (place, outcome) in outcomes.iter().enumerate() {
        let row = active.rows[place];
        found.flags[row] = found.flags[row].or(outcome.flags);
        found.n_steps[row] += u32::from(outcome.moved);
        if !outcome.goes_on {
            found.set(row, active.image(place));
        }
    }
    outcomes.iter().map(|outcome| outcome.goes_on).collect()
}

//! [`run`]: the only caller of [`Attack::perturb`]. It checks what goes in, projects what comes
//! out, and decides success on draws that the attack has not seen.

use crate::classifier::{Batch, Classifier, Randomness, pixels};
use crate::decision::Decision;
use crate::observe::Observer;
use crate::rng::Rng;
use crate::threat::{Bound, Goal, every};
use ndarray::{Array2, Array4, ArrayView4};
use rayon::prelude::*;
use std::borrow::Cow;

use super::noise::NoiseMode;
use super::oracle::{Cost, Oracle};
use super::record::{AdversarialBatch, AttackRecord, Counts, Origin, Outcome};
use super::surrogate::{InForce, Opened, SurrogateRule};
use super::{Access, Attack, AttackError, Case, Flags, Perturbed, Setting, Start};

mod aim;
mod answers;
mod batch;
mod check;
mod deployed;
mod notes;
mod options;
mod restart;
mod start;
mod tally;

pub use deployed::Deployed;
pub use options::{Inputs, Options};
pub(crate) use tally::tallies;

/// Attacks `inputs`. Success is decided by `options.decision` on passes that neither the attack
/// nor the choice among restarts has seen; clean images are judged on the same passes. A result
/// that is not finite is replaced by the clean image and flagged.
///
/// Work outside the classifier runs in the current rayon pool; its size changes no result.
/// Between batches the observer is asked whether to go on; if not, the finished images are
/// returned and the record says that it is not complete.
///
/// # Errors
/// [`AttackError`]: inputs or options out of range, an attack that does not fit the classifier,
/// or a call that the classifier refuses.
pub fn run(
    attack: &dyn Attack,
    model: &dyn Classifier,
    inputs: &Inputs<'_>,
    options: &Options,
    observer: &dyn Observer,
) -> Result<AdversarialBatch, AttackError> {
    run_against(None, attack, model, inputs, options, observer)
}

/// [`run`] where `deployed`, if there is one, answers about clean and perturbed images instead of
/// the decision alone: what it refuses is no success. Its decision should be that of `options`, by
/// which restarts that meet the goal alike are told apart.
///
/// # Errors
/// As [`run`], and [`AttackError::Deployed`].
pub fn run_against(
    deployed: Option<&dyn Deployed>,
    attack: &dyn Attack,
    model: &dyn Classifier,
    inputs: &Inputs<'_>,
    options: &Options,
    observer: &dyn Observer,
) -> Result<AdversarialBatch, AttackError> {
    let runner = Runner::new(deployed, attack, model, inputs, options)?;
    let n = inputs.ids.len();
    observer.begin(attack.entry().id, n as u64);
    let d = runner.setting.n_features;
    let mut x_adv = vec![0.0; n * d];
    let mut outcomes: Vec<Outcome> = Vec::with_capacity(n);
    while outcomes.len() < n && observer.go_on() {
        let from = outcomes.len();
        let to = n.min(from + options.batch_size);
        let x_adv = &mut x_adv[from * d..to * d];
        let (of_batch, clean) = runner.attack_batch(from, x_adv)?;
        outcomes.extend(of_batch);
        let ids = &inputs.ids[from..to];
        let x = runner.rows(&runner.pixels, from, to);
        // Asked for whole batches, so that random weights are drawn seldom.
        let clean = runner.verdicts(x, ids, clean)?;
        let perturbed = runner.verdicts(x_adv, ids, Vec::new())?;
        for ((outcome, clean), perturbed) in outcomes[from..].iter_mut().zip(clean).zip(perturbed) {
            (outcome.clean, outcome.perturbed) = (clean, perturbed);
        }
        observer.progress(to as u64, "");
    }
    observer.end();
    x_adv.truncate(outcomes.len() * d);
    runner.finish(outcomes, x_adv)
}

struct Runner<'a, 'i> {
    deployed: Option<&'a dyn Deployed>,
    attack: &'a dyn Attack,
    model: &'a dyn Classifier,
    inputs: &'a Inputs<'i>,
    options: &'a Options,
    /// Pixels of all images and of all starts, image after image.
    pixels: Cow<'i, [f32]>,
    start: Option<Cow<'i, [f32]>>,
    setting: Setting,
    bound: Bound,
    noise: NoiseMode,
    decision: Decision,
    targeted: bool,
    /// Classifiers for gradients, by restart and step.
    gradients: Vec<Vec<Opened>>,
    in_force: Vec<InForce>,
}

impl<'a, 'i> Runner<'a, 'i> {
    fn new(
        deployed: Option<&'a dyn Deployed>,
        attack: &'a dyn Attack,
        model: &'a dyn Classifier,
        inputs: &'a Inputs<'i>,
        options: &'a Options,
    ) -> Result<Self, AttackError> {
        check::all(attack, model, inputs, options)?;
        let [c, h, w] = model.input_shape();
        let setting = Setting {
            n_features: c * h * w,
            range: options.range,
            dialect: options.dialect,
        };
        let deterministic = model.randomness() == Randomness::None;
        let (gradients, in_force) = batch::open_surrogates(attack, model, inputs, options)?;
        Ok(Self {
            gradients,
            in_force,
            deployed,
            attack,
            model,
            inputs,
            options,
            pixels: pixels(inputs.x),
            start: inputs.start.map(pixels),
            setting,
            bound: attack.bound(setting),
            noise: if deterministic {
                NoiseMode::Off
            } else {
                options.noise
            },
            decision: if deterministic {
                Decision::Mean(1)
            } else {
                options.decision
            },
            targeted: options.goal == Goal::Targeted || attack.entry().always_targeted,
        })
    }

    fn rows<'b>(&self, values: &'b [f32], from: usize, to: usize) -> &'b [f32] {
        &values[from * self.setting.n_features..to * self.setting.n_features]
    }

    fn batch<'b>(&self, pixels: &'b [f32], ids: &'b [u64]) -> Result<Batch<'b>, AttackError> {
        let [c, h, w] = self.model.input_shape();
        Ok(Batch {
            x: ArrayView4::from_shape((ids.len(), c, h, w), pixels)?,
            ids,
        })
    }

    /// One run of the attack, its result projected into pixel range and ball, and the logits
    /// of the clean images if the attack asked for them.
    fn perturb(
        &self,
        case: &Case<'_>,
        costs: &mut [Cost],
    ) -> Result<(Perturbed, Option<Array2<f32>>), AttackError> {
        let add = |costs: &mut [Cost], more: &[Cost]| {
            costs
                .iter_mut()
                .zip(more)
                .for_each(|(cost, more)| *cost += *more);
        };
        let entry = self.attack.entry();
        let starts = match entry.start {
            Start::Adversarial => {
                let case = Case {
                    seed: Rng::new(case.seed, "attack-start", case.restart.into()).next_u64(),
                    ..*case
                };
                let oracle = Oracle::new(self.model, entry, self.noise, &case, 0);
                Some(start::find(oracle, &case)?)
            }
            Start::Own | Start::Optional => None,
        };
        let case = Case {
            start: starts
                .as_ref()
                .map_or(case.start, |starts| Some(&starts.pixels)),
            ..*case
        };
        let per_run = (self.attack.n_steps(self.setting) + 1) * self.noise.n_draws();
        let first_pass = case.restart * per_run;
        let oracle = Oracle::new(self.model, entry, self.noise, &case, first_pass);
        let mut oracle = match self.gradients.len() {
            0 => oracle,
            n => oracle.with_gradients(&self.gradients[case.restart as usize % n]),
        };
        let mut perturbed = self.attack.perturb(&mut oracle, &case)?;
        let asked = oracle.finish();
        add(costs, &asked.costs);
        for (flags, saturated) in perturbed.flags.iter_mut().zip(asked.saturated) {
            flags.saturated = saturated;
        }
        if let Some(starts) = &starts {
            add(costs, &starts.costs);
            for (flags, found) in perturbed.flags.iter_mut().zip(&starts.found) {
                flags.no_start = !found;
            }
        }
        let d = self.setting.n_features;
        let images = perturbed
            .pixels
            .par_chunks_mut(d)
            .zip(case.pixels.par_chunks(d));
        images
            .zip(perturbed.flags.par_iter_mut())
            .for_each(|((image, x), flags)| self.bring_back(x, image, flags));
        Ok((perturbed, asked.logits))
    }

    /// Projects an image into pixel range and ball; one that is not finite becomes the clean one.
    fn bring_back(&self, x: &[f32], image: &mut [f32], flags: &mut Flags) {
        let range = self.setting.range;
        let ball = self.bound.ball();
        if range.contains_all(image) && ball.is_none_or(|ball| ball.holds(x, image)) {
            return;
        }
        if every(image, |v| v.is_finite()) {
            image.iter_mut().for_each(|v| *v = range.clip(*v));
            if let Some(ball) = ball {
                ball.project(x, image);
            }
        } else {
            image.copy_from_slice(x);
            flags.non_finite = true;
        }
    }

    fn finish(
        &self,
        outcomes: Vec<Outcome>,
        x_adv: Vec<f32>,
    ) -> Result<AdversarialBatch, AttackError> {
        let [c, h, w] = self.model.input_shape();
        Ok(AdversarialBatch {
            x_adv: Array4::from_shape_vec((outcomes.len(), c, h, w), x_adv)?,
            record: self.record(&outcomes)?,
            outcomes,
        })
    }

    fn record(&self, outcomes: &[Outcome]) -> Result<AttackRecord, AttackError> {
        let counts = Counts::of(outcomes, self.targeted);
        let mut cost = Cost::default();
        outcomes.iter().for_each(|outcome| cost += outcome.cost);
        let origin = |given: bool| if given { Origin::Given } else { Origin::Own };
        Ok(AttackRecord {
            attack: self.attack.spec(self.options.dialect)?.to_string(),
            dialect: self.options.dialect,
            labels: self.options.labels,
            goal: self.options.goal,
            targets: self.targeted.then(|| origin(self.inputs.targets.is_some())),
            start: origin(self.start.is_some()),
            randomness: self.model.randomness(),
            noise: self.noise,
            surrogate: match self.attack.entry().access {
                Access::WhiteBox => self.options.surrogate.clone(),
                _ => SurrogateRule::model(),
            },
            surrogates: self.in_force.clone(),
            seed: self.options.seed,
            n_restarts: self.options.n_restarts,
            decision: self.decision,
            guarded: self.deployed.is_some(),
            bound: self.bound,
            range: self.options.range,
            cost,
            complete: outcomes.len() == self.inputs.ids.len(),
            members: Vec::new(),
            search: None,
            notes: notes::of(self.attack, self.options, &counts),
            counts,
        })
    }
}

//! [`run`]: the only caller of [`Attack::perturb`]. It checks what goes in, projects what comes
//! out, and decides success on draws that the attack has not seen.

use crate::classifier::{Batch, Classifier, Randomness, pixels};
use crate::decision::{Decision, Tally};
use crate::observe::Observer;
use crate::rng::Rng;
use crate::threat::{Bound, Goal, every};
use ndarray::{Array2, Array4, ArrayView4, s};
use rayon::prelude::*;
use std::borrow::Cow;

use super::noise::NoiseMode;
use super::oracle::{Cost, Oracle};
use super::record::{AdversarialBatch, AttackRecord, Counts, Origin, Outcome};
use super::surrogate::{InForce, N_CALIBRATION, Opened, SurrogateRule};
use super::{Access, Attack, AttackError, Case, Flags, Perturbed, Setting, Start};

mod aim;
mod answers;
mod check;
mod deployed;
mod notes;
mod options;
mod restart;
mod start;
mod tally;

pub use deployed::Deployed;
pub use options::{Inputs, Options};
use restart::Kept;

/// Images that go through an attack together.
const GROUP: usize = 128;

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
        // Groups side by side stay in a core's cache and wait for nobody between their steps.
        let x_adv = &mut x_adv[from * d..to * d];
        let groups = x_adv.par_chunks_mut(GROUP * d).enumerate();
        let groups: Vec<_> = groups
            .map(|(g, x_adv)| runner.attack_rows(from + g * GROUP, x_adv))
            .collect();
        let mut clean = Vec::new();
        for group in groups {
            let (of_group, seen) = group?;
            outcomes.extend(of_group);
            clean.extend(seen);
        }
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

/// The classifiers for gradients, and what is in force.
fn open_surrogates(
    attack: &dyn Attack,
    model: &dyn Classifier,
    inputs: &Inputs<'_>,
    options: &Options,
) -> Result<(Vec<Vec<Opened>>, Vec<InForce>), AttackError> {
    if attack.entry().access != Access::WhiteBox {
        return Ok(Default::default());
    }
    let x = inputs.calibration.unwrap_or(inputs.x);
    let n = x.dim().0.min(N_CALIBRATION);
    let ids: Vec<u64> = (0..n as u64).collect();
    let clean = Batch {
        x: x.slice_move(s![..n, .., .., ..]),
        ids: &ids,
    };
    Ok(options.surrogate.open(model, clean)?)
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
        let (gradients, in_force) = open_surrogates(attack, model, inputs, options)?;
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

    /// Attacks as many images as `x_adv` takes, from row `from` on: what came of each, not yet
    /// judged, and the clean ones' passes if the attack asked for them.
    fn attack_rows(
        &self,
        from: usize,
        x_adv: &mut [f32],
    ) -> Result<(Vec<Outcome>, Vec<Tally>), AttackError> {
        let d = self.setting.n_features;
        let to = from + x_adv.len() / d;
        let ids = &self.inputs.ids[from..to];
        let labels = &self.inputs.labels[from..to];
        let clean = self.rows(&self.pixels, from, to);
        let attacked = self.attacked_labels(clean, ids, labels)?;
        let mut logits = None;
        let mut kept: Vec<Kept> = Vec::new();
        let mut costs = vec![self.cost_of_labels(); ids.len()];
        for restart in 0..self.options.n_restarts {
            let aims = self.aims(from, &attacked, ids, restart);
            let start = self.start.as_ref().filter(|_| restart == 0);
            let case = Case {
                pixels: clean,
                shape: self.model.input_shape(),
                ids,
                aims: &aims,
                start: start.map(|start| self.rows(start, from, to)),
                setting: self.setting,
                seed: self.options.seed,
                restart,
            };
            let perturbed = self.perturb(&case, &mut costs, &mut logits)?;
            let ranks = self.ranks(&perturbed.pixels, &case, labels)?;
            for row in 0..ids.len() {
                let next = Kept::new(&perturbed, row, aims[row], ranks[row], restart);
                let better = match kept.get_mut(row) {
                    Some(before) => before.take(next),
                    None => {
                        kept.push(next);
                        true
                    }
                };
                if better {
                    let image = &perturbed.pixels[row * d..][..d];
                    x_adv[row * d..][..d].copy_from_slice(image);
                }
            }
        }
        let images = clean.par_chunks(d).zip(x_adv.par_chunks(d));
        let images = images.zip(ids.par_iter().zip(labels));
        let outcomes = images.zip(kept.into_par_iter().zip(costs)).map(
            |((pixels, (id, label)), (kept, cost))| {
                Kept { cost, ..kept }.outcome((*id, *label), pixels, self.options.range)
            },
        );
        // An attack that starts from a clean image has already asked what it is taken for.
        let seen = logits.as_ref().map(tally::of_logits).unwrap_or_default();
        Ok((outcomes.collect(), seen))
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
        clean: &mut Option<Array2<f32>>,
    ) -> Result<Perturbed, AttackError> {
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
        *clean = clean.take().or(asked.logits);
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
        Ok(perturbed)
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
            notes: notes::of(self.attack, self.options, &counts),
            counts,
        })
    }
}

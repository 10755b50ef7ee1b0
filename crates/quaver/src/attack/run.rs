//! [`run`]: the only caller of [`Attack::perturb`]. It checks what goes in, projects what comes
//! out, and decides success on draws that the attack has not seen.

use crate::classifier::{Batch, Classifier, Draw, Noise, Purpose, Randomness, pixels};
use crate::decision::{Decision, Tally, argmax, softmax};
use crate::observe::Observer;
use crate::rng::Rng;
use crate::threat::{Budget, Distances, Goal, every};
use ndarray::{Array2, Array4, ArrayView4};
use rayon::prelude::*;
use std::borrow::Cow;

use super::noise::NoiseMode;
use super::objective::Aim;
use super::oracle::{Cost, Oracle};
use super::record::{AdversarialBatch, AttackRecord, Counts, Origin};
use super::{Attack, AttackError, Case, Dialect, LabelSource, Perturbed, Setting};

mod check;
mod found;
mod judge;
mod options;
mod restart;

use found::Found;
pub use options::{Inputs, Options};
use restart::{Kept, Rank, rank};

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
    let runner = Runner::new(attack, model, inputs, options)?;
    let n = inputs.ids.len();
    observer.begin(attack.entry().id, n as u64);
    let d = runner.setting.n_features;
    let mut x_adv = vec![0.0; n * d];
    let mut found = Found::default();
    while found.n() < n && observer.go_on() {
        let from = found.n();
        let to = n.min(from + options.batch_size);
        // Groups side by side stay in a core's cache and wait for nobody between their steps.
        let x_adv = &mut x_adv[from * d..to * d];
        let groups = x_adv.par_chunks_mut(GROUP * d).enumerate();
        let groups: Vec<_> = groups
            .map(|(g, x_adv)| runner.attack_rows(from + g * GROUP, x_adv))
            .collect();
        for group in groups {
            found.append(group?);
        }
        let ids = &inputs.ids[from..to];
        if found.clean.len() < to {
            let clean = runner.rows(&runner.pixels, from, to);
            found.clean.truncate(from);
            found.clean.extend(runner.tallies(clean, ids, 0)?);
        }
        found.adversarial.extend(runner.tallies(x_adv, ids, 0)?);
        observer.progress(to as u64, "");
    }
    observer.end();
    x_adv.truncate(found.n() * d);
    runner.finish(found, x_adv)
}

struct Runner<'a, 'i> {
    attack: &'a dyn Attack,
    model: &'a dyn Classifier,
    inputs: &'a Inputs<'i>,
    options: &'a Options,
    /// Pixels of all images and of all starts, image after image.
    pixels: Cow<'i, [f32]>,
    start: Option<Cow<'i, [f32]>>,
    setting: Setting,
    budget: Budget,
    noise: NoiseMode,
    decision: Decision,
    targeted: bool,
}

impl<'a, 'i> Runner<'a, 'i> {
    fn new(
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
        Ok(Self {
            attack,
            model,
            inputs,
            options,
            pixels: pixels(inputs.x),
            start: inputs.start.map(pixels),
            setting,
            budget: attack.budget(setting),
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

    /// Attacks as many images as `x_adv` takes, from row `from` on.
    fn attack_rows(&self, from: usize, x_adv: &mut [f32]) -> Result<Found, AttackError> {
        let d = self.setting.n_features;
        let to = from + x_adv.len() / d;
        let mut cost = Cost::default();
        let ids = &self.inputs.ids[from..to];
        let labels = &self.inputs.labels[from..to];
        let clean = self.rows(&self.pixels, from, to);
        let mut logits = None;
        let attacked = self.attacked_labels(clean, ids, labels, &mut cost)?;
        let mut kept: Option<Kept> = None;
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
            let perturbed = self.perturb(&case, &mut cost, &mut logits)?;
            let ranks = self.ranks(&perturbed.pixels, ids, labels, &aims)?;
            let targets = aims.iter().map(|aim| aim.target).collect();
            let new = Kept {
                targets,
                perturbed,
                restarts: vec![restart; ids.len()],
                ranks,
            };
            kept = Some(match kept {
                None => new,
                Some(before) => before.worse_of(&new, d),
            });
        }
        let Some(kept) = kept else {
            return Ok(Found::default());
        };
        x_adv.copy_from_slice(&kept.perturbed.pixels);
        let pairs = clean.par_chunks(d).zip(x_adv.par_chunks(d));
        Ok(Found {
            attacked_labels: attacked,
            // An attack that starts from a clean image has already asked what it is taken for.
            clean: logits.as_ref().map(judge::of_logits).unwrap_or_default(),
            targets: kept.targets.into_iter().flatten().collect(),
            distances: pairs
                .map(|(x, x_adv)| Distances::between(x, x_adv))
                .collect(),
            n_steps: kept.perturbed.n_steps,
            restarts: kept.restarts,
            flags: kept.perturbed.flags,
            cost,
            ..Found::default()
        })
    }

    /// The labels to go by. Where the classifier's output is no number the true label stands in.
    fn attacked_labels(
        &self,
        clean: &[f32],
        ids: &[u64],
        labels: &[usize],
        cost: &mut Cost,
    ) -> Result<Vec<usize>, AttackError> {
        if self.options.labels == LabelSource::True {
            return Ok(labels.to_vec());
        }
        let noise = match self.noise {
            NoiseMode::Off => Noise::Off,
            _ => Noise::draw(self.options.seed, Purpose::Label, 0),
        };
        cost.n_forward += ids.len() as u64;
        let logits = self.model.logits(self.batch(clean, ids)?, noise)?;
        let predicted = logits.outer_iter().map(|z| argmax(&softmax(&z.to_vec())));
        Ok(predicted
            .zip(labels)
            .map(|(class, label)| class.unwrap_or(*label))
            .collect())
    }

    fn aims(&self, from: usize, labels: &[usize], ids: &[u64], restart: u32) -> Vec<Aim> {
        let n_classes = self.model.n_classes();
        let target_of = |place: usize| match self.inputs.targets {
            _ if !self.targeted => None,
            Some(targets) => Some(targets[from + place]),
            None if self.options.dialect == Dialect::Torchattacks => {
                Some((labels[place] + 1) % n_classes)
            }
            None => {
                let purpose = format!("attack-target-{restart}");
                let mut rng = Rng::new(self.options.seed, &purpose, ids[place]);
                Some((labels[place] + 1 + rng.below(n_classes - 1)) % n_classes)
            }
        };
        let aim = |(place, label): (usize, &usize)| Aim {
            label: *label,
            target: target_of(place),
        };
        labels.iter().enumerate().map(aim).collect()
    }

    fn batch<'b>(&self, pixels: &'b [f32], ids: &'b [u64]) -> Result<Batch<'b>, AttackError> {
        let [c, h, w] = self.model.input_shape();
        Ok(Batch {
            x: ArrayView4::from_shape((ids.len(), c, h, w), pixels)?,
            ids,
        })
    }

    /// One run of the attack, its result projected into pixel range and budget, and the logits
    /// of the clean images if the attack asked for them.
    fn perturb(
        &self,
        case: &Case<'_>,
        cost: &mut Cost,
        clean: &mut Option<Array2<f32>>,
    ) -> Result<Perturbed, AttackError> {
        let per_run = (self.attack.n_steps(self.setting) + 1) * self.noise.n_draws();
        let first_pass = case.restart * per_run;
        let mut oracle =
            Oracle::new(self.model, self.noise, self.options.seed, first_pass).keeping(case.pixels);
        let mut perturbed = self.attack.perturb(&mut oracle, case)?;
        cost.n_forward += oracle.cost().n_forward;
        cost.n_backward += oracle.cost().n_backward;
        *clean = clean.take().or(oracle.into_logits());
        let d = self.setting.n_features;
        perturbed
            .pixels
            .par_chunks_mut(d)
            .zip(case.pixels.par_chunks(d))
            .zip(perturbed.flags.par_iter_mut())
            .for_each(|((image, x), flags)| {
                let range = self.setting.range;
                if range.contains_all(image) && self.budget.holds(x, image) {
                    return;
                }
                if every(image, |v| v.is_finite()) {
                    image.iter_mut().for_each(|v| *v = range.clip(*v));
                    self.budget.project(x, image);
                } else {
                    image.copy_from_slice(x);
                    flags.non_finite = true;
                }
            });
        Ok(perturbed)
    }

    /// Passes on draws of success from number `first_pass` on.
    fn tallies(
        &self,
        pixels: &[f32],
        ids: &[u64],
        first_pass: u32,
    ) -> Result<Vec<Tally>, AttackError> {
        let draw = Draw {
            seed: self.options.seed,
            purpose: Purpose::Success,
            pass: first_pass,
        };
        let batch = self.batch(pixels, ids)?;
        Ok(judge::tallies(self.model, batch, self.decision, draw)?)
    }

    /// Ranks for the choice among restarts, on passes after those that decide success: the
    /// luckiest of many restarts would otherwise look better than it is. Nothing to choose
    /// among, nothing asked.
    fn ranks(
        &self,
        pixels: &[f32],
        ids: &[u64],
        labels: &[usize],
        aims: &[Aim],
    ) -> Result<Vec<Rank>, AttackError> {
        if self.options.n_restarts == 1 {
            return Ok(vec![(false, 0.0); ids.len()]);
        }
        let tallies = self.tallies(pixels, ids, self.decision.n_passes())?;
        Ok((0..ids.len())
            .map(|i| {
                let target = aims[i]
                    .target
                    .filter(|_| self.options.goal == Goal::Targeted);
                rank(
                    &tallies[i],
                    self.decision,
                    Aim {
                        label: labels[i],
                        target,
                    },
                )
            })
            .collect())
    }

    fn finish(&self, found: Found, x_adv: Vec<f32>) -> Result<AdversarialBatch, AttackError> {
        let n = found.n();
        let [c, h, w] = self.model.input_shape();
        let verdicts =
            |tallies: &[Tally]| tallies.iter().map(|t| self.decision.verdict(t)).collect();
        let mut batch = AdversarialBatch {
            labels: self.inputs.labels[..n].to_vec(),
            attacked_labels: found.attacked_labels,
            targets: self.targeted.then_some(found.targets),
            clean_verdicts: verdicts(&found.clean),
            verdicts: verdicts(&found.adversarial),
            distances: found.distances,
            n_steps: found.n_steps,
            restarts: found.restarts,
            flags: found.flags,
            record: self.record(found.cost, n)?,
            ids: self.inputs.ids[..n].to_vec(),
            x_adv: Array4::from_shape_vec((n, c, h, w), x_adv)?,
        };
        batch.record.counts = batch.counts();
        Ok(batch)
    }

    fn record(&self, cost: Cost, n: usize) -> Result<AttackRecord, AttackError> {
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
            seed: self.options.seed,
            n_restarts: self.options.n_restarts,
            decision: self.decision,
            budget: self.budget,
            range: self.options.range,
            cost,
            complete: n == self.inputs.ids.len(),
            counts: Counts::default(),
        })
    }
}

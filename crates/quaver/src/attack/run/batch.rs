//! One batch of images through all restarts.

use std::borrow::Cow;

use ndarray::{Array2, s};
use rayon::prelude::*;

use super::restart::{Kept, Rank};
use super::{Inputs, Options, Runner, tally};
use crate::attack::objective::Aim;
use crate::attack::oracle::Cost;
use crate::attack::record::Outcome;
use crate::attack::surrogate::{InForce, N_CALIBRATION, Opened};
use crate::attack::{Access, Attack, AttackError, Case, Perturbed};
use crate::classifier::{Batch, Classifier};
use crate::decision::Tally;

/// Images that go through an attack together, at most: they stay in a core's cache and wait for no
/// other group between their steps.
const GROUP: usize = 128;
/// Images that an engine works on side by side.
const SIDE_BY_SIDE: usize = 16;

/// What one restart made of a group of images.
struct Group {
    perturbed: Perturbed,
    aims: Vec<Aim>,
    ranks: Vec<Rank>,
    costs: Vec<Cost>,
    /// Logits of the clean images, if they were asked for.
    logits: Option<Array2<f32>>,
}

/// The classifiers for gradients, and what is in force.
pub(super) fn open_surrogates(
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

/// Groups that keep all threads busy and registers full. Their size changes no result.
fn group_size(n: usize) -> usize {
    let share = n.div_ceil(rayon::current_num_threads());
    share
        .next_multiple_of(SIDE_BY_SIDE)
        .clamp(SIDE_BY_SIDE, GROUP)
}

impl Runner<'_, '_> {
    /// Attacks as many images as `x_adv` takes, from row `from` on: what came of each, not yet
    /// judged, and the clean ones' passes if the attack asked for them.
    pub(super) fn attack_batch(
        &self,
        from: usize,
        x_adv: &mut [f32],
    ) -> Result<(Vec<Outcome>, Vec<Tally>), AttackError> {
        let d = self.setting.n_features;
        let to = from + x_adv.len() / d;
        let (ids, labels) = (&self.inputs.ids[from..to], &self.inputs.labels[from..to]);
        let pixels = self.rows(&self.pixels, from, to);
        let attacked = self.attacked_labels(pixels, ids, labels)?;
        let mut kept: Vec<Option<Kept>> = (from..to).map(|_| None).collect();
        let mut clean = Vec::new();
        let mut standing: Vec<usize> = (from..to).collect();
        let is_done = |kept: &Option<Kept>| {
            self.options.stop_early && kept.as_ref().is_some_and(|kept| kept.rank.0)
        };
        let mut next = 0;
        while next < self.options.n_restarts && !standing.is_empty() {
            let size = group_size(standing.len());
            // Of few images restarts run side by side. Those that one after another would not
            // have come to are left out.
            let wave = self.wave(standing.len().div_ceil(size), next);
            let restarts: Vec<u32> = (next..next + wave).collect();
            let runs: Vec<(u32, &[usize])> = restarts
                .iter()
                .flat_map(|restart| standing.chunks(size).map(|rows| (*restart, rows)))
                .collect();
            let groups: Result<Vec<Group>, _> = runs
                .par_iter()
                .map(|(restart, rows)| self.attack_group(rows, (from, &attacked), *restart))
                .collect();
            for ((restart, rows), group) in runs.iter().zip(groups?) {
                let logits = group.logits.iter().filter(|_| *restart == 0);
                clean.extend(logits.flat_map(tally::of_logits));
                for (place, row) in rows.iter().enumerate() {
                    let kept = &mut kept[row - from];
                    if !is_done(kept) && group.keep(place, *restart, kept) {
                        let image = &group.perturbed.pixels[place * d..][..d];
                        x_adv[(row - from) * d..][..d].copy_from_slice(image);
                    }
                }
            }
            standing.retain(|row| !is_done(&kept[row - from]));
            next += wave;
        }
        let images = pixels.par_chunks(d).zip(x_adv.par_chunks(d));
        let images = images.zip(ids.par_iter().zip(labels));
        let kept: Vec<Kept> = kept.into_iter().flatten().collect();
        let outcomes = images.zip(kept.into_par_iter());
        let outcome = |((images, (id, label)), kept): ((_, (&u64, &usize)), Kept)| {
            kept.outcome((*id, *label), images, self.options.range)
        };
        Ok((outcomes.map(outcome).collect(), clean))
    }

    /// How many restarts run side by side, on `n_groups` groups each.
    fn wave(&self, n_groups: usize, next: u32) -> u32 {
        let wave = (rayon::current_num_threads() / n_groups).max(1) as u32;
        wave.min(self.options.n_restarts - next)
    }

    /// One restart on the images `rows` of a batch from row `from` on, whose labels to go by are
    /// `attacked`.
    fn attack_group(
        &self,
        rows: &[usize],
        (from, attacked): (usize, &[usize]),
        restart: u32,
    ) -> Result<Group, AttackError> {
        let ids: Vec<u64> = rows.iter().map(|row| self.inputs.ids[*row]).collect();
        let labels: Vec<usize> = rows.iter().map(|row| self.inputs.labels[*row]).collect();
        let attacked: Vec<usize> = rows.iter().map(|row| attacked[row - from]).collect();
        let aims = self.aims(rows, &attacked, &ids, restart);
        let pixels = self.gather(&self.pixels, rows);
        let start = self.start.as_ref().filter(|_| restart == 0);
        let start = start.map(|start| self.gather(start, rows));
        let case = Case {
            pixels: &pixels,
            shape: self.model.input_shape(),
            ids: &ids,
            aims: &aims,
            start: start.as_deref(),
            setting: self.setting,
            seed: self.options.seed,
            restart,
        };
        let first = match restart {
            0 => self.cost_of_labels(),
            _ => Cost::default(),
        };
        let mut costs = vec![first; rows.len()];
        let (perturbed, logits) = self.perturb(&case, &mut costs)?;
        Ok(Group {
            ranks: self.ranks(&perturbed.pixels, &case, &labels)?,
            perturbed,
            costs,
            logits,
            aims,
        })
    }

    /// The images `rows` of `values`; copied only if they do not lie side by side.
    fn gather<'b>(&self, values: &'b [f32], rows: &[usize]) -> Cow<'b, [f32]> {
        let [first, .., last] = *rows else {
            return match *rows {
                [only] => Cow::Borrowed(self.rows(values, only, only + 1)),
                _ => Cow::Borrowed(&[]),
            };
        };
        if last - first + 1 == rows.len() {
            return Cow::Borrowed(self.rows(values, first, last + 1));
        }
        let images = rows.iter().flat_map(|row| self.rows(values, *row, row + 1));
        Cow::Owned(images.copied().collect())
    }
}

impl Group {
    /// Keeps the image at `place` if it hurts more than what is kept, and says whether it does.
    fn keep(&self, place: usize, restart: u32, kept: &mut Option<Kept>) -> bool {
        let (aim, rank) = (self.aims[place], self.ranks[place]);
        let next = Kept {
            cost: self.costs[place],
            ..Kept::new(&self.perturbed, place, aim, rank, restart)
        };
        match kept {
            Some(before) => before.take(next),
            None => {
                *kept = Some(next);
                true
            }
        }
    }
}

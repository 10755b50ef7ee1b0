//! Choosing among the restarts of an attack, image by image.

use crate::attack::Perturbed;
use crate::attack::objective::Aim;
use crate::decision::{Decision, Tally};

/// The best restart of each image so far.
pub(super) struct Kept {
    pub(super) targets: Vec<Option<usize>>,
    pub(super) perturbed: Perturbed,
    pub(super) restarts: Vec<u32>,
    pub(super) ranks: Vec<Rank>,
}

/// How much a restart hurts: whether the goal is met, then the margin of mean probabilities.
pub(super) type Rank = (bool, f64);

impl Kept {
    /// For each image the restart that hurts more, the earlier one if they hurt alike; the flags
    /// of both.
    pub(super) fn worse_of(mut self, new: &Self, d: usize) -> Self {
        for row in 0..self.ranks.len() {
            let (before, after) = (self.ranks[row], new.ranks[row]);
            let flags = self.perturbed.flags[row].or(new.perturbed.flags[row]);
            self.perturbed.flags[row] = flags;
            if (after.0 && !before.0) || (after.0 == before.0 && after.1 > before.1) {
                self.ranks[row] = after;
                self.targets[row] = new.targets[row];
                self.restarts[row] = new.restarts[row];
                self.perturbed.n_steps[row] = new.perturbed.n_steps[row];
                self.perturbed
                    .set(row, &new.perturbed.pixels[row * d..][..d]);
            }
        }
        self
    }
}

/// How much one image suffers by `tally`.
pub(super) fn rank(tally: &Tally, decision: Decision, aim: Aim) -> Rank {
    let class = aim.target.unwrap_or(aim.label);
    let of_class = tally.sum()[class];
    let others = tally.sum().iter().enumerate().filter(|(c, _)| *c != class);
    let best_other = others.fold(f64::NEG_INFINITY, |best, (_, p)| best.max(*p));
    let verdict = decision.verdict(tally);
    match aim.target {
        Some(target) => (verdict.is(target), of_class - best_other),
        None => (!verdict.is(aim.label), best_other - of_class),
    }
}

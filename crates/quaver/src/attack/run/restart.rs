//! Choosing among the restarts of an attack, image by image.

use crate::attack::objective::Aim;
use crate::attack::oracle::Cost;
use crate::attack::record::Outcome;
use crate::attack::{Flags, Perturbed};
use crate::decision::{Tally, Verdict};
use crate::threat::{Bound, Distances, PixelRange};

/// How much a restart hurts: whether the goal is met, then by how much.
pub(super) type Rank = (bool, f64);

/// The best restart of one image so far.
pub(super) struct Kept {
    pub(super) aim: Aim,
    pub(super) rank: Rank,
    pub(super) restart: u32,
    pub(super) n_steps: u32,
    /// What went wrong in any restart.
    pub(super) flags: Flags,
    /// What all restarts asked.
    pub(super) cost: Cost,
}

impl Kept {
    /// Image `row` of a restart.
    pub(super) fn new(found: &Perturbed, row: usize, aim: Aim, rank: Rank, restart: u32) -> Self {
        Self {
            aim,
            rank,
            restart,
            n_steps: found.n_steps[row],
            flags: found.flags[row],
            cost: Cost::default(),
        }
    }

    /// Takes the next restart of the image. Keeps the one that hurts more, the earlier one if they
    /// hurt alike; says whether that is the next.
    pub(super) fn take(&mut self, next: Self) -> bool {
        let (before, after) = (self.rank, next.rank);
        let flags = self.flags.or(next.flags);
        let mut cost = self.cost;
        cost += next.cost;
        let better = (after.0 && !before.0) || (after.0 == before.0 && after.1 > before.1);
        if better {
            *self = next;
        }
        self.flags = flags;
        self.cost = cost;
        better
    }

    /// What came of the image `id`, moved from `x` to `x_adv`, before it is judged.
    pub(super) fn outcome(
        self,
        (id, label): (u64, usize),
        (x, x_adv): (&[f32], &[f32]),
        range: PixelRange,
    ) -> Outcome {
        Outcome {
            id,
            label,
            attacked_label: self.aim.label,
            target: self.aim.target,
            clean: Verdict::Abstain,
            perturbed: Verdict::Abstain,
            distances: Distances::between(x, x_adv),
            in_range: range.contains_all(x_adv),
            n_steps: self.n_steps,
            restart: self.restart,
            member: None,
            flags: self.flags,
            cost: self.cost,
        }
    }
}

/// How much one image suffers by its `verdict` and `tally`: the margin of its mean probabilities, or, where the
/// smallest perturbation is sought, minus its size.
pub(super) fn rank(
    tally: &Tally,
    verdict: Verdict,
    aim: Aim,
    bound: Bound,
    distances: impl FnOnce() -> Distances,
) -> Rank {
    let class = aim.target.unwrap_or(aim.label);
    let met = match aim.target {
        Some(target) => verdict.is(target),
        None => !verdict.is(aim.label) && verdict != Verdict::Rejected,
    };
    if let (true, Bound::Smallest { norm }) = (met, bound) {
        return (met, -distances().get(norm));
    }
    let of_class = tally.sum()[class];
    let others = tally.sum().iter().enumerate().filter(|(c, _)| *c != class);
    let best_other = others.fold(f64::NEG_INFINITY, |best, (_, p)| best.max(*p));
    let margin = best_other - of_class;
    (
        met,
        if aim.target.is_some() {
            -margin
        } else {
            margin
        },
    )
}

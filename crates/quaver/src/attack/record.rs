//! What a run of an attack returns: [`AdversarialBatch`] and its [`AttackRecord`].

use serde::{Deserialize, Serialize};

use crate::classifier::{Images, Randomness};
use crate::decision::{Decision, Verdict};
use crate::threat::{Budget, Distances, Goal, PixelRange};

use super::noise::NoiseMode;
use super::oracle::Cost;
use super::{Dialect, Flags, LabelSource};

/// Attacked images, all lists `(n)` in the order of the inputs. If the observer stopped the run,
/// n is the number of finished images.
#[derive(Clone, Debug)]
pub struct AdversarialBatch {
    /// `(n, c, h, w)`, in budget and pixel range.
    pub x_adv: Images,
    /// Ids of the images.
    pub ids: Vec<u64>,
    /// True labels.
    pub labels: Vec<usize>,
    /// Labels the attack went by: the true or the predicted ones.
    pub attacked_labels: Vec<usize>,
    /// Target classes; `None` for an untargeted attack.
    pub targets: Option<Vec<usize>>,
    /// What the classifier answers for the clean image.
    pub clean_verdicts: Vec<Verdict>,
    /// What it answers for the perturbed image, on the same fresh draws.
    pub verdicts: Vec<Verdict>,
    /// Sizes of the perturbations.
    pub distances: Vec<Distances>,
    /// Steps taken in the restart that was kept.
    pub n_steps: Vec<u32>,
    /// The restart that was kept, from 0.
    pub restarts: Vec<u32>,
    /// What went wrong in any restart.
    pub flags: Vec<Flags>,
    /// How it was made, and the counts.
    pub record: AttackRecord,
}

impl AdversarialBatch {
    /// Number of images.
    #[must_use]
    pub fn n(&self) -> usize {
        self.ids.len()
    }

    /// Whether image `row` is put into a wrong class. An abstention is none.
    #[must_use]
    pub fn success(&self, row: usize) -> bool {
        matches!(self.verdicts[row], Verdict::Class(class) if class != self.labels[row])
    }

    /// Whether image `row` is put into its target class; `None` for an untargeted attack.
    #[must_use]
    pub fn target_reached(&self, row: usize) -> Option<bool> {
        self.targets
            .as_ref()
            .map(|targets| self.verdicts[row].is(targets[row]))
    }

    /// Whether the clean image `row` is classified correctly.
    #[must_use]
    pub fn initially_correct(&self, row: usize) -> bool {
        self.clean_verdicts[row].is(self.labels[row])
    }

    pub(super) fn counts(&self) -> Counts {
        let count =
            |holds: &dyn Fn(usize) -> bool| (0..self.n()).filter(|i| holds(*i)).count() as u64;
        Counts {
            n: self.n() as u64,
            n_success: count(&|i| self.success(i)),
            n_initially_correct: count(&|i| self.initially_correct(i)),
            n_success_of_correct: count(&|i| self.success(i) && self.initially_correct(i)),
            n_target_reached: self
                .targets
                .as_ref()
                .map(|_| count(&|i| self.target_reached(i) == Some(true))),
            n_zero_gradient: count(&|i| self.flags[i].zero_gradient),
            n_no_admissible_pair: count(&|i| self.flags[i].no_admissible_pair),
            n_non_finite: count(&|i| self.flags[i].non_finite),
        }
    }
}

/// Counts of images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// All attacked images.
    pub n: u64,
    /// In a wrong class after the attack.
    pub n_success: u64,
    /// In the right class before it.
    pub n_initially_correct: u64,
    /// In the right class before and in a wrong one after.
    pub n_success_of_correct: u64,
    /// In the target class after it; `None` for an untargeted attack.
    pub n_target_reached: Option<u64>,
    /// With a gradient that was zero everywhere at some step.
    pub n_zero_gradient: u64,
    /// Without a pixel pair that would have helped at some step.
    pub n_no_admissible_pair: u64,
    /// With a gradient or a result that was not finite.
    pub n_non_finite: u64,
}

/// Where the images of a run began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Given by the caller.
    Given,
    /// Drawn or chosen by the attack.
    Own,
}

/// Everything that decides the result of a run, and the counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttackRecord {
    /// Spec of the attack with all parameters in force.
    pub attack: String,
    /// Whose details were followed.
    pub dialect: Dialect,
    /// Which labels it went by.
    pub labels: LabelSource,
    /// What the best restart was chosen by.
    pub goal: Goal,
    /// Where target classes come from; `None` for an untargeted attack.
    pub targets: Option<Origin>,
    /// Where the search began.
    pub start: Origin,
    /// How the classifier is random.
    pub randomness: Randomness,
    /// Which randomness the attack saw; off for a deterministic classifier.
    pub noise: NoiseMode,
    /// Seed of all draws.
    pub seed: u64,
    /// How often the attack ran on each image.
    pub n_restarts: u32,
    /// Rule of success; one pass for a deterministic classifier.
    pub decision: Decision,
    /// The ball, in pixel units.
    pub budget: Budget,
    /// Values a pixel may take.
    pub range: PixelRange,
    /// What the attack asked of the classifier; checks of success are not counted.
    pub cost: Cost,
    /// Whether all images were attacked.
    pub complete: bool,
    /// Counts of images.
    pub counts: Counts,
}

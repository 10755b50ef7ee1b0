//! What a run of an attack returns: [`AdversarialBatch`] and its [`AttackRecord`].

use serde::{Deserialize, Serialize};

use crate::classifier::{Images, Randomness};
use crate::decision::{Decision, Verdict};
use crate::threat::{Bound, Distances, Goal, PixelRange};

use super::noise::NoiseMode;
use super::oracle::Cost;
use super::surrogate::{InForce, SurrogateRule};
use super::{Dialect, Flags, LabelSource};

/// Attacked images. If the observer stopped the run, only those that were finished.
#[derive(Clone, Debug)]
pub struct AdversarialBatch {
    /// `(n, c, h, w)`, in pixel range and, where there is one, in the ball.
    pub x_adv: Images,
    /// What came of each image, `(n)`, in the order of the inputs.
    pub outcomes: Vec<Outcome>,
    /// How it was made, and the counts.
    pub record: AttackRecord,
}

/// What came of one attacked image.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Its id.
    pub id: u64,
    /// True label.
    pub label: usize,
    /// Label the attack went by: the true or the predicted one.
    pub attacked_label: usize,
    /// Target class; `None` for an untargeted attack.
    pub target: Option<usize>,
    /// What the classifier answers for the clean image.
    pub clean: Verdict,
    /// What it answers for the perturbed image, on the same fresh draws.
    pub perturbed: Verdict,
    /// Size of the perturbation.
    pub distances: Distances,
    /// Whether every pixel of the perturbed image is in range.
    pub in_range: bool,
    /// Steps taken in the restart that was kept.
    pub n_steps: u32,
    /// The restart that was kept, from 0.
    pub restart: u32,
    /// Of a suite: number of the attack that was kept; `None` for its search, and where nothing was
    /// done.
    pub member: Option<u32>,
    /// What went wrong in any restart.
    pub flags: Flags,
    /// What the attack asked of the classifier about it, in all restarts.
    pub cost: Cost,
}

impl Outcome {
    /// Whether the image is put into a wrong class. An abstention is none.
    #[must_use]
    pub fn success(&self) -> bool {
        self.perturbed
            .class()
            .is_some_and(|class| class != self.label)
    }

    /// Whether it is put into its target class; `None` for an untargeted attack.
    #[must_use]
    pub fn target_reached(&self) -> Option<bool> {
        self.target.map(|target| self.perturbed.is(target))
    }

    /// Whether every pixel of the perturbed image is a finite number: only then its L2 distance is.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        self.distances.l2.is_finite()
    }

    /// Whether it was classified rightly before.
    #[must_use]
    pub fn right_before(&self) -> bool {
        self.clean.is(self.label)
    }

    /// Whether it is classified rightly after the attack.
    #[must_use]
    pub fn right_after(&self) -> bool {
        self.perturbed.is(self.label)
    }
}

impl AdversarialBatch {
    /// Number of images.
    #[must_use]
    pub fn n(&self) -> usize {
        self.outcomes.len()
    }

    /// Ids of the images, `(n)`.
    #[must_use]
    pub fn ids(&self) -> Vec<u64> {
        self.outcomes.iter().map(|outcome| outcome.id).collect()
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
    /// Without the adversarial starting point that the attack needs.
    #[serde(default)]
    pub n_no_start: u64,
    /// With a softmax that saturates where a gradient was asked for.
    #[serde(default)]
    pub n_saturated: u64,
}

impl Counts {
    /// Of attacked images; `targeted` says whether there were targets to reach.
    #[must_use]
    pub fn of(outcomes: &[Outcome], targeted: bool) -> Self {
        let count =
            |holds: fn(&Outcome) -> bool| outcomes.iter().filter(|o| holds(o)).count() as u64;
        Self {
            n: outcomes.len() as u64,
            n_success: count(Outcome::success),
            n_initially_correct: count(Outcome::right_before),
            n_success_of_correct: count(|o| o.success() && o.right_before()),
            n_target_reached: targeted.then(|| count(|o| o.target_reached() == Some(true))),
            n_zero_gradient: count(|o| o.flags.zero_gradient),
            n_no_admissible_pair: count(|o| o.flags.no_admissible_pair),
            n_non_finite: count(|o| o.flags.non_finite),
            n_no_start: count(|o| o.flags.no_start),
            n_saturated: count(|o| o.flags.saturated),
        }
    }
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
    /// What stood for the gradients of quantizers.
    #[serde(default = "SurrogateRule::model")]
    pub surrogate: SurrogateRule,
    /// The same by layer, in the first step of the first restart; empty where it is what the model
    /// has, or no gradients were asked for.
    #[serde(default)]
    pub surrogates: Vec<InForce>,
    /// Seed of all draws.
    pub seed: u64,
    /// How often the attack ran on each image.
    pub n_restarts: u32,
    /// Rule of success; one pass for a deterministic classifier.
    pub decision: Decision,
    /// Whether a deployed rule answered, which may refuse inputs: what it refuses is no success.
    #[serde(default)]
    pub guarded: bool,
    /// What limits the perturbation.
    #[serde(rename = "budget")]
    pub bound: Bound,
    /// Values a pixel may take.
    pub range: PixelRange,
    /// What the attack asked of the classifier; checks of success are not counted.
    pub cost: Cost,
    /// Whether all images were attacked.
    pub complete: bool,
    /// Counts of images.
    pub counts: Counts,
    /// What a reader should know before these numbers are believed, one sentence each.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Of a suite: its attacks, in order.
    #[serde(default)]
    pub members: Vec<MemberRecord>,
    /// Of a suite: what its search tried and found.
    #[serde(default)]
    pub search: Option<SearchRecord>,
}

/// What one attack of a suite did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberRecord {
    /// Spec with all parameters in force.
    pub attack: String,
    /// Most runs on an image.
    pub n_restarts: u32,
    /// Which randomness it saw.
    pub noise: NoiseMode,
    /// What stood for the gradients of quantizers.
    pub surrogate: SurrogateRule,
    /// Images that stood before it.
    pub n_attacked: u64,
    /// Those of them that fell.
    pub n_fallen: u64,
    /// What it asked of the classifier.
    pub cost: Cost,
}

/// What a search for the strongest setting tried and found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchRecord {
    /// The setting in force after it.
    pub found: String,
    /// Images that settings were tried on.
    pub n: u64,
    /// In order; the last two are of the default and of what was found on as many other images,
    /// where that is not the same.
    pub tried: Vec<Tried>,
}

/// One setting of a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tried {
    /// The setting.
    pub setting: String,
    /// Images it was tried on.
    pub n: u64,
    /// Those that fell.
    pub n_fallen: u64,
    /// How far the mean image is beyond the border: mean margin of the probabilities.
    pub margin: f64,
}

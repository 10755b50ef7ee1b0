//! [`Evidence`]: what a run knows about one model, as the checks read it.

use crate::attack::record::Outcome;
use crate::evaluate::interval::Rate;
use crate::evaluate::paired::Paired;
use crate::threat::Norm;

/// What was measured on one model. What was not is `None` or empty, and the checks that
/// need it say so.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// Classes; at least 2.
    pub n_classes: usize,
    /// Clean accuracy on the evaluated images under the decision rule in force.
    pub clean_accuracy: Option<Rate>,
    /// Clean images whose outputs, as attacks read them, look like probabilities:
    /// [`looks_like_probabilities`].
    pub probability_rows: Option<Rate>,
    /// Clean images whose largest probability exceeds [`SATURATED`].
    pub saturated: Option<Rate>,
    /// Clean images whose outputs differ between two passes.
    pub differing_passes: Option<Rate>,
    /// The attacks that were run.
    pub attacks: Vec<AttackEvidence>,
    /// Attacks repeated with scaled logits or another loss.
    pub changed_losses: Vec<Comparison>,
    /// An attack and its evaluation on one frozen draw of the randomness (first) beside the
    /// deterministic twin (second).
    pub frozen_randomness: Option<Comparison>,
    /// Defences that this model has.
    pub defences: Vec<Defence>,
    /// The model (first) beside itself with a defence off (second), attacked alike.
    pub ablations: Vec<(Defence, Comparison)>,
}

/// One attack on the model.
#[derive(Clone, Debug, PartialEq)]
pub struct AttackEvidence {
    /// Its spec string, or a name for the reader.
    pub name: String,
    /// Norm of its budget.
    pub norm: Norm,
    /// Radius in that norm, in pixel units; `None` where the attack has no such bound.
    pub eps: Option<f64>,
    /// Everything else that must be equal for two attacks to be compared, as `true labels,
    /// noise off`.
    pub setting: String,
    /// Whether it takes more than one step.
    pub iterative: bool,
    /// Draws of the randomness behind each gradient: 0 with the noise off.
    pub n_gradient_draws: u32,
    /// Passes that success was decided by; at least 1.
    pub n_success_passes: u32,
    /// Whether those passes were drawn for nothing else.
    pub fresh_success: bool,
    /// Which images it was given.
    pub attacked: Attacked,
    /// What came of each image it was given.
    pub images: Vec<Outcome>,
}

/// The images an attack is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attacked {
    /// All, the misclassified ones too.
    All,
    /// Those classified rightly before.
    InitiallyCorrect,
}

/// Two accuracies on the same images.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What is compared, as `pgd with logits x 0.1`.
    pub name: String,
    /// The two accuracies under attack.
    pub paired: Paired,
}

/// A defence that can be turned off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Defence {
    /// Randomness at inference: dropout, stochastic weights.
    Noise,
    /// Many passes instead of one.
    Votes,
    /// Quantized weights or activations.
    Quantization,
}

impl Defence {
    /// Its name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Noise => "noise",
            Self::Votes => "voting",
            Self::Quantization => "quantization",
        }
    }
}

/// Largest probability from which on the cross-entropy gradient all but vanishes in float32.
pub const SATURATED: f64 = 1.0 - 1e-6;

/// Whether a row of outputs lies in [0, 1] and sums to 1, both within 1e-4.
#[must_use]
pub fn looks_like_probabilities(outputs: &[f32]) -> bool {
    let sum: f64 = outputs.iter().map(|&v| f64::from(v)).sum();
    let inside = outputs.iter().all(|v| (-1e-4..=1.0 + 1e-4).contains(v));
    inside && (sum - 1.0).abs() <= 1e-4
}

impl AttackEvidence {
    /// Share of images still classified rightly.
    #[must_use]
    pub fn accuracy(&self) -> Option<Rate> {
        Rate::of(self.images.iter().map(Outcome::right_after))
    }
}

impl Evidence {
    /// Whether passes differ; `None` where that was not measured.
    #[must_use]
    pub fn is_randomized(&self) -> Option<bool> {
        self.differing_passes.map(|rate| rate.k > 0)
    }
}

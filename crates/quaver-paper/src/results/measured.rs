//! What was measured on one network, and over the seeds of one topology.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use quaver::evaluate::checks::CheckResult;
use quaver::evaluate::detection::Detection;
use quaver::evaluate::interval::{Estimate, Rate};
use quaver::evaluate::seeds::Moments;
use quaver::evaluate::spread::Spread;

/// One trained network: a topology under one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedResults {
    /// The seed of training, attacks and passes.
    pub seed: u64,
    /// How it was trained.
    pub training: Training,
    /// Accuracy on all test images with the noise off (one draw where weights stay random).
    pub test_accuracy: Option<Rate>,
    /// Accuracy on all test images, voted over the passes.
    pub test_voted: Option<Rate>,
    /// Clean inputs first ([`super::CLEAN`]), then attacks in the order of the tables.
    pub inputs: Vec<InputResults>,
    /// The honest reading of this network, one entry a column, in the columns' order.
    pub honest: Vec<HonestCell>,
    /// The honesty checks, in the order of their numbers.
    pub checks: Vec<CheckResult>,
}

/// The record of a training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Training images.
    pub n: u64,
    /// Epochs finished.
    pub epochs: u32,
    /// Mean cross-entropy of the last epoch, in nats.
    pub loss: Option<f64>,
    /// Accuracy on the training images during the last epoch, in [0, 1].
    pub accuracy: Option<f64>,
}

/// One column group of the tables: a network on clean inputs or on those of one attack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputResults {
    /// [`super::CLEAN`] or an attack's id.
    pub input: String,
    /// Accuracy of the first pass.
    pub single: Option<Rate>,
    /// Accuracy voted over the passes.
    pub multi: Option<Rate>,
    /// Mean single-pass accuracy over the passes, in [0, 1], with its two-way bootstrap interval.
    pub mean_single: Option<Estimate>,
    /// The paper's uncertainty (variance over passes, eq. 12) over images; at least 0.
    pub uncertainty: Option<Spread>,
    /// The other uncertainty measures over images, by id.
    pub measures: BTreeMap<String, Spread>,
    /// How well clean and these inputs are told apart; `None` for clean inputs.
    pub detection: Option<Detectors>,
    /// What the attack did; `None` for clean inputs.
    pub attack: Option<AttackOutcome>,
}

/// What an attack did to the images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttackOutcome {
    /// Misclassified, of all images.
    pub success: Option<Rate>,
    /// Misclassified, of the initially correct images.
    pub success_of_correct: Option<Rate>,
    /// Classified as the target, of all images; `None` for an untargeted attack.
    pub target_reached: Option<Rate>,
    /// Mean L-infinity distance, in pixel units.
    pub mean_linf: Option<f64>,
    /// Mean L2 distance, in pixel units.
    pub mean_l2: Option<f64>,
    /// Mean number of changed pixels.
    pub mean_l0: Option<f64>,
    /// Images whose gradient was zero everywhere.
    pub n_zero_gradient: u64,
    /// Images stopped by a non-finite gradient.
    pub n_non_finite: u64,
    /// Forward passes, counted by image.
    pub n_forward: u64,
    /// Backward passes, counted by image.
    pub n_backward: u64,
}

/// The logistic-regression detector in the paper's way and in the honest way (spec §8).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detectors {
    /// Fitted and scored on the same points, feature unscaled.
    pub paper: Option<Detection>,
    /// Fitted on one part of the source images, scored on the other.
    pub honest: Option<Detection>,
}

/// One accuracy of the honest reading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HonestCell {
    /// Id of its [`super::HonestColumn`].
    pub column: String,
    /// Voted accuracy under this attack.
    pub accuracy: Option<Rate>,
}

/// A topology over its seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcrossSeeds {
    /// [`SeedResults::test_accuracy`] over seeds.
    pub test_accuracy: Option<Moments>,
    /// [`SeedResults::test_voted`] over seeds.
    pub test_voted: Option<Moments>,
    /// The inputs in the order of [`SeedResults::inputs`].
    pub inputs: Vec<InputMoments>,
    /// The honest reading, in the columns' order.
    pub honest: Vec<HonestMoments>,
}

/// [`InputResults`] over seeds; every field is the moments of its namesake's value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputMoments {
    /// [`super::CLEAN`] or an attack's id.
    pub input: String,
    /// Accuracy of the first pass.
    pub single: Option<Moments>,
    /// Voted accuracy.
    pub multi: Option<Moments>,
    /// Mean single-pass accuracy.
    pub mean_single: Option<Moments>,
    /// Mean uncertainty over images.
    pub uncertainty_mean: Option<Moments>,
    /// Variance of the uncertainty over images.
    pub uncertainty_variance: Option<Moments>,
    /// Accuracy of the detector in the paper's way.
    pub detector_paper: Option<Moments>,
    /// Accuracy of the honest detector, all adversarial inputs.
    pub detector_honest: Option<Moments>,
    /// AUROC of the honest detector, all adversarial inputs.
    pub auroc: Option<Moments>,
}

/// A [`HonestCell`] over seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HonestMoments {
    /// Id of its column.
    pub column: String,
    /// Voted accuracy.
    pub accuracy: Option<Moments>,
}

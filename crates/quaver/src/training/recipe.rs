//! [`Recipe`]: what to train, and how.

use super::{TrainingError, augment, step};
use crate::spec::{Spec as Text, SpecError};
use quaver_nn::arch::Spec;
use quaver_nn::optim::{self, Optimizer};
use quaver_nn::train::schedule::{self, Schedule};
use quaver_nn::train::{Augment, Step};
use serde::Serialize;

/// What to train, and how.
#[derive(Clone, Debug)]
pub struct Recipe<'a> {
    /// Architecture and precision.
    pub network: Spec,
    /// Name of the precision, for the model file.
    pub topology: &'a str,
    /// The rest.
    pub config: Config,
}

/// Settings of a training run; all but numbers are specs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Config {
    /// Passes over the training set.
    pub epochs: u32,
    /// Images a step, at least 1.
    pub batch_size: usize,
    /// Learning rate, positive and finite.
    pub learning_rate: f64,
    /// Seed of starting weights, order, augmentation and noise.
    pub seed: u64,
    /// One of [`STEPS`](step::STEPS).
    pub step: String,
    /// One of [`optim::OPTIMIZERS`].
    pub optimizer: String,
    /// One of [`schedule::SCHEDULES`].
    pub schedule: String,
    /// Some of [`augment::AUGMENTATIONS`], in order.
    pub augment: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            epochs: 15,
            batch_size: 64,
            learning_rate: 1e-3,
            seed: 0,
            step: "cross-entropy".into(),
            optimizer: "adam".into(),
            schedule: "constant".into(),
            augment: Vec::new(),
        }
    }
}

/// The plug-ins that a [`Config`] names, each with its spec in full.
#[derive(Debug)]
pub(super) struct PlugIns {
    pub(super) step: (Box<dyn Step>, Text),
    pub(super) optimizer: (Box<dyn Optimizer>, Text),
    pub(super) schedule: (Box<dyn Schedule>, Text),
    pub(super) augment: Vec<(Box<dyn Augment>, Text)>,
}

impl Config {
    pub(super) fn plug_ins(&self) -> Result<PlugIns, SpecError> {
        let augment = self.augment.iter().map(|text| augment::build(text));
        Ok(PlugIns {
            step: step::build(&self.step)?,
            optimizer: optim::build(&self.optimizer)?,
            schedule: schedule::build(&self.schedule)?,
            augment: augment.collect::<Result<_, _>>()?,
        })
    }
}

impl Recipe<'_> {
    /// Checks all of it, before anything is read or trained.
    ///
    /// # Errors
    /// When the network cannot be built, or a spec names nothing or has bad parameters.
    pub fn check(&self) -> Result<(), TrainingError> {
        self.network.graph()?;
        self.config.plug_ins()?;
        Ok(())
    }
}

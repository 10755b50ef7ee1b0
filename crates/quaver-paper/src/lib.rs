//! The paper's experiment: what it does ([`reproduce`]), its results as plain data and the
//! paper's own numbers beside them.
//!
//! [`config`] says what is run on which `rows`; `measure` trains, attacks and asks, one
//! content-keyed step after another; `assemble` turns what was seen into [`results`], with the
//! verdicts of `claims`; [`files`] are made of results by `tables`, `scenes`, `documents` and the
//! `page`, which lay out and never compute.

mod assemble;
mod claims;
pub mod config;
mod documents;
pub mod files;
mod measure;
mod outline;
mod page;
pub mod published;
pub mod results;
mod rows;
mod scenes;
mod tables;

#[cfg(test)]
mod fixture;

use std::sync::Arc;

use quaver_nn::engine::Engine;
use serde::{Deserialize, Serialize};

pub use config::Config;
pub use documents::brief;
pub use files::render_all;
use measure::{Halt, Seen, Study};
pub use rows::{ROWS, Row};

use quaver::attack::AttackError;
use quaver::classifier::ClassifierError;
use quaver::data::Dataset;
use quaver::data::columns::ColumnError;
use quaver::network::NoImageClassifier;
use quaver::observe::Observer;
use quaver::run::{self, Identity, RunError, RunFolder};
use quaver::spec::SpecError;
use quaver::training::TrainingError;

/// Name of the file that holds the configuration in a run folder.
pub const CONFIG_FILE: &str = "config.json";

/// The experiment cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum PaperError {
    /// A value or a spec string of the configuration.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// Nothing to attack with.
    #[error("the experiment needs at least one attack, got none")]
    NoAttacks,
    /// Training and test images do not go together.
    #[error("{what} of training and test images differ: {train} and {test}")]
    Splits {
        /// What differs.
        what: &'static str,
        /// Of the training images.
        train: String,
        /// Of the test images.
        test: String,
    },
    /// There are fewer test images than are to be attacked.
    #[error("{asked} images to attack, but the data holds {got} test images")]
    TooFewImages {
        /// Images asked for.
        asked: usize,
        /// Test images there are.
        got: usize,
    },
    /// The folder was opened for another run.
    #[error("the run folder was opened for other data or another architecture")]
    OtherFolder,
    /// The run folder.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Training.
    #[error(transparent)]
    Training(#[from] TrainingError),
    /// A trained network that is no classifier.
    #[error(transparent)]
    Network(#[from] NoImageClassifier),
    /// A model file.
    #[error(transparent)]
    Model(#[from] quaver_nn::format::safetensors::FormatError),
    /// An attack.
    #[error(transparent)]
    Attack(#[from] AttackError),
    /// A network refused a call.
    #[error(transparent)]
    Classifier(#[from] ClassifierError),
    /// A step's arrays.
    #[error("a step of the run folder does not read: {0}")]
    Saved(#[from] ColumnError),
    /// JSON.
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// All that was measured; what an interruption left out is missing.
    pub results: results::Results,
    /// Whether everything was measured.
    pub complete: bool,
}

/// What a run folder holds about the configuration.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedConfig {
    schema: u32,
    version: String,
    numerics: u32,
    config: Config,
}

/// What the run of `config` on `(train, test)` is about, to open its folder with. Checks
/// all that can be checked before anything is written.
///
/// # Errors
/// [`PaperError`]: a value out of range, or data that does not fit.
pub fn identity(config: &Config, data: (&Dataset, &Dataset)) -> Result<Identity, PaperError> {
    config.check()?;
    let (train, test) = data;
    let splits = |what, train: String, test: String| match train == test {
        true => Ok(()),
        false => Err(PaperError::Splits { what, train, test }),
    };
    let shape = |data: &Dataset| format!("{:?}", data.image_shape());
    let classes = |data: &Dataset| data.class_names().join(", ");
    splits("names", train.name().into(), test.name().into())?;
    splits("shapes", shape(train), shape(test))?;
    splits("classes", classes(train), classes(test))?;
    if test.len() < config.n {
        return Err(PaperError::TooFewImages {
            asked: config.n,
            got: test.len(),
        });
    }
    Ok(Identity {
        schema: run::SCHEMA,
        dataset: train.name().to_owned(),
        fingerprint: run::digest(&[
            train.fingerprint().as_bytes(),
            test.fingerprint().as_bytes(),
        ]),
        arch: config.arch.clone(),
    })
}

/// Runs the experiment on the `(train, test)` data, in `folder`, and goes on where an earlier
/// run in it stopped. The same configuration and data give the same results and the same files
/// at any number of threads and after any interruption.
///
/// Stages, their progress and the question whether to go on reach `observer`; when it says
/// stop, what is finished returns.
///
/// # Errors
/// [`PaperError`]: a value out of range, data that does not fit, a folder of another run or
/// that cannot be written, a training that diverges.
pub fn reproduce(
    config: &Config,
    data: (&Dataset, &Dataset),
    engine: &Arc<Engine>,
    folder: &mut RunFolder,
    observer: &dyn Observer,
) -> Result<Outcome, PaperError> {
    if identity(config, data)? != *folder.identity() {
        return Err(PaperError::OtherFolder);
    }
    folder.write_json(
        CONFIG_FILE,
        &SavedConfig {
            schema: run::SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            numerics: run::NUMERICS,
            config: config.clone(),
        },
    )?;
    let study = Study::new(config, data, engine, folder, observer)?;
    engine.install(|| {
        let mut seen = Seen::default();
        let complete = match study.run(&mut seen) {
            Ok(()) => true,
            Err(Halt::Stopped) => false,
            Err(Halt::Failed(error)) => return Err(*error),
        };
        let results = assemble::results(&study, &seen, complete);
        Ok(Outcome { results, complete })
    })
}

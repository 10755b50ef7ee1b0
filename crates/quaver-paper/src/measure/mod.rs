//! What is trained, attacked and asked, one content-keyed step after another.

mod attacked;
mod clean;
mod control;
mod passes;
mod plan;
mod train;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use quaver_nn::engine::Engine;
use quaver_nn::model::TrainingRecord;
use serde_json::json;

pub(super) use attacked::Attacked;
pub(super) use clean::Clean;
pub(super) use control::Control;
pub(super) use passes::Passes;
pub(super) use plan::{Column, Planned, STRONGEST};

use super::rows::{ROWS, Row};
use super::{Config, PaperError};
use quaver::classifier::{Classifier, Randomness};
use quaver::data::Dataset;
use quaver::data::npz::Arrays;
use quaver::evaluate::accuracy::worst_case;
use quaver::observe::Observer;
use quaver::run::{self, Key, RunFolder};

/// Why a step did not finish.
pub(super) enum Halt {
    /// The observer said so.
    Stopped,
    /// It failed.
    Failed(Box<PaperError>),
}

impl<E: Into<PaperError>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Failed(Box::new(error.into()))
    }
}

/// All that was seen, by place in [`ROWS`] and seed.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) networks: BTreeMap<(usize, u64), NetworkSeen>,
}

/// What was seen of one network; what an interruption left out is missing.
#[derive(Default)]
pub(super) struct NetworkSeen {
    pub(super) training: Option<TrainingRecord>,
    pub(super) randomness: Option<Randomness>,
    pub(super) clean: Option<Clean>,
    /// In the order of the plan, finished ones only.
    pub(super) attacks: Vec<AttackSeen>,
    /// Columns of the honest reading in order, each with its variants, finished ones only.
    pub(super) honest: Vec<Vec<Attacked>>,
    pub(super) control: Option<Control>,
}

impl NetworkSeen {
    /// Which images stay right under every variant of a column of the honest reading.
    pub(super) fn right_in_column(&self, column: usize) -> Option<Vec<bool>> {
        let variants = self.honest.get(column)?;
        let right: Vec<Vec<bool>> = variants.iter().map(Attacked::right).collect();
        let right: Vec<&[bool]> = right.iter().map(Vec::as_slice).collect();
        worst_case(&right)
    }
}

/// One attack of the tables.
#[derive(Default)]
pub(super) struct AttackSeen {
    pub(super) attacked: Attacked,
    pub(super) passes: Passes,
    /// Pixels of the first images.
    pub(super) examples: Vec<Vec<f32>>,
}

/// A trained network with its place in the study.
struct Trained {
    place: usize,
    seed: u64,
    name: String,
    /// Of the model file: what later steps are keyed by.
    digest: String,
    model: Box<dyn Classifier>,
    training: Option<TrainingRecord>,
}

/// Everything a run works with.
pub(super) struct Study<'a> {
    pub(super) config: &'a Config,
    pub(super) train: Cow<'a, Dataset>,
    pub(super) test: Cow<'a, Dataset>,
    pub(super) attacks: Vec<Planned>,
    pub(super) columns: Vec<Column>,
    engine: &'a Arc<Engine>,
    folder: &'a RunFolder,
    observer: &'a dyn Observer,
}

impl<'a> Study<'a> {
    pub(super) fn new(
        config: &'a Config,
        (train, test): (&'a Dataset, &'a Dataset),
        engine: &'a Arc<Engine>,
        folder: &'a RunFolder,
        observer: &'a dyn Observer,
    ) -> Result<Self, PaperError> {
        let first = |data: &'a Dataset, n| match data.len() <= n {
            true => Cow::Borrowed(data),
            false => Cow::Owned(data.first(n)),
        };
        let test = first(test, config.test_images);
        Ok(Self {
            config,
            train: first(train, config.train_images),
            attacks: plan::attacks(config)?,
            columns: plan::columns(config, test.len())?,
            test,
            engine,
            folder,
            observer,
        })
    }

    /// Does what is not done yet and fills `seen`, network by network.
    pub(super) fn run(&self, seen: &mut Seen) -> Result<(), Halt> {
        for seed in self.config.all_seeds() {
            for (place, row) in ROWS.iter().enumerate() {
                let network = seen.networks.entry((place, seed)).or_default();
                self.network(place, row, seed, network)?;
            }
        }
        Ok(())
    }

    fn network(
        &self,
        place: usize,
        row: &Row,
        seed: u64,
        seen: &mut NetworkSeen,
    ) -> Result<(), Halt> {
        let trained = self.trained(place, row, seed)?;
        seen.training.clone_from(&trained.training);
        seen.randomness = Some(trained.model.randomness());
        seen.clean = Some(self.clean(&trained)?);
        for planned in &self.attacks {
            let attack = self.attack(&trained, planned)?;
            seen.attacks.push(attack);
        }
        seen.control = self.control(&trained)?;
        for column in &self.columns {
            let mut variants: Vec<Attacked> = Vec::new();
            for (place, planned) in column.variants.iter().enumerate() {
                let before = place
                    .checked_sub(1)
                    .map(|b| (&column.variants[b], &variants[b]));
                variants.push(self.honest(&trained, planned, column.n, before)?);
            }
            seen.honest.push(variants);
        }
        Ok(())
    }

    /// The arrays of the step `name` of a network, computed unless they are there.
    /// `compute` gives `None` when it was stopped.
    fn step(
        &self,
        trained: &Trained,
        name: &str,
        inputs: &serde_json::Value,
        compute: impl FnOnce() -> Result<Arrays, Halt>,
    ) -> Result<Arrays, Halt> {
        let key = Key::of(&json!({
            "model": trained.digest,
            "data": self.folder.identity().fingerprint,
            "step": name,
            "inputs": inputs,
        }));
        let folder = format!("steps/{}", trained.name);
        let path = self.folder.step(&folder, name, &key, "npz")?;
        if let Some(arrays) = run::read_arrays(&path)? {
            return Ok(arrays);
        }
        if !self.observer.go_on() {
            return Err(Halt::Stopped);
        }
        Ok(run::write_arrays(&path, compute()?)?)
    }

    fn stage(&self, trained: &Trained, what: &str) -> String {
        let row = &ROWS[trained.place];
        format!("{}, seed {}: {what}", row.full_title(), trained.seed)
    }
}

/// `0..n` in blocks of `size` that do not move when `n` grows.
fn blocks(n: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n)
        .step_by(size)
        .map(move |start| start..n.min(start + size))
}

/// Gives a stage another name.
struct Named<'a> {
    observer: &'a dyn Observer,
    name: &'a str,
}

impl Observer for Named<'_> {
    fn begin(&self, _: &str, total: u64) {
        self.observer.begin(self.name, total);
    }

    fn progress(&self, done: u64, note: &str) {
        self.observer.progress(done, note);
    }

    fn end(&self) {
        self.observer.end();
    }

    fn go_on(&self) -> bool {
        self.observer.go_on()
    }
}

#[cfg(test)]
mod tests {
    use super::blocks;

    #[test]
    fn blocks_cover_all_and_do_not_move() {
        let ends = |n| blocks(n, 100).map(|rows| (rows.start, rows.end));
        assert!(ends(250).eq([(0, 100), (100, 200), (200, 250)]));
        assert!(ends(100).eq([(0, 100)]));
        assert_eq!(blocks(0, 100).count(), 0);
    }
}

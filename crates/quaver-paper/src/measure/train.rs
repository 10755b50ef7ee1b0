//! Training, or the model that an earlier run trained.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use quaver_nn::arch::{Precision, Spec, Topology};
use quaver_nn::format::safetensors::{load, save};
use quaver_nn::graph::GraphError;
use serde_json::json;

use super::{Halt, Named, Study, Trained};
use crate::PaperError;
use crate::rows::Row;
use quaver::network::Network;
use quaver::run::{self, Key, RunError};
use quaver::training::{self, Config, Recipe, TrainingError};

impl Study<'_> {
    pub(super) fn trained(&self, place: usize, row: &Row, seed: u64) -> Result<Trained, Halt> {
        let recipe = self.recipe(row, seed)?;
        let name = row.network(seed);
        let key = Key::of(&json!({
            "data": self.folder.identity().fingerprint,
            "n": self.train.len(),
            "network": recipe.network,
            "topology": recipe.topology,
            "config": recipe.config,
        }));
        let path = self.folder.step("models", &name, &key, "safetensors")?;
        let checkpoint = training::checkpoint_path(&path);
        if !path.is_file() {
            if !self.observer.go_on() {
                return Err(Halt::Stopped);
            }
            let observer = Named {
                observer: self.observer,
                name: &format!("{}, seed {seed}: training", row.full_title()),
            };
            let data = &self.train;
            let model = training::train(&recipe, data, Some(&checkpoint), self.engine, &observer)?;
            save(&path, &model.ok_or(Halt::Stopped)?, None)?;
        }
        remove(&checkpoint)?;
        let bytes = fs::read(&path).map_err(RunError::io(&path))?;
        let (model, _) = load(&path)?;
        Ok(Trained {
            place,
            seed,
            name,
            digest: run::digest(&[&bytes]),
            training: model.info.training.clone(),
            model: Box::new(Network::new(Arc::new(model), Arc::clone(self.engine))?),
        })
    }

    fn recipe(&self, row: &Row, seed: u64) -> Result<Recipe<'static>, PaperError> {
        let graph = |source| {
            let node = row.id.to_owned();
            TrainingError::Network(GraphError::Op { node, source }.into())
        };
        let precision = Topology::find(row.id)
            .map_or_else(|| Ok(Precision::default()), |topology| topology.precision());
        Ok(Recipe {
            network: Spec {
                arch: self.config.arch.clone(),
                precision: precision.map_err(graph)?,
                dropout: row.dropout,
                dropout_placement: self.config.dropout_placement,
                input: self.train.image_shape().to_vec(),
                n_classes: self.train.n_classes(),
            },
            topology: row.id,
            config: Config {
                epochs: self.config.epochs,
                batch_size: self.config.batch_size,
                learning_rate: self.config.learning_rate,
                seed,
                ..Config::default()
            },
        })
    }
}

/// The checkpoint goes once the model is there; a run killed in between leaves both.
fn remove(checkpoint: &Path) -> Result<(), RunError> {
    match fs::remove_file(checkpoint) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(RunError::io(checkpoint)(error))
        }
        _ => Ok(()),
    }
}

//! Trains a network on a [`Dataset`], with a checkpoint an epoch, and resumes to the same bytes.

pub mod augment;
mod recipe;
pub mod step;

pub use recipe::{Config, Recipe};

use crate::data::{Dataset, Pixels};
use crate::observe::Observer;
use crate::spec::SpecError;
use quaver_nn::arch::{Architecture, NetworkError};
use quaver_nn::engine::Engine;
use quaver_nn::format::safetensors::{FormatError, load, save};
use quaver_nn::model::{Info, Model, TrainingRecord};
use quaver_nn::train::{Epoch, FitError, Method, Set, Trainer, Watch, fit};
use recipe::PlugIns;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Training cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// The network cannot be built.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A step, optimizer, schedule or augmentation cannot be built.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The optimizer failed.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// A checkpoint cannot be read.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The checkpoint is of another run.
    #[error(
        "{path} is a checkpoint of another run: {what} is {got}, expected {allowed}; \
         remove it or name another model"
    )]
    OtherRun {
        /// The checkpoint.
        path: String,
        /// What differs.
        what: String,
        /// Its value.
        got: String,
        /// The value asked for.
        allowed: String,
    },
    /// The images do not fit the network.
    #[error("expected images of {allowed:?}, got {got:?}")]
    Shape {
        /// Shape of the data.
        got: [usize; 3],
        /// Shape of the network's input.
        allowed: Vec<usize>,
    },
}

/// Where the checkpoint of the model at `path` lies while it is trained.
#[must_use]
pub fn checkpoint_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".checkpoint");
    path.with_file_name(name)
}

/// Trains the network of `recipe` on `data`. After every epoch a checkpoint goes to
/// `checkpoint`, and one that is there already is continued; the trained bytes are the same
/// either way. `None`: the observer stopped it (the checkpoint holds the finished epochs).
///
/// # Errors
/// When the network cannot be built, the images do not fit, a checkpoint is of another run or
/// cannot be written, or the loss stops being a number.
pub fn train(
    recipe: &Recipe<'_>,
    data: &Dataset,
    checkpoint: Option<&Path>,
    engine: &Arc<Engine>,
    observer: &dyn Observer,
) -> Result<Option<Model>, TrainingError> {
    if recipe.network.input[..] != data.image_shape()[..] {
        return Err(TrainingError::Shape {
            got: data.image_shape(),
            allowed: recipe.network.input.clone(),
        });
    }
    let plug_ins = recipe.config.plug_ins()?;
    let fresh = fresh_model(recipe, &plug_ins, data)?;
    let found = checkpoint.filter(|path| path.is_file());
    let (model, from) = match found {
        None => (fresh, (0, None)),
        Some(path) => {
            let (model, state) = load(path)?;
            check_same_run(path, &model, &fresh, recipe.config.epochs)?;
            let done = model.info.training.as_ref().map_or(0, |t| t.epochs);
            (model, (done, state))
        }
    };
    let floats;
    let pixels = match data.pixels() {
        Pixels::Bytes(bytes) => bytes.as_slice().map(quaver_nn::Pixels::U8),
        Pixels::Floats(values) => values.as_slice().map(quaver_nn::Pixels::F32),
    };
    let pixels = match pixels {
        Some(pixels) => pixels,
        None => {
            floats = data.images(0..data.len());
            quaver_nn::Pixels::F32(floats.as_slice().unwrap_or_default())
        }
    };
    let set = Set {
        pixels,
        labels: data.labels(),
    };
    let per_epoch = data.len() as u64;
    let name = format!("training {}", recipe.topology);
    observer.begin(&name, u64::from(recipe.config.epochs) * per_epoch);
    let mut watch = Progress {
        observer,
        checkpoint,
        per_epoch,
    };
    let augment: Vec<_> = plug_ins.augment.into_iter().map(|(one, _)| one).collect();
    let method = Method {
        epochs: recipe.config.epochs,
        batch_size: recipe.config.batch_size,
        learning_rate: recipe.config.learning_rate,
        seed: recipe.config.seed,
        schedule: &*plug_ins.schedule.0,
        step: &*plug_ins.step.0,
        augment: &augment,
    };
    let (optimizer, engine) = (plug_ins.optimizer.0, Arc::clone(engine));
    let trained = fit(model, from, &set, &method, optimizer, engine, &mut watch);
    observer.end();
    let (model, finished) = trained?;
    Ok(finished.then_some(model))
}

fn fresh_model(
    recipe: &Recipe<'_>,
    plug_ins: &PlugIns,
    data: &Dataset,
) -> Result<Model, TrainingError> {
    let (config, network) = (&recipe.config, &recipe.network);
    let schedule = &plug_ins.schedule.0;
    let training = TrainingRecord {
        dataset: data.name().to_owned(),
        fingerprint: data.fingerprint(),
        n: data.len(),
        epochs: 0,
        batch_size: config.batch_size,
        learning_rate: config.learning_rate,
        step: plug_ins.step.1.to_string(),
        optimizer: plug_ins.optimizer.1.to_string(),
        schedule: plug_ins.schedule.1.to_string(),
        schedule_epochs: schedule.spans_the_run().then_some(config.epochs),
        augment: plug_ins
            .augment
            .iter()
            .map(|(_, spec)| spec.to_string())
            .collect(),
        seed: config.seed,
        loss: 0.0,
        accuracy: 0.0,
    };
    let info = Info {
        arch: Architecture::find(&network.arch)?.1.spec().to_string(),
        topology: recipe.topology.to_owned(),
        dropout: network.dropout,
        classes: data.class_names().to_vec(),
        input_range: [0.0, 1.0],
        training: Some(training),
        ..Info::default()
    };
    Ok(Model::new(network.graph()?, info, config.seed))
}

/// Everything about the runs but their progress must be the same.
fn check_same_run(
    path: &Path,
    found: &Model,
    fresh: &Model,
    epochs: u32,
) -> Result<(), TrainingError> {
    let facts = |model: &Model| {
        let mut facts = serde_json::json!({ "graph": model.graph.to_json(), "info": model.info });
        for progress in ["epochs", "loss", "accuracy"] {
            facts["info"]["training"][progress] = Value::Null;
        }
        facts
    };
    let done = found.info.training.as_ref().map_or(0, |t| t.epochs);
    let differs = match difference(&facts(found), &facts(fresh)) {
        None if done > epochs => Some((
            "number of epochs".to_owned(),
            done.to_string(),
            format!("up to {epochs}"),
        )),
        difference => difference,
    };
    let Some((what, got, allowed)) = differs else {
        return Ok(());
    };
    let path = path.display().to_string();
    Err(TrainingError::OtherRun {
        path,
        what,
        got,
        allowed,
    })
}

/// The first thing that is not the same in both: its name and both values.
fn difference(a: &Value, b: &Value) -> Option<(String, String, String)> {
    let within = |name: &str, a: &Value, b: &Value| {
        let (inner, a, b) = difference(a, b)?;
        Some((format!("{name}.{inner}").trim_end_matches('.').into(), a, b))
    };
    match (a, b) {
        (Value::Object(x), Value::Object(y)) if x.keys().eq(y.keys()) => x
            .iter()
            .find_map(|(key, value)| within(key, value, &y[key])),
        (Value::Array(x), Value::Array(y)) if x.len() == y.len() => {
            let mut pairs = x.iter().zip(y).enumerate();
            pairs.find_map(|(i, (x, y))| within(&i.to_string(), x, y))
        }
        _ if a == b => None,
        _ => Some((String::new(), a.to_string(), b.to_string())),
    }
}

struct Progress<'a> {
    observer: &'a dyn Observer,
    checkpoint: Option<&'a Path>,
    per_epoch: u64,
}

impl Watch for Progress<'_> {
    fn step(&mut self, so_far: Epoch, done: usize) -> bool {
        let done = u64::from(so_far.number - 1) * self.per_epoch + done as u64;
        let note = format!(
            "epoch {}, loss {:.4}, accuracy {:.1} %",
            so_far.number,
            so_far.loss,
            100.0 * so_far.accuracy
        );
        self.observer.progress(done, &note);
        self.observer.go_on()
    }

    fn epoch(&mut self, _epoch: Epoch, trainer: &Trainer) -> Result<bool, std::io::Error> {
        if let Some(path) = self.checkpoint {
            save(path, trainer.model(), Some(trainer.state())).map_err(std::io::Error::other)?;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Split, digits};
    use crate::observe::Silent;
    use quaver_nn::arch::{Spec, Topology};
    use std::sync::atomic::{AtomicU32, Ordering};

    struct StopAfter(AtomicU32, u32);

    impl Observer for StopAfter {
        fn go_on(&self) -> bool {
            self.0.fetch_add(1, Ordering::Relaxed) < self.1
        }
    }

    fn recipe(topology: &Topology) -> Recipe<'_> {
        Recipe {
            network: Spec {
                arch: "lenet5".into(),
                precision: topology.precision().unwrap(),
                dropout: topology.dropout,
                dropout_placement: Default::default(),
                input: vec![1, 28, 28],
                n_classes: 10,
            },
            topology: topology.name,
            config: Config {
                epochs: 3,
                batch_size: 32,
                seed: 7,
                ..Config::default()
            },
        }
    }

    /// A run that uses every kind of plug-in.
    fn every_kind() -> Config {
        Config {
            step: "adversarial(eps=0.1,step_size=0.1,n_steps=1)".into(),
            optimizer: "sgd".into(),
            schedule: "cosine(warmup=0.5)".into(),
            augment: vec!["shift".into(), "cut-out(size=3)".into()],
            ..recipe(Topology::find("bnn").unwrap()).config
        }
    }

    #[test]
    fn an_interrupted_run_ends_in_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let data = digits::draw(0, Split::Train, 97, &Silent).unwrap();
        let engine = Arc::new(Engine::new(2, None).unwrap());
        let one_thread = Arc::new(Engine::new(1, None).unwrap());
        let plain = recipe(Topology::find("bnn").unwrap());
        let other = Recipe {
            config: every_kind(),
            ..plain.clone()
        };
        for recipe in [plain, other] {
            let whole = train(&recipe, &data, None, &engine, &Silent);
            save(&file("whole"), &whole.unwrap().unwrap(), None).unwrap();
            // Four steps an epoch: the sixth question comes in the middle of the second.
            let stop = StopAfter(AtomicU32::new(0), 6);
            let checkpoint = file("c");
            let stopped = train(&recipe, &data, Some(&checkpoint), &engine, &stop).unwrap();
            assert!(stopped.is_none());
            let again = train(&recipe, &data, Some(&checkpoint), &one_thread, &Silent);
            save(&file("again"), &again.unwrap().unwrap(), None).unwrap();
            let bytes = |name| std::fs::read(file(name)).unwrap();
            assert_eq!(bytes("whole"), bytes("again"), "{:?}", recipe.config);
            std::fs::remove_file(&checkpoint).unwrap();
        }
    }

    #[test]
    fn the_record_says_how_and_the_schedule_keeps_its_length() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = folder.path().join("c");
        let data = digits::draw(0, Split::Train, 40, &Silent).unwrap();
        let engine = Arc::new(Engine::new(1, None).unwrap());
        let mut recipe = recipe(Topology::find("full-precision").unwrap());
        recipe.config = every_kind();
        recipe.config.epochs = 1;
        let model = train(&recipe, &data, Some(&checkpoint), &engine, &Silent);
        let record = model.unwrap().unwrap().info.training.unwrap();
        assert_eq!(
            (&*record.step, &*record.optimizer, &*record.schedule),
            (
                "adversarial(eps=0.1,n_steps=1,step_size=0.1)",
                "sgd(momentum=0.9,weight_decay=0)",
                "cosine(floor=0,warmup=0.5)"
            )
        );
        assert_eq!(record.augment, ["shift(pixels=2)", "cut-out(size=3)"]);
        recipe.config.epochs = 2;
        let error = train(&recipe, &data, Some(&checkpoint), &engine, &Silent).unwrap_err();
        let wanted = "info.training.schedule_epochs is 1, expected 2";
        assert!(error.to_string().contains(wanted), "{error}");
        recipe.config.augment = vec!["flip(p=2)".into()];
        assert!(matches!(recipe.check(), Err(TrainingError::Spec(_))));
    }

    #[test]
    fn a_foreign_checkpoint_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = folder.path().join("c");
        let data = digits::draw(0, Split::Train, 40, &Silent).unwrap();
        let engine = Arc::new(Engine::new(1, None).unwrap());
        let mut recipe = recipe(Topology::find("full-precision").unwrap());
        recipe.config.epochs = 1;
        train(&recipe, &data, Some(&checkpoint), &engine, &Silent).unwrap();
        recipe.config.seed = 8;
        let error = train(&recipe, &data, Some(&checkpoint), &engine, &Silent).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("c is a checkpoint of another run: info.training.seed is 7, expected 8;"),
            "{error}"
        );
        recipe.config.seed = 7;
        // As many images of the same name, with one label changed.
        let mut labels = data.labels().to_vec();
        labels[3] = (labels[3] + 1) % 10;
        let names = data.class_names().to_vec();
        let other = Dataset::new("digits", Split::Train, data.pixels().clone(), labels, names);
        let other = other.unwrap();
        let error = train(&recipe, &other, Some(&checkpoint), &engine, &Silent).unwrap_err();
        let wanted = "another run: info.training.fingerprint is";
        assert!(error.to_string().contains(wanted), "{error}");
        recipe.config.epochs = 0;
        let error = train(&recipe, &data, Some(&checkpoint), &engine, &Silent).unwrap_err();
        let wanted = "number of epochs is 1, expected up to 0";
        assert!(error.to_string().contains(wanted), "{error}");
    }
}

//! Model files: they come back as they were, and broken ones are refused in words.

use crate::agreement::{Case, Training, engine, numbers};
use crate::graphs::{residual, stochastic};
use quaver_nn::format::safetensors::{FormatError, load, save};
use quaver_nn::model::{Info, Model, TrainingRecord};
use quaver_nn::optim::OPTIMIZERS;
use quaver_nn::train::{Epoch, Set, State, Trainer, Watch, schedule::SCHEDULES};
use quaver_nn::{Pixels, Simd};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn saved(folder: &TempDir, model: &Model) -> PathBuf {
    let path = folder.path().join("model.safetensors");
    save(&path, model, None).unwrap();
    path
}

/// A file with a changed header: `edit` gets its JSON and returns the new one.
fn edited(path: &Path, edit: impl Fn(&str) -> String) -> PathBuf {
    let bytes = fs::read(path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = edit(std::str::from_utf8(&bytes[8..8 + length]).unwrap());
    let mut out = (header.len() as u64).to_le_bytes().to_vec();
    out.extend(header.as_bytes());
    out.extend(&bytes[8 + length..]);
    let changed = path.with_file_name("changed.safetensors");
    fs::write(&changed, out).unwrap();
    changed
}

fn refusal(path: &Path) -> FormatError {
    load(path).expect_err("a broken file was read")
}

#[test]
fn files_come_back_and_are_the_same_bytes() {
    let folder = TempDir::new().unwrap();
    for graph in [residual(), stochastic()] {
        let mut model = (*Case::new(graph, 2).model).clone();
        model.info = Info {
            arch: "small".into(),
            classes: (0..model.graph.output_shape()[0])
                .map(|class| format!("\"{class}\""))
                .collect(),
            input_range: [0.0, 1.0],
            wrappers: vec!["temperature(t=2)".into()],
            ..Info::default()
        };
        let path = saved(&folder, &model);
        let (again, state) = load(&path).unwrap();
        assert_eq!(again.params, model.params);
        assert_eq!(again.info, model.info);
        assert_eq!(again.graph.to_json(), model.graph.to_json());
        assert_eq!(state, None);
        let first = fs::read(&path).unwrap();
        assert_eq!(first, fs::read(saved(&folder, &again)).unwrap());
    }
}

#[test]
fn files_of_the_schema_before_are_read() {
    let folder = TempDir::new().unwrap();
    let model = &Case::new(stochastic(), 2).model;
    let path = saved(&folder, model);
    let older = edited(&path, |header| {
        header.replace("\\\"schema\\\":2", "\\\"schema\\\":1")
    });
    let (again, _) = load(&older).unwrap();
    assert_eq!((&again.params, &again.info), (&model.params, &model.info));
}

#[test]
fn cut_files_are_refused() {
    let folder = TempDir::new().unwrap();
    let path = saved(&folder, &Case::new(stochastic(), 2).model);
    let bytes = fs::read(&path).unwrap();
    for part in 0..20 {
        fs::write(&path, &bytes[..bytes.len() * part / 20]).unwrap();
        let refusal = refusal(&path);
        assert!(
            matches!(refusal, FormatError::Safetensors { .. }),
            "{part}/20: {refusal}"
        );
    }
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert!(matches!(refusal(&path), FormatError::Safetensors { .. }));
}

#[test]
fn foreign_headers_are_refused() {
    let folder = TempDir::new().unwrap();
    let path = saved(&folder, &Case::new(residual(), 2).model);
    let replace = |from: &'static str, to: &'static str| {
        let edit = move |header: &str| {
            assert!(header.contains(from), "{from} is not in {header}");
            header.replace(from, to)
        };
        refusal(&edited(&path, edit))
    };
    let shape = replace("\"shape\":[3,9]", "\"shape\":[9,3]");
    assert!(
        shape
            .to_string()
            .contains("expected shape [3, 9], got [9, 3]"),
        "{shape}"
    );
    let name = replace("\"hidden.bias\"", "\"hidden.other\"");
    assert!(matches!(name, FormatError::Tensor { .. }), "{name}");
    let kind = replace("F32", "I32");
    assert!(matches!(kind, FormatError::Tensor { .. }), "{kind}");
    let schema = replace("\\\"schema\\\":2", "\\\"schema\\\":7");
    assert!(
        matches!(schema, FormatError::Schema { got: 7, .. }),
        "{schema}"
    );
    let key = replace("\"quaver\":", "\"other\":");
    assert!(matches!(key, FormatError::NoMetadata { .. }), "{key}");
    for (from, to) in [
        ("\\\"in_features\\\":36", "\\\"in_features\\\":4194304"),
        ("\\\"in_features\\\":36", "\\\"in_features\\\":0"),
        ("\\\"kernel\\\":[3,3]", "\\\"kernel\\\":[30,30]"),
        (
            "\\\"input\\\":[2,6,6]",
            "\\\"input\\\":[2,60000000,60000000]",
        ),
        ("\\\"op\\\":\\\"add\\\"", "\\\"op\\\":\\\"subtract\\\""),
        ("\\\"p\\\":0.5", "\\\"p\\\":1.5"),
    ] {
        let graph = replace(from, to);
        assert!(matches!(graph, FormatError::Graph { .. }), "{to}: {graph}");
    }
    let text = replace("\\\"info\\\"", "\\\"infos\\\"");
    assert!(matches!(text, FormatError::Metadata { .. }), "{text}");
}

#[test]
fn huge_declared_sizes_are_refused() {
    let folder = TempDir::new().unwrap();
    let path = saved(&folder, &Case::new(residual(), 2).model);
    let mut bytes = fs::read(&path).unwrap();
    bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    fs::write(path.with_file_name("huge.safetensors"), bytes).unwrap();
    let header = refusal(&path.with_file_name("huge.safetensors"));
    assert!(
        matches!(header, FormatError::Safetensors { .. }),
        "{header}"
    );
    // A consistent graph of sizes that no tensor in the file has.
    let grown = edited(&path, |header| {
        let wide = header.replace("\\\"out_features\\\":9", "\\\"out_features\\\":4194304");
        wide.replace("\\\"in_features\\\":9,", "\\\"in_features\\\":4194304,")
    });
    let tensor = refusal(&grown);
    assert!(matches!(tensor, FormatError::Tensor { .. }), "{tensor}");
}

#[test]
fn headers_of_too_many_values_are_refused_unread() {
    let folder = TempDir::new().unwrap();
    let path = saved(&folder, &Case::new(residual(), 1).model);
    // Two megabytes, which would be thirty of values.
    let many = edited(&path, |header| {
        let values = format!("\"quaver\":\"[{}", "[],".repeat(700_000));
        header.replacen("\"quaver\":\"", &values, 1)
    });
    let text = refusal(&many).to_string();
    assert!(
        text.contains("its header would take 1792"),
        "{}",
        &text[..200.min(text.len())]
    );
}

#[test]
fn weights_that_are_no_numbers_are_refused() {
    let folder = TempDir::new().unwrap();
    for value in [f32::NAN, f32::INFINITY] {
        let mut model = (*Case::new(residual(), 2).model).clone();
        model.params[0][0][5] = value;
        let refusal = refusal(&saved(&folder, &model));
        let said = format!("value 5 is {value}, expected a finite number");
        assert!(refusal.to_string().contains(&said), "{refusal}");
    }
}

/// Writes a checkpoint after every epoch and stops after `epochs`.
struct Checkpoints<'a> {
    path: &'a Path,
    epochs: u32,
}

impl Watch for Checkpoints<'_> {
    fn epoch(&mut self, epoch: Epoch, trainer: &Trainer) -> Result<bool, std::io::Error> {
        let written = save(self.path, trainer.model(), Some(trainer.state()));
        written.map_err(std::io::Error::other)?;
        Ok(epoch.number < self.epochs)
    }
}

/// Trains three epochs, or on from a checkpoint, until `stop`.
fn train(
    (optimizer, schedule): (&'static str, &'static str),
    model: Model,
    from: (u32, Option<State>),
    path: &Path,
    stop: u32,
) -> bool {
    let pixels = numbers("pixels", 70 * 36, [0.0, 1.0]);
    let labels: Vec<usize> = (0..70).map(|i| i * 3 % 5).collect();
    let set = Set {
        pixels: Pixels::F32(&pixels),
        labels: &labels,
    };
    let training = Training {
        optimizer,
        schedule,
        ..Training::plain(3, 23, 2)
    };
    let mut watch = Checkpoints { path, epochs: stop };
    let engine = engine(2, Simd::best());
    let trained = training.run(model, from, &set, engine, &mut watch);
    trained.unwrap().1
}

#[test]
fn a_resumed_run_ends_in_the_same_bytes() {
    let folder = TempDir::new().unwrap();
    let mut model = (*Case::new(stochastic(), 2).model).clone();
    model.info.training = Some(TrainingRecord {
        fingerprint: String::new(),
        dataset: "numbers".into(),
        n: 70,
        epochs: 0,
        batch_size: 23,
        learning_rate: 1e-3,
        step: "cross-entropy".into(),
        optimizer: String::new(),
        schedule: String::new(),
        schedule_epochs: None,
        augment: Vec::new(),
        seed: 2,
        loss: 0.0,
        accuracy: 0.0,
    });
    let bytes = |path: &Path| fs::read(path).unwrap();
    let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(name));
    let optimizers = OPTIMIZERS.iter().map(|one| (one.id, "constant"));
    let schedules = SCHEDULES.iter().map(|one| ("adam", one.id));
    for method in optimizers.chain(schedules) {
        assert!(train(method, model.clone(), (0, None), &whole, 3));
        assert!(!train(method, model.clone(), (0, None), &parts, 1));
        let (model, state) = load(&parts).unwrap();
        let done = model.info.training.as_ref().unwrap().epochs;
        assert_eq!(done, 1);
        assert_ne!(bytes(&whole), bytes(&parts), "{method:?}");
        assert!(train(method, model, (done, state), &parts, 3));
        assert_eq!(bytes(&whole), bytes(&parts), "{method:?}");
    }
}

#[test]
fn files_of_schema_1_are_read() {
    let folder = TempDir::new().unwrap();
    let model = (*Case::new(stochastic(), 2).model).clone();
    let path = folder.path().join("c");
    train(("adam", "constant"), model, (0, None), &path, 1);
    let (new, state) = load(&path).unwrap();
    let old = edited(&path, |header| {
        let header = header.replace("optimizer.", "adam.");
        let header = header.replace(",\\\"state\\\":[\\\"mean\\\",\\\"square\\\"]", "");
        header.replace("\\\"schema\\\":2", "\\\"schema\\\":1")
    });
    let (old, old_state) = load(&old).unwrap();
    assert_eq!((new.params, state), (old.params, old_state));
}

//! The whole experiment in a configuration that reaches every step in a second or so: the
//! same bytes whatever the threads, the instruction set and the interruptions.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quaver::data::{Dataset, Split, digits};
use quaver::observe::{Observer, Silent};
use quaver::run::RunFolder;
use quaver_nn::Simd;
use quaver_nn::engine::Engine;
use quaver_paper::{Config, Outcome, PaperError};

/// Says stop at the k-th question.
struct StopAt(AtomicU64, u64);

impl Observer for StopAt {
    fn go_on(&self) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) < self.1
    }
}

fn tiny() -> Config {
    Config {
        train_images: 96,
        test_images: 30,
        epochs: 2,
        batch_size: 32,
        n: 12,
        passes: 3,
        attacks: vec![
            "fgsm(eps=0.3)".into(),
            "jsma(gamma=0.006)".into(),
            "pgd(n_steps=2,step_size=0.2)".into(),
        ],
        honest_n: 12,
        eot_n: 6,
        eot_draws: 2,
        ..Config::quick()
    }
}

fn data() -> (Dataset, Dataset) {
    let draw = |split, n| digits::draw(0, split, n, &Silent).unwrap();
    (draw(Split::Train, 96), draw(Split::Test, 30))
}

fn run(
    config: &Config,
    path: &Path,
    engine: (usize, Option<Simd>),
    observer: &dyn Observer,
) -> Result<Outcome, Box<PaperError>> {
    let (train, test) = data();
    let engine = Arc::new(Engine::new(engine.0, engine.1).unwrap());
    let identity = quaver_paper::identity(config, (&train, &test))?;
    let mut folder = RunFolder::open(path, &identity).map_err(PaperError::from)?;
    let outcome = quaver_paper::reproduce(config, (&train, &test), &engine, &mut folder, observer)?;
    for (name, bytes) in quaver_paper::render_all(&outcome.results).unwrap() {
        folder.write(name, &bytes).unwrap();
    }
    Ok(outcome)
}

/// Every file below `path` by its relative name.
fn files(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap().path();
            if entry.is_dir() {
                folders.push(entry);
            } else {
                let name = entry.strip_prefix(path).unwrap().display().to_string();
                found.insert(name, fs::read(&entry).unwrap());
            }
        }
    }
    found
}

fn assert_same(a: &Path, b: &Path) {
    let (a, b) = (files(a), files(b));
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&a), names(&b));
    for (name, bytes) in &a {
        assert!(*bytes == b[name], "{name} differs");
    }
}

#[test]
fn bytes_do_not_depend_on_threads_or_instruction_set() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let outcome = run(&tiny(), &whole, (2, None), &Silent).unwrap();
    assert!(outcome.complete);
    for simd in Simd::available() {
        let path = folder.path().join(simd.name());
        run(&tiny(), &path, (1, Some(simd)), &Silent).unwrap();
        assert_same(&whole, &path);
    }
}

#[test]
fn an_interrupted_run_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, pieces) = (folder.path().join("whole"), folder.path().join("pieces"));
    run(&tiny(), &whole, (2, None), &Silent).unwrap();
    let mut complete = false;
    // In the first training, in its second epoch, before and after steps of every kind.
    for k in [1, 5, 13, 14, 16, 19, 40, 1000] {
        let observer = StopAt(AtomicU64::new(0), k);
        let outcome = run(&tiny(), &pieces, (2, None), &observer).unwrap();
        let clean = &outcome.results.topologies[0].seeds[0].inputs[0];
        assert!(complete <= outcome.complete && clean.multi.is_some() | !outcome.complete);
        complete = outcome.complete;
    }
    assert!(complete);
    assert_same(&whole, &pieces);
}

#[test]
fn more_images_and_seeds_reuse_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    run(&tiny(), folder.path(), (2, None), &Silent).unwrap();
    let before = files(folder.path());
    let more = Config {
        n: 20,
        seeds: 2,
        ..tiny()
    };
    let outcome = run(&more, folder.path(), (2, None), &Silent).unwrap();
    let after = files(folder.path());
    let (models, _): (Vec<_>, Vec<_>) = before.iter().partition(|(n, _)| n.starts_with("models/"));
    assert_eq!(models.len(), 9);
    assert!(
        models
            .into_iter()
            .all(|(name, bytes)| after[name] == *bytes)
    );
    let n_models = after
        .keys()
        .filter(|name| name.starts_with("models/"))
        .count();
    assert_eq!(n_models, 18);
    let row = &outcome.results.topologies[0];
    assert_eq!(row.seeds.len(), 2);
    assert_eq!(row.seeds[0].inputs[1].multi.unwrap().n, 20);
    assert_eq!(row.across_seeds.as_ref().unwrap().test_voted.unwrap().k, 2);
}

#[test]
fn everything_asked_for_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let results = run(&tiny(), folder.path(), (2, None), &Silent)
        .unwrap()
        .results;
    assert_eq!(results.topologies.len(), 9);
    assert_eq!(results.honest_columns.len(), 6);
    assert_eq!(results.claims.len(), 7);
    assert!(results.figure.is_some() && results.examples.is_some());
    for row in &results.topologies {
        let seed = &row.seeds[0];
        assert_eq!(seed.inputs.len(), 4);
        assert_eq!(seed.checks.len(), 12);
        assert!(seed.test_accuracy.is_some() && seed.test_voted.is_some());
        assert!(seed.honest.iter().all(|cell| cell.accuracy.is_some()));
        for input in &seed.inputs {
            assert_eq!(input.multi.unwrap().n, 12);
            assert!(input.uncertainty.is_some() && input.measures.len() == 6);
            assert_eq!(input.attack.is_some(), input.input != "clean");
        }
    }
    assert!(results.warnings.iter().any(|w| w.contains("scaled down")));
    assert!(
        !folder
            .path()
            .join("models")
            .read_dir()
            .unwrap()
            .any(|entry| {
                let name = entry.unwrap().file_name();
                name.to_string_lossy().contains("checkpoint")
            })
    );
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let refuse = |change: fn(&mut Config)| {
        let mut config = tiny();
        change(&mut config);
        let error = run(&config, &path, (1, None), &Silent).unwrap_err();
        assert!(!path.exists(), "{error}");
        error.to_string()
    };
    assert!(refuse(|c| c.passes = 1).contains("passes = 1"));
    assert!(refuse(|c| c.arch = "lenet".into()).contains("unknown architecture"));
    assert!(refuse(|c| c.attacks = vec!["cv".into()]).contains("unknown attack"));
    let message = refuse(|c| {
        c.n = 31;
        c.test_images = 40;
    });
    assert_eq!(
        message,
        "31 images to attack, but the data holds 30 test images"
    );
}

#[test]
fn another_architecture_in_the_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let stop = StopAt(AtomicU64::new(0), 0);
    run(&tiny(), folder.path(), (1, None), &stop).unwrap();
    let other = Config {
        arch: "lenet-caffe".into(),
        ..tiny()
    };
    let error = run(&other, folder.path(), (1, None), &stop).unwrap_err();
    assert!(error.to_string().contains("architecture lenet5"), "{error}");
}

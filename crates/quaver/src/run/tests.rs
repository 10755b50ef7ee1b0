use super::*;
use ndarray::Array1;
use serde_json::json;

fn identity() -> Identity {
    Identity {
        schema: SCHEMA,
        dataset: "digits".into(),
        fingerprint: "00ff".into(),
        arch: "lenet5".into(),
    }
}

fn refusal(path: &Path, identity: &Identity) -> String {
    RunFolder::open(path, identity).unwrap_err().to_string()
}

#[test]
fn keys_depend_on_content_alone() {
    let key = Key::of(&json!({ "a": 1, "b": [2.5] }));
    assert_eq!(key, Key::of(&json!({ "b": [2.5], "a": 1 })));
    assert_ne!(key, Key::of(&json!({ "a": 1, "b": [2.25] })));
    assert_eq!(key.as_str().len(), KEY_LENGTH);
}

#[test]
fn digests_are_those_of_the_standard() {
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(digest(&[b"a", b"bc"]), abc);
}

#[test]
fn another_data_set_or_architecture_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    drop(RunFolder::open(&path, &identity()).unwrap());
    drop(RunFolder::open(&path, &identity()).unwrap());
    let other = Identity {
        dataset: "mnist".into(),
        ..identity()
    };
    let message = refusal(&path, &other);
    assert!(
        message.ends_with("holds a run of data set digits, asked for mnist; choose another folder"),
        "{message}"
    );
    let other = Identity {
        arch: "lenet-caffe".into(),
        ..identity()
    };
    assert!(refusal(&path, &other).contains("architecture lenet5"));
    let other = Identity {
        fingerprint: "ee".into(),
        ..identity()
    };
    assert!(refusal(&path, &other).contains("digest 00ff"));
}

#[test]
fn foreign_folders_stay_untouched() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.txt"), "mine").unwrap();
    assert!(refusal(folder.path(), &identity()).contains("no run folder"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_a_killed_run_left_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("run.json.partial"), "{").unwrap();
    let run = RunFolder::open(folder.path(), &identity()).unwrap();
    let step = run.step("attacks", "pgd", &Key::of(&json!(1)), "npz");
    let step = step.unwrap();
    fs::write(atomic_file::partial_path(&step), "PK").unwrap();
    drop(run);
    drop(RunFolder::open(folder.path(), &identity()).unwrap());
    assert_eq!(fs::read_dir(step.parent().unwrap()).unwrap().count(), 0);
    assert!(!folder.path().join("run.json.partial").exists());
}

#[test]
fn two_processes_do_not_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let _run = RunFolder::open(folder.path(), &identity()).unwrap();
    assert!(refusal(folder.path(), &identity()).contains("in use"));
}

#[test]
fn unknown_schemas_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let newer = r#"{"schema":99,"steps":[]}"#;
    fs::write(folder.path().join(IDENTITY_FILE), newer).unwrap();
    let message = refusal(folder.path(), &identity());
    assert!(message.ends_with(&format!("has schema 99, this program reads {SCHEMA}")));
    let path = folder.path().join("a.npz");
    assert!(read_arrays(&path).unwrap().is_none());
    let one = Arrays::from([("x".to_owned(), Array1::from_vec(vec![1.0f32]).into())]);
    let written = write_arrays(&path, one.clone()).unwrap();
    assert_eq!(read_arrays(&path).unwrap(), Some(written.clone()));
    assert_eq!(written, one);
    let newer = Arrays::from([("schema".to_owned(), vec![99u64].into())]);
    npz::write(&path, &newer).unwrap();
    assert!(matches!(
        read_arrays(&path),
        Err(RunError::Schema { got: 99, .. })
    ));
}

//! Finding, opening and refusing data sets.

use super::*;
use crate::observe::Silent;
use std::fs;

const IMAGES: [u8; 18] = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 10, 20];

fn labels(values: &[u8]) -> Vec<u8> {
    [&[0, 0, 8, 1, 0, 0, 0, values.len() as u8], values].concat()
}

fn write(folder: &Path, images: &str, labels_name: &str, values: &[u8]) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(images), IMAGES).unwrap();
    fs::write(folder.join(labels_name), labels(values)).unwrap();
}

fn load_from(folder: &Path, name: &str, split: Split) -> Result<Dataset, DataError> {
    let look_in = [folder.to_owned()];
    let source = Source {
        name,
        look_in: &look_in,
        seed: 0,
        n: None,
        decoding: Decoding::default(),
    };
    open(&source, split)?.all(&Silent)
}

#[test]
fn finds_both_spellings_here_and_in_a_folder_of_the_name() {
    let top = tempfile::tempdir().unwrap();
    // The plain data with a `.gz` name: what counts is what is in it.
    write(
        top.path(),
        "train-images-idx3-ubyte.gz",
        "train-labels.idx1-ubyte",
        &[3, 9],
    );
    write(
        &top.path().join("mnist"),
        "t10k-images.idx3-ubyte",
        "t10k-labels-idx1-ubyte",
        &[1, 2],
    );
    let train = load_from(top.path(), "mnist", Split::Train).unwrap();
    assert_eq!((train.labels(), train.name()), (&[3, 9][..], "mnist"));
    assert_eq!(train.image_shape(), [1, 1, 1]);
    assert_eq!(
        load_from(top.path(), "mnist", Split::Test)
            .unwrap()
            .labels(),
        [1, 2]
    );
    assert_eq!(
        load_from(top.path(), "fashion-mnist", Split::Train)
            .unwrap()
            .class_names()[9],
        "Ankle boot"
    );
}

#[test]
fn absent_files_are_an_error_that_lists_every_folder() {
    let top = tempfile::tempdir().unwrap();
    let DataError::NotFound { looked_in, .. } =
        load_from(top.path(), "mnist", Split::Train).unwrap_err()
    else {
        panic!("another error")
    };
    assert_eq!(looked_in, [top.path().to_owned(), top.path().join("mnist")]);
    let unknown = load_from(top.path(), "mnits", Split::Train)
        .unwrap_err()
        .to_string();
    assert_eq!(
        unknown,
        "no data set named \"mnits\"; there are mnist, fashion-mnist, cifar10, digits, and an npz \
         file or a folder of images by its path"
    );
}

#[test]
fn labels_are_counted_and_checked_by_file() {
    let top = tempfile::tempdir().unwrap();
    write(
        top.path(),
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
        &[1, 10],
    );
    let range = load_from(top.path(), "mnist", Split::Test)
        .unwrap_err()
        .to_string();
    assert!(
        range.ends_with(
            "t10k-labels-idx1-ubyte: label 10 of row 1 is out of range; allowed are 0 to 9"
        ),
        "{range}"
    );
    write(
        top.path(),
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
        &[1],
    );
    let count = load_from(top.path(), "mnist", Split::Test)
        .unwrap_err()
        .to_string();
    assert!(
        count.ends_with("expected 2 labels (one for each image), got 1"),
        "{count}"
    );
}

#[test]
fn every_entry_is_complete() {
    for entry in REGISTRY {
        let is_own = !entry.is_named();
        assert_eq!(find(entry.id).is_none(), is_own, "{}", entry.id);
        assert_eq!(entry.class_names.is_empty(), is_own, "{}", entry.id);
        assert_eq!(entry.image_shape.is_none(), is_own, "{}", entry.id);
        assert_eq!(entry.n_images.is_none(), is_own, "{}", entry.id);
        let Some(remote) = entry.remote() else {
            continue;
        };
        let is_base = |base: &&str| base.starts_with("http") && base.ends_with('/');
        assert!(remote.mirrors.iter().all(is_base), "{}", entry.id);
        for file in remote.files {
            let is_hex = |c: char| matches!(c, '0'..='9' | 'a'..='f');
            let is_sum = file.sha256.len() == 64 && file.sha256.chars().all(is_hex);
            assert!(is_sum, "{}: {}", entry.id, file.name);
        }
    }
}

//! Splits of two IDX files, images and labels, as MNIST has them and what took its place.

use super::super::{DataError, Dataset, Pixels, Split, check_labels, idx};
use super::{Entry, Files, Remote, RemoteFile, Supply};
use std::path::{Path, PathBuf};

/// Names of the files of a data set, with these checksums: images and labels for training, images
/// and labels for testing.
pub(super) const fn files(sha256: [&'static str; 4]) -> [RemoteFile; 4] {
    let [train_images, train_labels, test_images, test_labels] = sha256;
    [
        RemoteFile {
            name: "train-images-idx3-ubyte.gz",
            sha256: train_images,
        },
        RemoteFile {
            name: "train-labels-idx1-ubyte.gz",
            sha256: train_labels,
        },
        RemoteFile {
            name: "t10k-images-idx3-ubyte.gz",
            sha256: test_images,
        },
        RemoteFile {
            name: "t10k-labels-idx1-ubyte.gz",
            sha256: test_labels,
        },
    ]
}

/// How such files are found and read.
pub(super) const fn from(remote: Remote) -> Files {
    Files {
        supply: Supply::Download(remote),
        unpacked: None,
        find,
        read,
    }
}

/// Images and labels of a split, plain or gzip, in both spellings that go around.
fn find(folder: &Path, split: Split) -> Option<Vec<PathBuf>> {
    let prefix = match split {
        Split::Train => "train",
        Split::Test => "t10k",
    };
    let find = |(what, n_axes): (&str, u8)| {
        let spellings = ["-", "."].iter().flat_map(|dot| {
            let stem = format!("{prefix}-{what}{dot}idx{n_axes}-ubyte");
            [stem.clone(), format!("{stem}.gz")]
        });
        spellings
            .map(|file| folder.join(file))
            .find(|path| path.is_file())
    };
    [("images", 3), ("labels", 1)]
        .into_iter()
        .map(find)
        .collect()
}

fn read(entry: &Entry, files: &[PathBuf], split: Split) -> Result<Dataset, DataError> {
    // As `find` put them.
    let (images, path) = (idx::read_images(&files[0])?, &files[1]);
    let labels = idx::read_labels(path)?;
    let labels: Vec<usize> = labels.into_iter().map(usize::from).collect();
    if labels.len() != images.dim().0 {
        return Err(DataError::Count {
            path: path.clone(),
            what: "labels".to_owned(),
            expected: images.dim().0,
            got: labels.len(),
        });
    }
    check_labels(path, &labels, entry.class_names.len())?;
    let pixels = Pixels::Bytes(images);
    Dataset::new(entry.id, split, pixels, labels, entry.classes())
}

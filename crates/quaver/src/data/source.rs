//! Data sets by name: which files they are made of and in which folders those may lie.

use super::{DataError, Dataset, Pixels, Split, digits, idx, mirrors};
use std::path::{Path, PathBuf};

/// Names [`load`] knows, `digits` among them.
pub const NAMES: [&str; 3] = ["mnist", "fashion-mnist", "digits"];

/// How many `digits` there are in a split unless asked otherwise.
pub const DIGITS_TRAIN: usize = 60_000;
/// The same of the test split.
pub const DIGITS_TEST: usize = 10_000;

/// Where a data set comes from.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// One of [`NAMES`].
    pub name: &'a str,
    /// Folders to look in, best first. Each may hold the files themselves or a folder named
    /// like the data set that does. `digits` needs none.
    pub look_in: &'a [PathBuf],
    /// Seed of `digits`; files have none.
    pub seed: u64,
    /// How many images of `digits` to draw, how many first rows of a file to keep;
    /// `None` for all (60 000 and 10 000 digits).
    pub n: Option<usize>,
}

/// Loads one split of a data set.
///
/// # Errors
/// [`DataError::UnknownDataset`], [`DataError::NotFound`] when no folder holds both files of
/// the split, and all that [`idx`] says of a file that is there.
pub fn load(source: &Source<'_>, split: Split) -> Result<Dataset, DataError> {
    if source.name == "digits" {
        let all = match split {
            Split::Train => DIGITS_TRAIN,
            Split::Test => DIGITS_TEST,
        };
        return digits::draw(source.seed, split, source.n.unwrap_or(all));
    }
    if mirrors::find(source.name).is_none() {
        let (got, allowed) = (source.name.to_owned(), NAMES.join(", "));
        return Err(DataError::UnknownDataset { got, allowed });
    }
    let files = find_files(source.name, split, source.look_in)?;
    let dataset = read(source.name, split, &files)?;
    Ok(match source.n {
        Some(n) => dataset.first(n),
        None => dataset,
    })
}

/// Names of the classes, by label.
#[must_use]
pub fn class_names(name: &str) -> Vec<String> {
    let fashion = [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ];
    match name {
        "fashion-mnist" => fashion.map(str::to_owned).to_vec(),
        _ => (0..10).map(|digit| digit.to_string()).collect(),
    }
}

struct Files {
    images: PathBuf,
    labels: PathBuf,
}

fn find_files(name: &str, split: Split, look_in: &[PathBuf]) -> Result<Files, DataError> {
    let looked_in: Vec<PathBuf> = look_in
        .iter()
        .flat_map(|folder| [folder.clone(), folder.join(name)])
        .collect();
    let found = looked_in.iter().find_map(|folder| files_in(folder, split));
    found.ok_or_else(|| DataError::NotFound {
        dataset: name.to_owned(),
        looked_in,
    })
}

fn files_in(folder: &Path, split: Split) -> Option<Files> {
    let prefix = match split {
        Split::Train => "train",
        Split::Test => "t10k",
    };
    let find = |what: &str, n_axes: u8| {
        let spellings = ["-", "."].iter().flat_map(|dot| {
            let stem = format!("{prefix}-{what}{dot}idx{n_axes}-ubyte");
            [stem.clone(), format!("{stem}.gz")]
        });
        spellings
            .map(|file| folder.join(file))
            .find(|path| path.is_file())
    };
    Some(Files {
        images: find("images", 3)?,
        labels: find("labels", 1)?,
    })
}

fn read(name: &str, split: Split, files: &Files) -> Result<Dataset, DataError> {
    let class_names = class_names(name);
    let images = idx::read_images(&files.images)?;
    let labels: Vec<usize> = idx::read_labels(&files.labels)?
        .into_iter()
        .map(usize::from)
        .collect();
    let path = files.labels.clone();
    if labels.len() != images.dim().0 {
        let (expected, got) = (images.dim().0, labels.len());
        return Err(DataError::Count {
            path,
            what: "labels".to_owned(),
            expected,
            got,
        });
    }
    super::check_labels(&path, &labels, class_names.len())?;
    Dataset::new(name, split, Pixels::Bytes(images), labels, class_names)
}

#[cfg(test)]
mod tests {
    use super::*;
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
        load(
            &Source {
                name,
                look_in: &look_in,
                seed: 0,
                n: None,
            },
            split,
        )
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
            "no data set named \"mnits\"; there are mnist, fashion-mnist, digits"
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
}

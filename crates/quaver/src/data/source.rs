//! Data sets by name: which files they are made of and in which folders those may lie. And by
//! path, for those of one's own.

use super::image_file::Decoding;
use super::npz::NpzReader;
use super::{DataError, Dataset, Pixels, Split, arrays, cifar, digits, folder, idx, mirrors};
use crate::observe::Silent;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Names [`load`] knows, `digits` among them.
pub const NAMES: [&str; 4] = ["mnist", "fashion-mnist", "cifar10", "digits"];

/// How many `digits` there are in a split unless asked otherwise.
pub const DIGITS_TRAIN: usize = 60_000;
/// The same of the test split.
pub const DIGITS_TEST: usize = 10_000;

/// Where a data set comes from.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// One of [`NAMES`], or the path of an npz file (see [`arrays::read`]) or of a folder of
    /// images (see [`folder::read`]).
    pub name: &'a str,
    /// Folders to look in, best first. Each may hold the files themselves or a folder named
    /// like the data set that does. `digits` and paths need none.
    pub look_in: &'a [PathBuf],
    /// Seed of `digits`; files have none.
    pub seed: u64,
    /// How many images of `digits` to draw, how many first rows of a file to keep;
    /// `None` for all (60 000 and 10 000 digits).
    pub n: Option<usize>,
    /// How pictures of a folder become images.
    pub decoding: Decoding,
}

/// One part of a data set, read slice by slice. Digits are drawn when they are asked for, so that
/// any number of them takes no memory.
#[derive(Clone, Debug)]
pub enum Part {
    /// Images that are there.
    Loaded(Dataset),
    /// Digits to draw.
    Digits {
        /// Their seed.
        seed: u64,
        /// Which part.
        split: Split,
        /// How many.
        n: usize,
    },
}

impl Part {
    /// Name of the data set.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Loaded(data) => data.name().to_owned(),
            Self::Digits { seed, .. } => digits::name(*seed),
        }
    }

    /// Number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Loaded(data) => data.len(),
            Self::Digits { n, .. } => *n,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `[c, h, w]` of an image.
    #[must_use]
    pub fn image_shape(&self) -> [usize; 3] {
        match self {
            Self::Loaded(data) => data.image_shape(),
            Self::Digits { .. } => [1, digits::SIDE, digits::SIDE],
        }
    }

    /// Names of the classes, by label.
    #[must_use]
    pub fn class_names(&self) -> Vec<String> {
        match self {
            Self::Loaded(data) => data.class_names().to_vec(),
            Self::Digits { .. } => class_names("digits"),
        }
    }

    /// The images of `rows`; a range past the end is cut. Draws in the caller's rayon pool.
    ///
    /// # Errors
    /// Those of [`digits::draw_rows`].
    pub fn rows(&self, rows: Range<usize>) -> Result<Dataset, DataError> {
        let end = rows.end.min(self.len());
        let rows = rows.start.min(end)..end;
        match self {
            Self::Loaded(data) => data.subset(&rows.collect::<Vec<usize>>()),
            Self::Digits { seed, split, .. } => {
                digits::draw_rows(*seed, *split, rows.start as u64..rows.end as u64)
            }
        }
    }
}

/// Opens one split of a data set.
///
/// # Errors
/// [`DataError::UnknownDataset`], [`DataError::NotFound`] when no folder holds all files of
/// the split, and all that the file formats say of a file that is there.
pub fn open(source: &Source<'_>, split: Split) -> Result<Part, DataError> {
    let (name, look_in) = (source.name, source.look_in);
    if name == "digits" {
        let all = match split {
            Split::Train => DIGITS_TRAIN,
            Split::Test => DIGITS_TEST,
        };
        return Ok(Part::Digits {
            seed: source.seed,
            split,
            n: source.n.unwrap_or(all),
        });
    }
    let dataset = if mirrors::find(name).is_some() {
        let files = find_files(name, look_in, &[], |folder| files_in(folder, split))?;
        read(name, split, &files)?
    } else if name == "cifar10" {
        let unpacked = ["cifar-10-batches-bin"];
        let files = find_files(name, look_in, &unpacked, |at| cifar::files_in(at, split))?;
        cifar::read(&files, split)?
    } else if is_path(name) {
        let path = Path::new(name);
        match path.is_dir() {
            true => folder::read(path, split, source.decoding)?,
            false => arrays::read(path, split)?,
        }
    } else {
        let (got, allowed) = (name.to_owned(), NAMES.join(", "));
        return Err(DataError::UnknownDataset { got, allowed });
    };
    Ok(Part::Loaded(match source.n {
        Some(n) => dataset.first(n),
        None => dataset,
    }))
}

/// [`open`] with all images of digits drawn.
///
/// # Errors
/// Those of [`open`], and [`DataError::TooMany`].
pub fn load(source: &Source<'_>, split: Split) -> Result<Dataset, DataError> {
    match open(source, split)? {
        Part::Loaded(dataset) => Ok(dataset),
        Part::Digits { seed, split, n } => digits::draw(seed, split, n, &Silent),
    }
}

/// Refuses a data set of one's own that serves as both parts: what was learned from would be
/// tested on.
///
/// # Errors
/// [`DataError::OnePart`], and those of [`NpzReader::open`].
pub fn check_parts(name: &str) -> Result<(), DataError> {
    let path = Path::new(name);
    let has_both = match () {
        () if NAMES.contains(&name) || !is_path(name) => true,
        () if path.is_dir() => folder::has_parts(path),
        () => arrays::has_parts(&NpzReader::open(path)?.names()),
    };
    let path = path.to_owned();
    has_both.then_some(()).ok_or(DataError::OnePart { path })
}

/// Whether what is called `name` is meant as a path: it looks like one, or is there.
fn is_path(name: &str) -> bool {
    let path = Path::new(name);
    let is_npz = path
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("npz"));
    is_npz || name.contains(std::path::MAIN_SEPARATOR) || path.exists()
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

/// The first of the folders, each with and without the name of the data set, and with one of the
/// folders `below`, in which `find` finds what it looks for.
fn find_files<F>(
    name: &str,
    look_in: &[PathBuf],
    below: &[&str],
    find: impl Fn(&Path) -> Option<F>,
) -> Result<F, DataError> {
    let beside = |place: PathBuf| -> Vec<PathBuf> {
        let below = below.iter().map(|below| place.join(below));
        std::iter::once(place.clone()).chain(below).collect()
    };
    let looked_in: Vec<PathBuf> = look_in
        .iter()
        .flat_map(|folder| [folder.clone(), folder.join(name)])
        .flat_map(beside)
        .collect();
    let found = looked_in.iter().find_map(|folder| find(folder));
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
                decoding: Decoding::default(),
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
}

//! What can be wrong with data that enters.

use std::io;
use std::path::{Path, PathBuf};

/// A data file or data set was refused. Every message names the file.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The file system refused.
    #[error("{}: {problem}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        problem: io::Error,
    },
    /// No folder that was looked in holds the data set.
    #[error(
        "no {dataset} files in {}; {remedy}, or name their folder by `--data-dir DIR` or by the \
         environment variable QUAVER_DATA_DIR",
        list_paths(looked_in)
    )]
    NotFound {
        /// Name of the data set, `mnist`.
        dataset: String,
        /// The folders, in the order they were looked in.
        looked_in: Vec<PathBuf>,
        /// How to come by them.
        remedy: String,
    },
    /// A data set of this name is not known.
    #[error("no data set named {got:?}; there are {allowed}")]
    UnknownDataset {
        /// What was asked for.
        got: String,
        /// What there is.
        allowed: String,
    },
    /// A data set of one part is asked for two.
    #[error(
        "{}: one part only, and training and test images are needed: an npz file has both in \
         x_train, y_train, x_test, y_test, a folder of images in train/CLASS and test/CLASS",
        path.display()
    )]
    OnePart {
        /// The file or folder.
        path: PathBuf,
    },
    /// A picture cannot be read.
    #[error("{}: not a readable PNG or JPEG of up to {max_side} by {max_side} pixels: {reason}", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// Largest height and width in pixels.
        max_side: u32,
        /// What is wrong with it.
        reason: String,
    },
    /// Pictures of a folder differ in size.
    #[error(
        "{}: {} by {} pixels, expected {} by {} as the images before it; --resize {}x{} scales all alike",
        path.display(), got[0], got[1], expected[0], expected[1], expected[0], expected[1]
    )]
    Size {
        /// The file.
        path: PathBuf,
        /// `[height, width]` of the first picture.
        expected: [usize; 2],
        /// `[height, width]` of this one.
        got: [usize; 2],
    },
    /// A folder does not hold images by class.
    #[error("{}: {reason}; a folder of images holds train/CLASS/*.png and test/CLASS/*.png, or CLASS/*.png", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A CIFAR file does not hold whole records.
    #[error("{}: expected records of {record} bytes, up to {limit} bytes in all, got {got}", path.display())]
    Records {
        /// The file.
        path: PathBuf,
        /// Bytes of a record.
        record: usize,
        /// Bytes of the largest file.
        limit: usize,
        /// Bytes there are.
        got: usize,
    },
    /// Classes of images are not those of a classifier.
    #[error("{name}: expected images of the classes {expected}, got {got}")]
    Classes {
        /// Name of the data set.
        name: String,
        /// The classifier's classes.
        expected: String,
        /// Those of the images.
        got: String,
    },
    /// The first four bytes of an IDX file say something else.
    #[error("{}: expected an IDX file of {expected} (magic {expected_magic:#010x}), got magic {got:#010x}", path.display())]
    Magic {
        /// The file.
        path: PathBuf,
        /// `images` or `labels`.
        expected: &'static str,
        /// The magic number of such files.
        expected_magic: u32,
        /// The first four bytes, big-endian.
        got: u32,
    },
    /// The header declares an empty or absurd shape.
    #[error("{}: the header declares {got:?}; allowed are up to {limit} bytes of images of 1 to 4096 pixels a side", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// The declared sizes, outermost first.
        got: Vec<u64>,
        /// The largest size in bytes.
        limit: u64,
    },
    /// There are fewer or more bytes than the header declares.
    #[error("{}: the header declares {declared} bytes of data, the file holds {got}", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// Bytes declared.
        declared: u64,
        /// What there is: a count, or a bound on it.
        got: String,
    },
    /// The compressed stream is broken.
    #[error("{}: broken compressed data: {problem}", path.display())]
    Compressed {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        problem: io::Error,
    },
    /// A label is not a class.
    #[error("{}: label {got} of row {row} is out of range; allowed are 0 to {}", path.display(), n_classes - 1)]
    Label {
        /// The file.
        path: PathBuf,
        /// Row of the first such label.
        row: usize,
        /// The label.
        got: i128,
        /// Number of classes.
        n_classes: usize,
    },
    /// Two things that belong together have different lengths.
    #[error("{}: expected {expected} {what} (one for each image), got {got}", path.display())]
    Count {
        /// The file.
        path: PathBuf,
        /// `labels`, `ids`, the name of an array.
        what: String,
        /// Number of images.
        expected: usize,
        /// Number found.
        got: usize,
    },
    /// Images are of another shape, or a pixel is out of range.
    #[error("{}: {problem}", path.display())]
    Images {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        problem: ImageError,
    },
    /// The zip archive around the arrays is broken.
    #[error("{}: not a readable npz archive: {problem}", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An array is not in the archive.
    #[error("{}: no array named `{name}`; there are {present}", path.display())]
    MissingArray {
        /// The file.
        path: PathBuf,
        /// The array asked for.
        name: String,
        /// The arrays there are.
        present: String,
    },
    /// An array's bytes are not what its header says, or the header is none.
    #[error("{}: array `{name}`: {problem}", path.display())]
    Array {
        /// The file.
        path: PathBuf,
        /// The array.
        name: String,
        /// What is wrong with it.
        problem: super::npy::NpyError,
    },
    /// An array holds another type or number of axes than needed here.
    #[error("{}: array `{name}` should be {allowed}, got {got}", path.display())]
    ArrayKind {
        /// The file.
        path: PathBuf,
        /// The array.
        name: String,
        /// What it may be.
        allowed: &'static str,
        /// Its type and shape.
        got: String,
    },
    /// An id is negative.
    #[error("{}: id {got} of row {row} is negative; ids are whole numbers from 0", path.display())]
    Id {
        /// The file.
        path: PathBuf,
        /// Row of the first such id.
        row: usize,
        /// The id.
        got: i128,
    },
    /// More images were asked for than can be drawn.
    #[error("{got} images asked for; allowed are up to {allowed}")]
    TooMany {
        /// How many.
        got: usize,
        /// The most.
        allowed: usize,
    },
    /// A row was asked for that is not there.
    #[error("data set {name}: row {got} asked for; there are {n} rows")]
    Row {
        /// Name of the data set.
        name: String,
        /// The row.
        got: usize,
        /// How many there are.
        n: usize,
    },
}

impl DataError {
    /// Names a file where only the data set was named.
    pub(super) fn of_file(mut self, file: &Path) -> Self {
        if let Self::Images { path, .. } | Self::Label { path, .. } | Self::Count { path, .. } =
            &mut self
        {
            file.clone_into(path);
        }
        self
    }

    /// Names the file in what the file system said.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |problem| Self::Io {
            path: path.to_owned(),
            problem,
        }
    }

    /// Names the archive in what is wrong with it.
    pub(crate) fn archive<E>(path: &Path) -> impl FnOnce(E) -> Self + '_
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        move |problem| Self::Archive {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }
}

/// Images that a classifier cannot be given.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ImageError {
    /// Another shape.
    #[error("expected images of {}, got {}", shape_text(expected), shape_text(got))]
    Shape {
        /// `[c, h, w]`.
        expected: [usize; 3],
        /// Shape of one image.
        got: Vec<usize>,
    },
    /// A pixel is NaN, infinite or outside [0, 1].
    #[error(
        "image {image} has a pixel of {value}; float pixels are allowed in [0, 1] (divide 0-255 values by 255)"
    )]
    Pixel {
        /// Row of the first such image.
        image: usize,
        /// Its first such value.
        value: f32,
    },
}

fn shape_text(shape: &[usize]) -> String {
    let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
    format!("({})", sizes.join(", "))
}

fn list_paths(paths: &[PathBuf]) -> String {
    if paths.is_empty() {
        return "any folder (none was named)".to_owned();
    }
    let names: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_data_names_the_folders_and_the_three_ways_out() {
        let error = DataError::NotFound {
            dataset: "mnist".to_owned(),
            looked_in: vec![PathBuf::from("/a"), PathBuf::from("/b")],
            remedy: "get them by `quaver data fetch mnist`".to_owned(),
        };
        let text = error.to_string();
        for part in [
            "/a, /b",
            "quaver data fetch mnist",
            "--data-dir DIR",
            "QUAVER_DATA_DIR",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn shapes_read_as_the_design_says() {
        let error = ImageError::Shape {
            expected: [1, 28, 28],
            got: vec![3, 32, 32],
        };
        assert_eq!(
            error.to_string(),
            "expected images of (1, 28, 28), got (3, 32, 32)"
        );
    }
}

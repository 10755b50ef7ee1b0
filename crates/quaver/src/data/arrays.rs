//! What the arrays of an npz file mean: pixels, labels, ids. And whole files as data sets.

use super::npy::NpyArray;
use super::npz::NpzReader;
use super::{DataError, Dataset, ImageError, Pixels, Split, check_images, folder};
use ndarray::{Array4, ArrayD, Axis, Ix4};
use std::path::Path;

/// Most classes that labels of a file can name.
const MAX_CLASSES: usize = 10_000;

/// Reads one part of the data set in an npz file: `x_train` and `y_train`, `x_test` and `y_test`,
/// or `x` and `y`, which are one part only. Classes are numbers, as many as the largest label of
/// all parts asks for.
///
/// # Errors
/// Those of [`NpzReader`], and [`DataError::MissingArray`], [`DataError::ArrayKind`],
/// [`DataError::Count`], [`DataError::Label`], [`DataError::Images`] for arrays that do not fit.
pub fn read(path: &Path, split: Split) -> Result<Dataset, DataError> {
    let npz = NpzReader::open(path)?;
    let suffix = match has_both_splits(&npz.names()) {
        true => format!("_{}", split.name()),
        false => String::new(),
    };
    let [x, y] = ["x", "y"].map(|name| format!("{name}{suffix}"));
    let pixels = to_pixels(path, &x, npz.require(&x)?)?;
    let n = pixels.dim().0;
    let labels = read_labels(&npz, &y, n, None)?;
    let labels = labels.ok_or_else(|| DataError::MissingArray {
        path: path.to_owned(),
        name: y.clone(),
        present: npz.names().join(", "),
    })?;
    let mut largest = labels.iter().copied().max().unwrap_or(0);
    for other in ["y_train", "y_test"] {
        if other != y
            && !suffix.is_empty()
            && let Some(array) = npz.read(other)?
        {
            let n = array.shape().first().copied().unwrap_or(0);
            let labels = to_labels(path, other, &array, n, MAX_CLASSES)?;
            largest = largest.max(labels.into_iter().max().unwrap_or(0));
        }
    }
    let classes = (0..=largest.max(1)).map(|class| class.to_string());
    let name = folder::name(path);
    let data = Dataset::new(&name, split, pixels, labels, classes.collect());
    data.map_err(|error| error.of_file(path))
}

/// Whether arrays of these names are the two parts of a data set.
pub(super) fn has_both_splits(names: &[String]) -> bool {
    names
        .iter()
        .any(|name| name == "x_train" || name == "x_test")
}

/// Images as they are stored: bytes, or floats whose range is yet to be checked.
fn to_pixels(path: &Path, name: &str, array: NpyArray) -> Result<Pixels, DataError> {
    let got = array.describe();
    let pixels = match array {
        NpyArray::U8(array) => Pixels::Bytes(four_axes(path, name, array, &got)?),
        NpyArray::F32(array) => Pixels::Floats(four_axes(path, name, array, &got)?),
        NpyArray::F64(array) => {
            Pixels::Floats(four_axes(path, name, array.mapv(|v| v as f32), &got)?)
        }
        _ => return Err(kind(path, name, "images (uint8, float32 or float64)", got)),
    };
    match pixels.dim() {
        (0, ..) => Err(kind(path, name, "of at least one image", got)),
        (_, c, h, w) if c.min(h).min(w) == 0 => {
            Err(kind(path, name, "of images of at least one pixel", got))
        }
        _ => Ok(pixels),
    }
}

/// Puts an axis of one channel where there is none.
fn four_axes<T>(
    path: &Path,
    name: &str,
    array: ArrayD<T>,
    got: &str,
) -> Result<Array4<T>, DataError> {
    let refuse = |allowed| kind(path, name, allowed, got.to_owned());
    let array = match array.ndim() {
        3 => array.insert_axis(Axis(1)),
        _ => array,
    };
    let images = array
        .into_dimensionality::<Ix4>()
        .map_err(|_| refuse("of shape (n, c, h, w) or (n, h, w)"))?;
    match images.dim() {
        (_, h, _, 1 | 3 | 4) if h > 4 => Err(refuse(
            "of shape (n, c, h, w), channels before height and width",
        )),
        _ => Ok(images),
    }
}

/// Images `(n, c, h, w)` in [0, 1] for a classifier of `[c, h, w]`.
pub(super) fn to_images(
    path: &Path,
    name: &str,
    array: NpyArray,
    shape: [usize; 3],
) -> Result<Array4<f32>, DataError> {
    let images = match to_pixels(path, name, array)? {
        Pixels::Bytes(bytes) => bytes.mapv(super::unit),
        Pixels::Floats(values) => values,
    };
    let refuse = |problem: ImageError| DataError::Images {
        path: path.to_owned(),
        problem,
    };
    check_images(images.view(), shape).map_err(refuse)?;
    Ok(match images.is_standard_layout() {
        true => images,
        false => images.as_standard_layout().into_owned(),
    })
}

/// The labels called `name`, if they are there; of any class where `n_classes` is not given.
pub(super) fn read_labels(
    npz: &NpzReader,
    name: &str,
    n: usize,
    n_classes: Option<usize>,
) -> Result<Option<Vec<usize>>, DataError> {
    let Some(array) = npz.read(name)? else {
        return Ok(None);
    };
    let n_classes = n_classes.unwrap_or(MAX_CLASSES);
    to_labels(npz.path(), name, &array, n, n_classes).map(Some)
}

fn to_labels(
    path: &Path,
    name: &str,
    array: &NpyArray,
    n: usize,
    n_classes: usize,
) -> Result<Vec<usize>, DataError> {
    integers(path, name, array, n, |row, got| {
        match usize::try_from(got) {
            Ok(label) if label < n_classes => Ok(label),
            _ => Err(DataError::Label {
                path: path.to_owned(),
                row,
                got,
                n_classes,
            }),
        }
    })
}

/// Ids from 0.
pub(super) fn to_ids(path: &Path, array: &NpyArray, n: usize) -> Result<Vec<u64>, DataError> {
    integers(path, "id", array, n, |row, got| {
        u64::try_from(got).map_err(|_| DataError::Id {
            path: path.to_owned(),
            row,
            got,
        })
    })
}

/// What `convert` makes of each row and its integer, of an array of shape `(n)`, or `(n, 1)` as
/// Keras keeps labels.
fn integers<T>(
    path: &Path,
    name: &str,
    array: &NpyArray,
    n: usize,
    convert: impl Fn(usize, i128) -> Result<T, DataError>,
) -> Result<Vec<T>, DataError> {
    let refuse = |allowed| kind(path, name, allowed, array.describe());
    if !matches!(array.shape(), [_] | [_, 1]) {
        return Err(refuse("of shape (n)"));
    }
    let values = array.integers().ok_or_else(|| refuse("integers"))?;
    check_count(path, name, n, array.shape()[0])?;
    let mut converted = Vec::with_capacity(n);
    for (row, value) in values.enumerate() {
        converted.push(convert(row, value)?);
    }
    Ok(converted)
}

fn kind(path: &Path, name: &str, allowed: &'static str, got: String) -> DataError {
    DataError::ArrayKind {
        path: path.to_owned(),
        name: name.to_owned(),
        allowed,
        got,
    }
}

/// One row of `name` for each image.
pub(super) fn check_count(
    path: &Path,
    name: &str,
    expected: usize,
    got: usize,
) -> Result<(), DataError> {
    if expected == got {
        return Ok(());
    }
    let what = format!("rows of `{name}`");
    Err(DataError::Count {
        path: path.to_owned(),
        what,
        expected,
        got,
    })
}

#[cfg(test)]
mod tests {
    use super::super::npz::{self, Arrays};
    use super::*;
    use ndarray::{Array2, Array3};

    fn read_part(arrays: &[(&str, NpyArray)], split: Split) -> Result<Dataset, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.npz");
        let arrays: Arrays = arrays
            .iter()
            .map(|(name, array)| ((*name).to_owned(), array.clone()))
            .collect();
        npz::write(&path, &arrays).unwrap();
        read(&path, split)
    }

    fn bytes(n: usize, value: u8) -> NpyArray {
        Array3::from_elem((n, 2, 3), value).into()
    }

    #[test]
    fn parts_share_their_classes() {
        // As keras.datasets.mnist keeps them, but for labels with an axis of their own.
        let arrays = [
            ("x_train", bytes(3, 51)),
            (
                "y_train",
                Array2::from_shape_vec((3, 1), vec![0_u8, 2, 1])
                    .unwrap()
                    .into(),
            ),
            ("x_test", bytes(2, 255)),
            ("y_test", vec![6_i64, 0].into()),
        ];
        let train = read_part(&arrays, Split::Train).unwrap();
        assert_eq!((train.labels(), train.name()), (&[0, 2, 1][..], "own.npz"));
        assert_eq!((train.image_shape(), train.n_classes()), ([1, 2, 3], 7));
        let test = read_part(&arrays, Split::Test).unwrap();
        assert_eq!((test.len(), test.n_classes()), (2, 7));
        assert_eq!(test.images(0..1)[[0, 0, 1, 2]], 1.0);
        let missing = read_part(&arrays[..2], Split::Test)
            .unwrap_err()
            .to_string();
        assert!(missing.ends_with("no array named `x_test`; there are x_train, y_train"));
    }

    #[test]
    fn one_part_serves_as_both() {
        let x: NpyArray = Array4::from_elem((2, 3, 4, 4), 0.5_f64).into();
        let arrays = [("x", x), ("y", vec![0_i64, 1].into())];
        for split in [Split::Train, Split::Test] {
            let data = read_part(&arrays, split).unwrap();
            assert_eq!((data.image_shape(), data.n_classes()), ([3, 4, 4], 2));
        }
        assert!(
            read_part(&arrays[..1], Split::Test)
                .unwrap_err()
                .to_string()
                .contains("`y`")
        );
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let refused = |x: NpyArray, y: NpyArray| {
            let error = read_part(&[("x", x), ("y", y)], Split::Test).unwrap_err();
            error
                .to_string()
                .split_once("own.npz: ")
                .unwrap()
                .1
                .to_owned()
        };
        let y = || NpyArray::from(vec![0_i64, 1]);
        let last: NpyArray = Array4::<u8>::zeros((2, 32, 32, 3)).into();
        assert!(refused(last, y()).contains("channels before height and width"));
        let wide: NpyArray = Array4::from_elem((2, 1, 4, 4), 255.0_f32).into();
        assert!(refused(wide, y()).starts_with("image 0 has a pixel of 255;"));
        assert!(refused(bytes(2, 0), vec![0_i64, -1].into()).starts_with("label -1 of row 1"));
        let far = refused(bytes(2, 0), vec![0_i64, 10_000].into());
        assert!(far.ends_with("allowed are 0 to 9999"), "{far}");
        assert!(refused(bytes(3, 0), y()).contains("expected 3 rows of `y`"));
    }
}

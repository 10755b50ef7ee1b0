//! A user's images: npz files with `x` and, where the call needs them, `y`, `target`,
//! `start` and `id`. Everything is checked here, once.

use super::DataError;
use super::arrays::{check_count, read_labels, to_ids, to_images};
use super::npz::NpzReader;
use ndarray::Array4;
use std::path::{Path, PathBuf};

/// What an input file may hold; see [`ImageInput::read`].
#[derive(Clone, Debug)]
pub struct ImageInput {
    /// The file, for messages.
    pub path: PathBuf,
    /// Images `(n, c, h, w)` in [0, 1].
    pub x: Array4<f32>,
    /// True labels `(n)`.
    pub y: Option<Vec<usize>>,
    /// Classes a targeted attack should reach, `(n)`.
    pub target: Option<Vec<usize>>,
    /// Where an attack starts, `(n, c, h, w)` in [0, 1].
    pub start: Option<Array4<f32>>,
    /// Ids that key the noise, `(n)`: `id` of the file, else the rows.
    pub ids: Vec<u64>,
    /// Names of all arrays in the file, sorted.
    pub arrays: Vec<String>,
}

impl ImageInput {
    /// Reads `x`, `y`, `target`, `start` and `id`; other arrays are left alone.
    /// Images may be `uint8` (0-255, divided by 255), `float32` or `float64` in [0, 1];
    /// labels integers of any width; ids integers from 0.
    ///
    /// # Errors
    /// [`DataError::MissingArray`] without `x`; [`DataError::ArrayKind`],
    /// [`DataError::Images`], [`DataError::Label`], [`DataError::Count`], [`DataError::Id`]
    /// when something does not fit a classifier of `[c, h, w]` images and `n_classes`
    /// classes; those of [`NpzReader`].
    pub fn read(path: &Path, shape: [usize; 3], n_classes: usize) -> Result<Self, DataError> {
        Self::read_named(path, "x", shape, n_classes)
    }

    /// [`ImageInput::read`] with the images under another name, `x_adv`.
    ///
    /// # Errors
    /// As [`ImageInput::read`].
    pub fn read_named(
        path: &Path,
        images: &str,
        shape: [usize; 3],
        n_classes: usize,
    ) -> Result<Self, DataError> {
        let npz = NpzReader::open(path)?;
        let array = npz.require(images)?;
        let x = to_images(path, images, array, shape)?;
        let n = x.dim().0;
        let y = read_labels(&npz, "y", n, Some(n_classes))?;
        let target = read_labels(&npz, "target", n, Some(n_classes))?;
        let start = match npz.read("start")? {
            None => None,
            Some(array) => {
                let start = to_images(path, "start", array, shape)?;
                check_count(path, "start", n, start.dim().0)?;
                Some(start)
            }
        };
        let ids = match npz.read("id")? {
            None => (0..n as u64).collect(),
            Some(array) => to_ids(path, &array, n)?,
        };
        Ok(Self {
            path: path.to_owned(),
            x,
            y,
            target,
            start,
            ids,
            arrays: npz.names(),
        })
    }

    /// The true labels, for a call that cannot do without.
    ///
    /// # Errors
    /// [`DataError::MissingArray`].
    pub fn labels(&self) -> Result<&[usize], DataError> {
        self.y.as_deref().ok_or_else(|| DataError::MissingArray {
            path: self.path.clone(),
            name: "y".to_owned(),
            present: self.arrays.join(", "),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::npy::NpyArray;
    use super::super::npz::{self, Arrays};
    use super::*;

    fn read(arrays: &[(&str, NpyArray)]) -> Result<ImageInput, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in.npz");
        let arrays: Arrays = arrays
            .iter()
            .map(|(name, a)| ((*name).to_owned(), a.clone()))
            .collect();
        npz::write(&path, &arrays).unwrap();
        ImageInput::read(&path, [1, 2, 2], 10)
    }

    fn images(value: f32) -> NpyArray {
        Array4::from_elem((2, 1, 2, 2), value).into()
    }

    fn refusal(arrays: &[(&str, NpyArray)]) -> String {
        let text = read(arrays).unwrap_err().to_string();
        text.split_once("in.npz: ").unwrap().1.to_owned()
    }

    #[test]
    fn all_pixel_types_and_label_widths_are_read() {
        let bytes = Array4::from_elem((2, 1, 2, 2), 51_u8);
        let doubles = Array4::from_elem((2, 1, 2, 2), 0.2_f64);
        for x in [images(0.2), bytes.into(), doubles.into()] {
            let input = read(&[("x", x), ("y", vec![9_u8, 0].into())]).unwrap();
            assert!(input.x.iter().all(|&v| v == 0.2));
            assert_eq!(
                (input.labels().unwrap(), input.ids.as_slice()),
                (&[9, 0][..], &[0, 1][..])
            );
            assert!(input.target.is_none() && input.start.is_none());
        }
        let all = [
            ("x", images(0.0)),
            ("start", images(1.0)),
            ("y", vec![1_i64, 2].into()),
            ("target", vec![3_u64, 4].into()),
            ("id", vec![1000_i64, 7].into()),
            ("names", vec![0.5_f64].into()),
        ];
        let input = read(&all).unwrap();
        assert_eq!(input.ids, [1000, 7]);
        assert_eq!(input.target, Some(vec![3, 4]));
        assert_eq!(input.start.unwrap()[[1, 0, 1, 1]], 1.0);
    }

    #[test]
    fn images_that_do_not_fit_are_refused_by_name() {
        let x = |x: NpyArray| refusal(&[("x", x)]);
        let wrong = Array4::<f32>::zeros((2, 3, 2, 2));
        assert_eq!(
            x(wrong.into()),
            "expected images of (1, 2, 2), got (3, 2, 2)"
        );
        assert!(
            x(images(255.0))
                .starts_with("image 0 has a pixel of 255; float pixels are allowed in [0, 1]")
        );
        assert!(x(images(f32::NAN)).starts_with("image 0 has a pixel of NaN"));
        let flat = ndarray::Array2::<f32>::zeros((2, 4));
        assert_eq!(
            x(flat.into()),
            "array `x` should be of shape (n, c, h, w) or (n, h, w), got float32 of shape [2, 4]"
        );
        assert!(x(vec![1_i64].into()).starts_with("array `x` should be images"));
        assert!(x(Array4::<f32>::zeros((0, 1, 2, 2)).into()).contains("at least one image"));
        assert_eq!(
            refusal(&[("y", vec![1_i64].into())]),
            "no array named `x`; there are y"
        );
    }

    #[test]
    fn labels_and_ids_that_do_not_fit_are_refused_by_name() {
        let with =
            |name: &'static str, array: NpyArray| refusal(&[("x", images(0.0)), (name, array)]);
        assert_eq!(
            with("y", vec![0_i64, 10].into()),
            "label 10 of row 1 is out of range; allowed are 0 to 9"
        );
        assert_eq!(
            with("target", vec![-1_i64, 0].into()),
            "label -1 of row 0 is out of range; allowed are 0 to 9"
        );
        assert_eq!(
            with("y", vec![0_i64].into()),
            "expected 2 rows of `y` (one for each image), got 1"
        );
        assert!(with("y", vec![0.0_f32, 1.0].into()).starts_with("array `y` should be integers"));
        assert!(with("id", vec![0_i64, -4].into()).starts_with("id -4 of row 1 is negative"));
        assert!(with("start", images(-0.5)).starts_with("image 0 has a pixel of -0.5"));
        let unlabeled = read(&[("x", images(0.0))]).unwrap();
        let error = unlabeled.labels().unwrap_err().to_string();
        assert!(
            error.ends_with("no array named `y`; there are x"),
            "{error}"
        );
    }
}

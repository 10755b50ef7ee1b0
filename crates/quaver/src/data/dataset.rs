//! [`Dataset`]: labeled images as a plain value; they stay bytes until a batch is asked for.

use super::DataError;
use super::check::{check_images, check_labels};
use super::pixels::{Pixels, unit};
use ndarray::{Array4, Axis};
use sha2::{Digest, Sha256};
use std::ops::Range;
use std::path::Path;

/// Which part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// For fitting.
    Train,
    /// Held out.
    Test,
}

impl Split {
    /// `train` or `test`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
        }
    }
}

/// Images with labels, class names and the ids that key their noise.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    name: String,
    split: Split,
    pixels: Pixels,
    labels: Vec<usize>,
    ids: Vec<u64>,
    class_names: Vec<String>,
}

impl Dataset {
    /// Holds images with their labels; the id of an image is its row.
    ///
    /// # Errors
    /// [`DataError::Count`] when there is not one label an image, [`DataError::Label`] when a
    /// label is no class, [`DataError::Images`] when a float pixel is outside [0, 1].
    /// Where they name a file, it is `name`.
    pub fn new(
        name: &str,
        split: Split,
        pixels: Pixels,
        labels: Vec<usize>,
        class_names: Vec<String>,
    ) -> Result<Self, DataError> {
        let path = Path::new(name);
        let (n, c, h, w) = pixels.dim();
        if labels.len() != n {
            let (path, what) = (path.to_owned(), "labels".to_owned());
            return Err(DataError::Count {
                path,
                what,
                expected: n,
                got: labels.len(),
            });
        }
        check_labels(path, &labels, class_names.len())?;
        if let Pixels::Floats(x) = &pixels {
            check_images(x.view(), [c, h, w]).map_err(|problem| DataError::Images {
                path: path.to_owned(),
                problem,
            })?;
        }
        let ids = (0..n as u64).collect();
        let pixels = pixels.in_row_major_order();
        Ok(Self {
            name: name.to_owned(),
            split,
            pixels,
            labels,
            ids,
            class_names,
        })
    }

    /// Name of the data set, `mnist`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which part this is.
    #[must_use]
    pub fn split(&self) -> Split {
        self.split
    }

    /// Number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// `[c, h, w]` of an image.
    #[must_use]
    pub fn image_shape(&self) -> [usize; 3] {
        let (_, c, h, w) = self.pixels.dim();
        [c, h, w]
    }

    /// Number of classes.
    #[must_use]
    pub fn n_classes(&self) -> usize {
        self.class_names.len()
    }

    /// Names of the classes, by label.
    #[must_use]
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// True labels `(n)`.
    #[must_use]
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// Ids `(n)`: rows of the data set as it was loaded, kept by [`Dataset::subset`].
    #[must_use]
    pub fn ids(&self) -> &[u64] {
        &self.ids
    }

    /// The pixels as they were read.
    #[must_use]
    pub fn pixels(&self) -> &Pixels {
        &self.pixels
    }

    /// The first `n` images, or all of them when there are fewer.
    #[must_use]
    pub fn first(&self, n: usize) -> Self {
        let rows: Vec<usize> = (0..n.min(self.len())).collect();
        self.select(&rows)
    }

    /// The images of `rows`, in that order, with the ids they had.
    ///
    /// # Errors
    /// [`DataError::Row`] when there is no such row.
    pub fn subset(&self, rows: &[usize]) -> Result<Self, DataError> {
        if let Some(&got) = rows.iter().find(|&&row| row >= self.len()) {
            return Err(DataError::Row {
                name: self.name.clone(),
                got,
                n: self.len(),
            });
        }
        Ok(self.select(rows))
    }

    /// Rows `rows` as `(n, c, h, w)` in [0, 1], C-contiguous. A range past the end is cut.
    #[must_use]
    pub fn images(&self, rows: Range<usize>) -> Array4<f32> {
        let end = rows.end.min(self.len());
        let slice = ndarray::Slice::from(rows.start.min(end)..end);
        match &self.pixels {
            Pixels::Bytes(x) => x.slice_axis(Axis(0), slice).mapv(unit),
            Pixels::Floats(x) => x.slice_axis(Axis(0), slice).to_owned(),
        }
    }

    /// Writes the pixels of `row` (below [`Dataset::len`]) in [0, 1] over `out`, which has
    /// room for exactly c · h · w of them.
    pub fn copy_image(&self, row: usize, out: &mut [f32]) {
        match &self.pixels {
            Pixels::Bytes(x) => {
                let image = x.index_axis(Axis(0), row);
                out.iter_mut()
                    .zip(image)
                    .for_each(|(out, &v)| *out = unit(v));
            }
            Pixels::Floats(x) => {
                let image = x.index_axis(Axis(0), row);
                out.iter_mut().zip(image).for_each(|(out, &v)| *out = v);
            }
        }
    }

    /// The images with ids counted up from `first`.
    pub(super) fn with_first_id(mut self, first: u64) -> Self {
        self.ids = (first..).take(self.len()).collect();
        self
    }

    /// The images with labels as a classifier of the classes `names` counts them: by name where
    /// it knows all of them, else by place, for as many classes or for the first of them where
    /// classes are numbers.
    ///
    /// # Errors
    /// [`DataError::Classes`].
    pub fn for_classes(mut self, names: &[String]) -> Result<Self, DataError> {
        let place = |name: &String| names.iter().position(|known| known == name);
        let own = &self.class_names;
        let by_name: Option<Vec<usize>> = own.iter().map(place).collect();
        let numbered = own
            .iter()
            .enumerate()
            .all(|(i, name)| *name == i.to_string());
        match by_name {
            Some(places) => self
                .labels
                .iter_mut()
                .for_each(|label| *label = places[*label]),
            None if own.len() == names.len() || (numbered && own.len() < names.len()) => {}
            None => {
                return Err(DataError::Classes {
                    expected: names.join(", "),
                    got: own.join(", "),
                    name: self.name,
                });
            }
        }
        self.class_names = names.to_vec();
        Ok(self)
    }

    /// SHA-256 of everything about the images but their ids, in hexadecimal: name, part, shape,
    /// classes, labels and pixels.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let head = serde_json::json!([
            self.name,
            self.split.name(),
            self.image_shape(),
            self.class_names,
            self.labels,
        ]);
        let mut hash = Sha256::new();
        hash.update(head.to_string());
        match &self.pixels {
            Pixels::Bytes(x) => x
                .outer_iter()
                .for_each(|image| hash.update(image.iter().copied().collect::<Vec<u8>>())),
            Pixels::Floats(x) => x.outer_iter().for_each(|image| {
                let bytes = image.iter().flat_map(|v| v.to_le_bytes());
                hash.update(bytes.collect::<Vec<u8>>());
            }),
        }
        let hash = hash.finalize();
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn select(&self, rows: &[usize]) -> Self {
        Self {
            name: self.name.clone(),
            split: self.split,
            pixels: self.pixels.select(rows),
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
            ids: rows.iter().map(|&row| self.ids[row]).collect(),
            class_names: self.class_names.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array;

    fn four() -> Dataset {
        let bytes = Array::from_shape_vec((4, 1, 1, 2), vec![0, 255, 51, 102, 1, 2, 3, 4]).unwrap();
        let names = vec!["a".to_owned(), "b".to_owned()];
        Dataset::new(
            "four",
            Split::Test,
            Pixels::Bytes(bytes),
            vec![0, 1, 0, 1],
            names,
        )
        .unwrap()
    }

    #[test]
    fn bytes_become_fractions_of_255() {
        let x = four().images(0..2);
        assert_eq!(x.as_slice().unwrap(), [0.0, 1.0, 0.2, 0.4]);
        let mut one = [9.0; 2];
        four().copy_image(1, &mut one);
        assert_eq!(one, [0.2, 0.4]);
        assert_eq!(four().images(3..99).dim(), (1, 1, 1, 2));
    }

    #[test]
    fn a_subset_keeps_the_ids() {
        let part = four().subset(&[3, 1]).unwrap();
        assert_eq!(part.ids(), [3, 1]);
        assert_eq!(part.subset(&[1]).unwrap().ids(), [1]);
        assert_eq!(part.labels(), [1, 1]);
        assert_eq!(part.images(0..1), four().images(3..4));
        assert_eq!(four().first(9).len(), 4);
        assert!(matches!(
            four().subset(&[4]),
            Err(DataError::Row { got: 4, n: 4, .. })
        ));
    }

    #[test]
    fn classes_go_by_name_where_the_classifier_knows_them() {
        let names = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
        let labels = |classes: &str| four().for_classes(&names(classes)).map(|d| d.labels);
        assert_eq!(labels("x b a").unwrap(), [2, 1, 2, 1]);
        assert_eq!(labels("x y").unwrap(), [0, 1, 0, 1]);
        let text = labels("x y z").unwrap_err().to_string();
        assert_eq!(
            text,
            "four: expected images of the classes x, y, z, got a, b"
        );
        let mut numbered = four();
        numbered.class_names = names("0 1");
        let fitted = numbered.for_classes(&names("x y z")).unwrap();
        assert_eq!(
            (fitted.labels(), fitted.n_classes()),
            (&[0, 1, 0, 1][..], 3)
        );
    }

    #[test]
    fn a_fingerprint_tells_data_apart() {
        let mut others = [four(), four(), four().first(3)];
        others[0].labels[1] = 0;
        others[1].class_names[1] = "c".to_owned();
        let print = four().fingerprint();
        assert_eq!(print.len(), 64);
        assert_eq!(print, four().fingerprint());
        assert!(others.iter().all(|other| other.fingerprint() != print));
    }

    #[test]
    fn labels_are_checked() {
        let images = || Pixels::Bytes(Array4::zeros((2, 1, 2, 2)));
        let names = vec!["a".to_owned()];
        let few = Dataset::new("d", Split::Train, images(), vec![0], names.clone());
        assert!(matches!(
            few,
            Err(DataError::Count {
                expected: 2,
                got: 1,
                ..
            })
        ));
        let high = Dataset::new("d", Split::Train, images(), vec![0, 1], names).unwrap_err();
        assert_eq!(
            high.to_string(),
            "d: label 1 of row 1 is out of range; allowed are 0 to 0"
        );
    }
}

//! The images of a command: of a data set, slice by slice, or of a file.

use crate::args::ImagesArgs;
use crate::context::Context;
use anyhow::Context as _;
use ndarray::{Array4, s};
use quaver::classifier::Classifier;
use quaver::data::input::ImageInput;
use quaver::data::npz::NpzReader;
use quaver::data::source::SplitReader;
use quaver::data::{Dataset, ImageError, Split};
use std::ops::Range;
use std::path::Path;

/// Images to work on, with what came along.
pub(crate) struct Images {
    /// Where they come from, for results.
    pub(crate) source: String,
    pub(crate) x: Array4<f32>,
    pub(crate) labels: Option<Vec<usize>>,
    pub(crate) ids: Vec<u64>,
    pub(crate) targets: Option<Vec<usize>>,
    pub(crate) start: Option<Array4<f32>>,
}

impl Images {
    /// The true labels, for a command that cannot do without.
    pub(crate) fn require_labels(&self, what: &str) -> anyhow::Result<&[usize]> {
        let missing = || {
            format!(
                "{}: {what} needs the true labels, an array `y`",
                self.source
            )
        };
        self.labels.as_deref().with_context(missing)
    }
}

/// Images that are read, or drawn, when they are asked for.
pub(crate) enum Stream {
    /// Of a data set, for a model of these classes.
    Split {
        split: Box<dyn SplitReader>,
        classes: Vec<String>,
    },
    /// Of a file.
    File(Box<Images>),
}

impl Stream {
    /// The images of `args` for `network`: a file's, or the test split's first.
    pub(crate) fn open(
        context: &Context,
        args: &ImagesArgs,
        network: &dyn Classifier,
    ) -> anyhow::Result<Self> {
        if let Some(path) = &args.input {
            let images = file_images(path, None, network)?;
            return Ok(Self::File(Box::new(images)));
        }
        let shape = network.input_shape();
        let split = context.open(&args.data, Split::Test, args.n, Some(shape[0]))?;
        check_shape(&split.name(), split.image_shape(), shape)?;
        let classes = network.classes();
        // Refused now, not after the first slices.
        split.rows(0..1)?.for_classes(&classes)?;
        Ok(Self::Split { split, classes })
    }

    /// Where the images come from, for results.
    pub(crate) fn source(&self) -> String {
        match self {
            Self::Split { split, .. } => split.name(),
            Self::File(images) => images.source.clone(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Split { split, .. } => split.len(),
            Self::File(images) => images.ids.len(),
        }
    }

    /// The images of `rows`, which are there.
    pub(crate) fn rows(&self, rows: Range<usize>) -> anyhow::Result<Images> {
        match self {
            Self::Split { split, classes } => {
                Ok(of_dataset(&split.rows(rows)?.for_classes(classes)?))
            }
            Self::File(images) => {
                let cut = |x: &Array4<f32>| x.slice(s![rows.clone(), .., .., ..]).to_owned();
                let some = |list: &Option<Vec<usize>>| {
                    list.as_ref().map(|list| list[rows.clone()].to_vec())
                };
                Ok(Images {
                    source: images.source.clone(),
                    x: cut(&images.x),
                    labels: some(&images.labels),
                    ids: images.ids[rows.clone()].to_vec(),
                    targets: some(&images.targets),
                    start: images.start.as_ref().map(cut),
                })
            }
        }
    }

    /// All images at once.
    pub(crate) fn all(self) -> anyhow::Result<Images> {
        match self {
            Self::File(images) => Ok(*images),
            Self::Split { .. } => self.rows(0..self.len()),
        }
    }
}

fn of_dataset(data: &Dataset) -> Images {
    Images {
        source: data.name().to_owned(),
        x: data.images(0..data.len()),
        labels: Some(data.labels().to_vec()),
        ids: data.ids().to_vec(),
        targets: None,
        start: None,
    }
}

/// Refuses images of another shape than the model's, by the name of where they come from.
pub(crate) fn check_shape(name: &str, got: [usize; 3], expected: [usize; 3]) -> anyhow::Result<()> {
    if got == expected {
        return Ok(());
    }
    let got = got.to_vec();
    Err(ImageError::Shape { expected, got }).with_context(|| name.to_owned())
}

/// Images of a file: the array called `name`, else `x`, else `x_adv`.
pub(crate) fn file_images(
    path: &Path,
    name: Option<&str>,
    network: &dyn Classifier,
) -> anyhow::Result<Images> {
    let (shape, n_classes) = (network.input_shape(), network.n_classes());
    let names = NpzReader::open(path)?.names();
    let has = |array: &str| names.iter().any(|known| known == array);
    let fallback = if !has("x") && has("x_adv") {
        "x_adv"
    } else {
        "x"
    };
    let input = ImageInput::read_named(path, name.unwrap_or(fallback), shape, n_classes)?;
    Ok(Images {
        source: path.display().to_string(),
        x: input.x,
        labels: input.y,
        ids: input.ids,
        targets: input.target,
        start: input.start,
    })
}

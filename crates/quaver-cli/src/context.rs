//! What commands share: the engine, data sets, models.

use crate::args::{Common, DataArgs, ImagesArgs};
use crate::progress::Progress;
use anyhow::{Context as _, bail};
use ndarray::Array4;
use quaver::data::input::ImageInput;
use quaver::data::npz::NpzReader;
use quaver::data::source::{Source, load};
use quaver::data::{Dataset, ImageError, Split};
use quaver::network::Network;
use quaver_nn::engine::Engine;
use quaver_nn::format::safetensors;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Last line of a result that Ctrl-C cut short.
pub(crate) const INTERRUPTED: &str =
    "interrupted: the figures above are those of the images that were finished";

/// Flags of every command, resolved.
pub(crate) struct Context {
    pub(crate) common: Common,
    pub(crate) engine: Arc<Engine>,
    pub(crate) progress: Progress,
}

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

impl Context {
    pub(crate) fn new(common: Common) -> anyhow::Result<Self> {
        let engine = Engine::new(common.threads, common.simd.map(Into::into))?;
        let progress = Progress::new(common.quiet)?;
        Ok(Self {
            common,
            engine: Arc::new(engine),
            progress,
        })
    }

    /// The data set asked for; digits when none is named.
    pub(crate) fn dataset(
        &self,
        args: &DataArgs,
        split: Split,
        n: Option<usize>,
    ) -> anyhow::Result<Dataset> {
        let look_in = look_in(args);
        let name = args.dataset.as_deref().unwrap_or("digits");
        let source = Source {
            name,
            look_in: &look_in,
            seed: args.data_seed,
            n,
        };
        let dataset = self.engine.install(|| load(&source, split))?;
        match n {
            Some(n) if n > dataset.len() => bail!(
                "{n} images asked for; this part of {name} has {}",
                dataset.len()
            ),
            _ => Ok(dataset),
        }
    }

    /// A model ready to run.
    pub(crate) fn network(&self, path: &Path) -> anyhow::Result<Network> {
        let (model, _) = safetensors::load(path)?;
        Network::new(Arc::new(model), Arc::clone(&self.engine))
            .with_context(|| path.display().to_string())
    }

    /// The images of `args` for `network`: a file's, or the test split's first.
    pub(crate) fn images(&self, args: &ImagesArgs, network: &Network) -> anyhow::Result<Images> {
        if let Some(path) = &args.input {
            return file_images(path, None, network);
        }
        let dataset = self.dataset(&args.data, Split::Test, args.n)?;
        let shape = quaver::classifier::Classifier::input_shape(network);
        if dataset.image_shape() != shape {
            let (expected, got) = (shape, dataset.image_shape().to_vec());
            return Err(ImageError::Shape { expected, got })
                .with_context(|| dataset.name().to_owned());
        }
        let n_classes = quaver::classifier::Classifier::n_classes(network);
        if dataset.n_classes() != n_classes {
            bail!(
                "expected images of {n_classes} classes for this model, got {} of {}",
                dataset.n_classes(),
                dataset.name()
            );
        }
        Ok(Images {
            source: dataset.name().to_owned(),
            x: dataset.images(0..dataset.len()),
            labels: Some(dataset.labels().to_vec()),
            ids: dataset.ids().to_vec(),
            targets: None,
            start: None,
        })
    }
}

/// Images of a file: the array called `name`, else `x`, else `x_adv`.
pub(crate) fn file_images(
    path: &Path,
    name: Option<&str>,
    network: &Network,
) -> anyhow::Result<Images> {
    let shape = quaver::classifier::Classifier::input_shape(network);
    let n_classes = quaver::classifier::Classifier::n_classes(network);
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

/// Folders a data set may lie in, best first. What is typed is meant: nothing takes the place
/// of a folder that was named.
fn look_in(args: &DataArgs) -> Vec<PathBuf> {
    if let Some(folder) = &args.data_dir {
        return vec![folder.clone()];
    }
    let named = std::env::var_os("QUAVER_DATA_DIR").map(PathBuf::from);
    named.into_iter().chain(cache()).collect()
}

/// The user's cache of data sets.
pub(crate) fn cache() -> Option<PathBuf> {
    dirs::cache_dir().map(|cache| cache.join("quaver"))
}

/// Refuses an output that cannot be written, before hours of work.
pub(crate) fn check_output(path: &Path) -> anyhow::Result<()> {
    let name = path.display();
    if path.is_dir() || path.file_name().is_none() {
        bail!("{name} is a folder, expected the name of a file to write");
    }
    // Renaming a finished file over a device would take the device away.
    if path.exists() && !path.is_file() {
        bail!("{name} is a device or a pipe, expected the name of a file to write");
    }
    let probe = quaver::atomic_file::partial_path(path);
    std::fs::write(&probe, b"")
        .and_then(|()| std::fs::remove_file(&probe))
        .with_context(|| format!("cannot write {name}"))
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

    /// Keeps the first `n`: those that an interrupted call has finished.
    pub(crate) fn keep_first(&mut self, n: usize) {
        if n == self.ids.len() {
            return;
        }
        self.x = self.x.slice(ndarray::s![..n, .., .., ..]).to_owned();
        self.ids.truncate(n);
        if let Some(labels) = &mut self.labels {
            labels.truncate(n);
        }
    }
}

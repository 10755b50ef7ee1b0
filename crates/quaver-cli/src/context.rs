//! What commands share: the engine, data sets, models.

use crate::args::{Common, DataArgs, SimdName};
use crate::progress::Progress;
use anyhow::{Context as _, bail};
use quaver::classifier::Classifier;
use quaver::data::image_file::Decoding;
use quaver::data::source::{self, Source, SplitReader};
use quaver::data::{Dataset, Split};
use quaver::network::Network;
use quaver::wrap;
use quaver_nn::engine::Engine;
use quaver_nn::format::safetensors;
use quaver_nn::model::Info;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Last line of a result that Ctrl-C cut short after `n` images.
pub(crate) const fn interrupted(n: u64) -> &'static str {
    match n {
        0 => "interrupted before any image was finished: nothing is written",
        _ => "interrupted: the figures above are those of the images that were finished",
    }
}

/// Flags of every command, resolved.
pub(crate) struct Context {
    pub(crate) common: Common,
    pub(crate) engine: Arc<Engine>,
    pub(crate) progress: Progress,
}

impl Context {
    pub(crate) fn new(common: Common) -> anyhow::Result<Self> {
        let engine = Engine::new(common.threads, common.simd.map(SimdName::find).transpose()?)?;
        let progress = Progress::new(common.quiet)?;
        Ok(Self {
            common,
            engine: Arc::new(engine),
            progress,
        })
    }

    /// A split of the data set asked for, as it stands in its files.
    pub(crate) fn dataset(
        &self,
        args: &DataArgs,
        split: Split,
        n: Option<usize>,
    ) -> anyhow::Result<Dataset> {
        let opened = self.open(args, split, n, None)?;
        Ok(self.engine.install(|| opened.all(&self.progress))?)
    }

    /// The same unread, pictures of a folder with as many `channels`.
    pub(crate) fn open(
        &self,
        args: &DataArgs,
        split: Split,
        n: Option<usize>,
        channels: Option<usize>,
    ) -> anyhow::Result<Box<dyn SplitReader>> {
        let look_in = look_in(args);
        let name = args.name();
        let size = args.resize;
        let source = Source {
            name,
            look_in: &look_in,
            seed: args.data_seed,
            n,
            decoding: Decoding { channels, size },
        };
        let opened = self.engine.install(|| source::open(&source, split))?;
        match n {
            Some(n) if n > opened.len() => {
                bail!(
                    "{n} images asked for; this part of {name} has {}",
                    opened.len()
                )
            }
            _ => Ok(opened),
        }
    }

    /// A model ready to be asked, with what its file says of it.
    pub(crate) fn classifier(&self, path: &Path) -> anyhow::Result<(Info, Box<dyn Classifier>)> {
        let (model, _) = safetensors::load(path)?;
        let info = model.info.clone();
        let classifier = wrap::open(model, Arc::clone(&self.engine));
        Ok((
            info,
            classifier.with_context(|| path.display().to_string())?,
        ))
    }

    /// A model of the engine ready to run.
    pub(crate) fn network(&self, path: &Path) -> anyhow::Result<Network> {
        let (model, _) = safetensors::load(path)?;
        Network::new(Arc::new(model), Arc::clone(&self.engine))
            .with_context(|| path.display().to_string())
    }
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

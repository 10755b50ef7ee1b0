//! Flags of what images come from, and the commands on data sets.

use super::number::whole;
use clap::{Args as ClapArgs, Subcommand};
use quaver::data::image_file::MAX_SIDE;
use quaver::data::source::{DEFAULT, Entry, REGISTRY};
use std::path::PathBuf;

/// Where images come from.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct DataArgs {
    #[arg(long, value_name = "NAME|PATH", help = datasets())]
    pub(crate) dataset: Option<String>,
    /// Folder with the files of a data set known by name, or with a folder of that name that has
    /// them
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Seed of the drawn digits
    #[arg(long, default_value_t = 0, value_parser = whole::<u64>(0..=u64::MAX))]
    pub(crate) data_seed: u64,
    /// Scale image files to this height and width
    #[arg(long, value_name = "HxW", value_parser = size)]
    pub(crate) resize: Option<[usize; 2]>,
}

impl DataArgs {
    /// Name or path of the data set.
    pub(crate) fn name(&self) -> &str {
        self.dataset.as_deref().unwrap_or(DEFAULT.id)
    }
}

/// What `--dataset` takes.
fn datasets() -> String {
    let named = REGISTRY.iter().filter(|entry| entry.is_named());
    format!(
        "{}, or the path of an npz file or of a folder of images, one folder a class; {} unless \
         given",
        ids(named.copied()),
        DEFAULT.id
    )
}

/// What `data fetch` takes.
fn downloads() -> String {
    ids(REGISTRY
        .iter()
        .filter(|entry| entry.remote().is_some())
        .copied())
}

fn ids<'a>(entries: impl Iterator<Item = &'a Entry>) -> String {
    entries.map(|entry| entry.id).collect::<Vec<_>>().join(", ")
}

/// The images of a command that takes a file as well.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct ImagesArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Test images; all unless given
    #[arg(long, value_parser = whole::<usize>(1..))]
    pub(crate) n: Option<usize>,
    /// npz file with x, y and, where they are used, target, start, id
    #[arg(long, value_name = "IN.npz", conflicts_with_all = ["dataset", "n"])]
    pub(crate) input: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Data {
    /// Download a data set into the cache, checking its checksums
    Fetch {
        #[arg(help = downloads())]
        dataset: String,
        /// Folder instead of the cache
        #[arg(long, value_name = "DIR")]
        into: Option<PathBuf>,
        /// Base addresses instead of the known mirrors, tried in this order
        #[arg(long, value_name = "URL", value_delimiter = ',')]
        from: Vec<String>,
    },
    /// Write a contact sheet
    Show {
        #[command(flatten)]
        data: DataArgs,
        /// Training images instead of test images
        #[arg(long)]
        train: bool,
        /// Images of each class
        #[arg(long, default_value_t = 12, value_parser = whole::<u32>(1..=200))]
        per_class: u32,
        /// PNG file to write
        #[arg(long, value_name = "SHEET.png")]
        out: PathBuf,
    },
    /// Write images and labels as npz
    Export {
        #[command(flatten)]
        data: DataArgs,
        /// Training images instead of test images
        #[arg(long)]
        train: bool,
        /// Images; all unless given
        #[arg(long, value_parser = whole::<usize>(1..))]
        n: Option<usize>,
        /// npz file to write: x, y, id
        #[arg(long, value_name = "OUT.npz")]
        out: PathBuf,
    },
}

/// Height and width, as `28x28`.
fn size(text: &str) -> Result<[usize; 2], String> {
    let side = |text: &str| {
        let side = text.parse().ok();
        side.filter(|side| (1..=MAX_SIDE as usize).contains(side))
    };
    let sides = text.split_once('x');
    let size = sides.and_then(|(height, width)| Some([side(height)?, side(width)?]));
    size.ok_or_else(|| format!("expected height and width of 1 to {MAX_SIDE} pixels, like 28x28"))
}

//! The flags of `quaver reproduce` and `quaver report`.

use super::number::{real, whole};
use super::{DataArgs, Labels, Placement};
use clap::Args as ClapArgs;
use std::ops::Bound;
use std::path::PathBuf;

/// What the paper's tables are made of; defaults are the full run's, or with --quick the
/// small run's.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Reproduce {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Architecture of all networks
    #[arg(long, default_value = "lenet5")]
    pub(crate) arch: String,
    /// Where dropout stands
    #[arg(long, value_enum, default_value_t = Placement::Dense)]
    pub(crate) dropout_placement: Placement,
    /// Run folder: written step by step, continued when it is there
    #[arg(long, value_name = "RUN")]
    pub(crate) out: PathBuf,
    /// A small run for a first look (said so in every output)
    #[arg(long)]
    pub(crate) quick: bool,
    /// Repeat over this many seeds, counted up from --seed
    #[arg(long, default_value_t = 1, value_parser = whole::<u32>(1..=1000))]
    pub(crate) seeds: u32,
    /// Claims that must be supported, else exit code 1: letters a to g
    #[arg(long, value_delimiter = ',', value_name = "CLAIMS", value_parser = claim)]
    pub(crate) require: Vec<char>,
    /// Test images to attack [500, quick 200]
    #[arg(long, value_parser = whole::<usize>(1..))]
    pub(crate) n: Option<usize>,
    /// Monte-Carlo passes [50, quick 20]
    #[arg(long, value_parser = whole::<u32>(2..=10_000))]
    pub(crate) passes: Option<u32>,
    /// Epochs of training [15, quick 3]
    #[arg(long, value_parser = whole::<u32>(1..=10_000))]
    pub(crate) epochs: Option<u32>,
    /// Training images [60000, quick 40000]
    #[arg(long, value_parser = whole::<usize>(2..))]
    pub(crate) train_images: Option<usize>,
    /// Test images for clean accuracy [10000, quick 1000]
    #[arg(long, value_parser = whole::<usize>(1..))]
    pub(crate) test_images: Option<usize>,
    /// Images a training step [64, quick 32]
    #[arg(long, value_parser = whole::<usize>(2..=100_000))]
    pub(crate) batch_size: Option<usize>,
    /// Learning rate of Adam [0.001]
    #[arg(long, value_parser = real((Bound::Excluded(0.0), Bound::Included(1.0))))]
    pub(crate) learning_rate: Option<f64>,
    /// Attack instead of the paper's three; may be given several times
    #[arg(long, value_name = "SPEC")]
    pub(crate) attack: Vec<String>,
    /// Whose details the attacks follow [cleverhans-2.1]
    #[arg(long)]
    pub(crate) dialect: Option<String>,
    /// Labels the attacks go by [predicted]
    #[arg(long, value_enum)]
    pub(crate) labels: Option<Labels>,
    /// The model's noise during the attacks [per-step]
    #[arg(long)]
    pub(crate) noise: Option<String>,
    /// Images of the honest reading with the noise off [10000, quick 200]
    #[arg(long, value_parser = whole::<usize>(0..))]
    pub(crate) honest_n: Option<usize>,
    /// Images of the honest reading over the noise [1000, quick 200]
    #[arg(long, value_parser = whole::<usize>(0..))]
    pub(crate) eot_n: Option<usize>,
    /// Draws that each of its gradients averages [20, quick 10]
    #[arg(long, value_parser = whole::<u32>(1..=1000))]
    pub(crate) eot_draws: Option<u32>,
}

/// The letter of a claim.
fn claim(text: &str) -> Result<char, String> {
    let letter = text.parse().ok();
    letter
        .filter(|letter| ('a'..='g').contains(letter))
        .ok_or_else(|| "expected letters from a to g, like a,c".into())
}

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Report {
    /// Run folder
    pub(crate) run: PathBuf,
    /// Where to write the files; the run folder itself unless given
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

//! The flags of `quaver bench`.

use super::number::{real, whole};
use clap::Args as ClapArgs;
use std::path::PathBuf;

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Bench {
    /// Model file instead of networks with fresh weights
    #[arg(conflicts_with_all = ["arch", "topology"])]
    pub(crate) model: Option<PathBuf>,
    /// Architectures
    #[arg(long, value_delimiter = ',', default_value = "lenet5")]
    pub(crate) arch: Vec<String>,
    /// Topologies
    #[arg(long, value_delimiter = ',', default_value = "full-precision,bnn")]
    pub(crate) topology: Vec<String>,
    /// What to time: training, forward, gradient, passes, or an attack by its spec
    #[arg(long, default_value = "training,forward,gradient,passes")]
    pub(crate) work: Vec<String>,
    /// Images a training step; several are timed one after another
    #[arg(long, value_delimiter = ',', default_value = "128", value_parser = whole::<u32>(2..=65_536))]
    pub(crate) batch_size: Vec<u32>,
    /// Images of everything but training; digits drawn by the program
    #[arg(long, default_value_t = 1000, value_parser = whole::<usize>(1..))]
    pub(crate) n: usize,
    /// npz file with x, y and, for a targeted attack, target, instead of digits
    #[arg(long, value_name = "IN.npz", requires = "model", conflicts_with = "n")]
    pub(crate) input: Option<PathBuf>,
    /// Monte-Carlo passes
    #[arg(long, default_value_t = 50, value_parser = whole::<u32>(1..=1_000_000))]
    pub(crate) passes: u32,
    /// Whose details attacks follow: corrected, cleverhans-2.1, cleverhans-3.1, art, torchattacks
    #[arg(long, default_value = "corrected")]
    pub(crate) dialect: String,
    /// Seconds for each figure; what takes longer is timed once
    #[arg(long, default_value_t = 1.0, value_parser = real(0.01..=600.0))]
    pub(crate) seconds: f64,
    /// Tell where the time of a training step goes, by layer and direction
    #[arg(long, conflicts_with_all = ["work", "plot"])]
    pub(crate) profile: bool,
    /// Draw throughput over threads and batch size, and cost over images and passes, of one or
    /// two networks; svg or png file to write
    #[arg(long, value_name = "FILE", conflicts_with_all = ["work", "batch_size", "input"])]
    pub(crate) plot: Option<PathBuf>,
}

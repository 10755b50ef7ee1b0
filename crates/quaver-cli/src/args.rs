//! What can be typed: flags and their defaults, nothing else.

mod bench;
mod data;
mod flags;
mod number;
mod paper;

pub(crate) use bench::Bench;
pub(crate) use data::*;
pub(crate) use flags::*;
pub(crate) use paper::*;

use number::whole;

use clap::{Args as ClapArgs, CommandFactory, Parser, Subcommand, ValueEnum};
use quaver_nn::{Simd, SimdUnavailable};
use std::path::PathBuf;

/// Quantized and binarized networks under adversarial input: train, attack, measure, detect.
#[derive(Debug, Parser)]
#[command(
    name = "quaver",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) common: Common,
}

const EVERYWHERE: &str = "Flags of every command";

/// Flags of every command.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Common {
    /// Seed of every random draw
    #[arg(long, global = true, help_heading = EVERYWHERE, display_order = 1000, default_value_t = 0, value_parser = whole::<u64>(0..=u64::MAX))]
    pub(crate) seed: u64,
    /// Threads; 0: one a core. Changes no result
    #[arg(long, global = true, help_heading = EVERYWHERE, display_order = 1000, default_value_t = 0, value_parser = whole::<usize>(0..=1024))]
    pub(crate) threads: usize,
    /// Instruction set; the machine's best unless given. Changes no result
    #[arg(long, global = true, help_heading = EVERYWHERE, display_order = 1000)]
    pub(crate) simd: Option<SimdName>,
    /// Print one JSON document on standard output and nothing else there
    #[arg(long, global = true, help_heading = EVERYWHERE, display_order = 1000)]
    pub(crate) json: bool,
    /// No progress on standard error
    #[arg(long, global = true, help_heading = EVERYWHERE, display_order = 1000)]
    pub(crate) quiet: bool,
    /// TOML file whose keys are the flags; what is typed as well wins
    #[arg(long, global = true, help_heading = EVERYWHERE, display_order = 1000, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SimdName {
    Scalar,
    Avx2,
    Avx512,
    Neon,
}

impl SimdName {
    /// The instruction set of that name, if this machine has it.
    pub(crate) fn find(self) -> Result<Simd, SimdUnavailable> {
        Simd::find(match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Neon => "neon",
        })
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The paper, end to end: tables 1-4, figure 2, claims and honesty checks
    Reproduce(Reproduce),
    /// Train a network
    Train(Train),
    /// Accuracy and uncertainty of a model over Monte-Carlo passes
    Evaluate(Evaluate),
    /// Craft adversarial examples
    Attack(Attack),
    /// Fit and use detectors of adversarial input
    #[command(subcommand)]
    Detect(Detect),
    /// Render a run folder again
    Report(Report),
    /// Fetch and look at data sets
    #[command(subcommand)]
    Data(Data),
    /// Show, import and export models
    #[command(subcommand)]
    Model(Model),
    /// Measure speed on this machine
    Bench(Bench),
    /// Names of attacks, architectures, topologies, quantizers, measures, detectors, checks
    List,
    /// Print shell completions
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// The parser; a flag given twice counts as given last, so that flags win over a config file.
pub(crate) fn command() -> clap::Command {
    fn last_wins(command: clap::Command) -> clap::Command {
        command
            .args_override_self(true)
            // A negative number is told its range, not taken for a flag.
            .allow_negative_numbers(true)
            .mut_subcommands(last_wins)
    }
    last_wins(Args::command())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_parser_is_consistent() {
        super::command().debug_assert();
    }
}

//! The command `quaver`: parse, call the library with an observer, render. It alone reads the
//! environment, the clock and the cache, downloads, and prints.

mod args;
mod commands;
mod config_file;
mod context;
mod fetch;
mod output;
mod progress;
mod speed;

use clap::FromArgMatches;
use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All was done.
    Done,
    /// A claim that was required is not supported.
    NotSupported,
    /// Ctrl-C; what was finished is kept.
    Interrupted,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Done => Self::SUCCESS,
            Ending::NotSupported => Self::from(1),
            Ending::Interrupted => Self::from(3),
        }
    }
}

const BAD_INPUT: u8 = 2;

#[expect(
    clippy::print_stderr,
    reason = "the one place where an error is printed"
)]
fn main() -> ExitCode {
    match run() {
        Ok(ending) => ending.into(),
        Err(error) if error.is::<fetch::Stopped>() => Ending::Interrupted.into(),
        Err(error) => {
            eprintln!("error: {}", output::one_line(&error));
            ExitCode::from(BAD_INPUT)
        }
    }
}

fn run() -> anyhow::Result<Ending> {
    let arguments = config_file::expand(std::env::args_os().collect())?;
    let matches = args::command().get_matches_from(arguments);
    let args = args::Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    commands::run(args)
}

//! The command `quaver`: parse, call the library with an observer, render. It alone reads the
//! environment, the clock and the cache, downloads, and prints.

mod args;
mod commands;
mod config_file;
mod context;
mod fetch;
mod images;
mod output;
mod progress;
mod speed;

use clap::FromArgMatches;
use clap::error::ErrorKind;
use quaver::data::image_file::is_decoding;
use std::panic;
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

fn main() -> ExitCode {
    hush_decoders();
    match run() {
        Ok(ending) => ending.into(),
        Err(error) if error.is::<fetch::Stopped>() => Ending::Interrupted.into(),
        Err(error) => {
            output::tell(&format!("error: {}", output::one_line(&error)));
            ExitCode::from(BAD_INPUT)
        }
    }
}

/// Says nothing of a decoder's panic, which becomes an error in one line.
fn hush_decoders() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !is_decoding() {
            before(info);
        }
    }));
}

fn run() -> anyhow::Result<Ending> {
    let arguments = config_file::expand(std::env::args_os().collect())?;
    let parsed = args::command()
        .try_get_matches_from(arguments)
        .and_then(|matches| args::Args::from_arg_matches(&matches));
    match parsed {
        Ok(args) => commands::run(args),
        // Help and version are no mistakes, and help for a bare command is the best answer.
        Err(error) if !is_mistake(error.kind()) => error.exit(),
        Err(error) => anyhow::bail!(output::usage_line(&error)),
    }
}

fn is_mistake(kind: ErrorKind) -> bool {
    !matches!(
        kind,
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    )
}

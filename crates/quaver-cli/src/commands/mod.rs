//! The commands, one a file, each thin.

mod attack;
mod bench;
mod data;
mod detect;
mod evaluate;
mod list;
mod model;
mod report;
mod reproduce;
mod train;

use crate::Ending;
use crate::args::{Args, Command};
use crate::context::Context;
use crate::output::print;

/// Runs the command that was typed.
pub(crate) fn run(args: Args) -> anyhow::Result<Ending> {
    let with = || Context::new(args.common.clone());
    match args.command {
        Command::Reproduce(args) => reproduce::run(&with()?, &args),
        Command::Report(args) => report::run(&with()?, &args),
        Command::Train(args) => train::run(&with()?, &args),
        Command::Evaluate(args) => evaluate::run(&with()?, &args),
        Command::Attack(args) => attack::run(&with()?, &args),
        Command::Detect(args) => detect::run(&with()?, &args),
        Command::Data(args) => data::run(&with()?, &args),
        Command::Model(args) => model::run(&with()?, &args),
        Command::Bench(args) => bench::run(&with()?, &args),
        Command::List => list::run(args.common.json),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            let mut command = crate::args::command();
            clap_complete::generate(shell, &mut command, "quaver", &mut script);
            let script = String::from_utf8_lossy(&script);
            let document = serde_json::json!({
                "schema": 1, "shell": shell.to_string(), "script": script,
            });
            print(args.common.json, &document, &script)?;
            Ok(Ending::Done)
        }
    }
}

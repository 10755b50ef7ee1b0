//! `quaver bench`.

use crate::Ending;
use crate::args::Bench;
use crate::context::Context;
use crate::output::print;
use crate::speed::{Settings, measure, text};
use quaver::observe::Observer;

pub(crate) fn run(context: &Context, args: &Bench) -> anyhow::Result<Ending> {
    let settings = Settings {
        arch: args.arch.clone(),
        topology: args.topology.clone(),
        batch_size: args.batch_size as usize,
        seconds: args.seconds,
        profile: args.profile,
    };
    let speed = measure(&settings, &context.engine, &|| context.progress.go_on())?;
    print(context.common.json, &speed, &text(&speed))?;
    Ok(match context.progress.go_on() {
        true => Ending::Done,
        false => Ending::Interrupted,
    })
}

//! `quaver bench`.

use crate::Ending;
use crate::args::Bench;
use crate::context::Context;
use crate::output::print;
use crate::speed::{Settings, measure, text};

pub(crate) fn run(context: &Context, args: &Bench) -> anyhow::Result<Ending> {
    let settings = Settings {
        arch: args.arch.clone(),
        topology: args.topology.clone(),
        batch_size: args.batch_size as usize,
        seconds: args.seconds,
    };
    let speed = measure(&settings, &context.engine)?;
    print(context.common.json, &speed, &text(&speed))?;
    Ok(Ending::Done)
}

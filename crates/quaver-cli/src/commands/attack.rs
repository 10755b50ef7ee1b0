//! `quaver attack`.

use crate::Ending;
use crate::args::Attack;
use crate::context::{Context, check_output, interrupted};
use crate::images::Stream;
use crate::output::{print, rate};
use ndarray::ArrayView4;
use quaver::attack::record::{AttackRecord, Outcome};
use quaver::attack::run::{Inputs, Options};
use quaver::attack::{self, LabelSource, Start};
use quaver::evaluate::interval::Rate;
use quaver::run::write_arrays;
use quaver::threat::Goal;
use serde::Serialize;
use std::fmt::Write as _;

#[derive(Serialize)]
struct Attacked<'a> {
    schema: u32,
    out: String,
    images: &'a str,
    n: usize,
    record: &'a AttackRecord,
    clean_accuracy: Option<Rate>,
    robust_accuracy: Option<Rate>,
    success: Option<Rate>,
    success_of_correct: Option<Rate>,
    target_reached: Option<Rate>,
}

/// The options that the flags describe.
fn options(context: &Context, args: &Attack) -> anyhow::Result<Options> {
    let dialect = args.dialect.parse()?;
    let of_dialect = Options::of(dialect);
    Ok(Options {
        labels: args.labels.map_or(of_dialect.labels, Into::into),
        goal: if args.targeted {
            Goal::Targeted
        } else {
            Goal::Untargeted
        },
        noise: args.noise.parse()?,
        seed: context.common.seed,
        n_restarts: args.restarts,
        decision: args.answer.decision(),
        ..of_dialect
    })
}

pub(crate) fn run(context: &Context, args: &Attack) -> anyhow::Result<Ending> {
    let attack = attack::build(&args.attack)?;
    let options = options(context, args)?;
    check_output(&args.out)?;
    let (_, network) = context.classifier(&args.model)?;
    let images = Stream::open(context, &args.images, &*network)?;
    let images = context.engine.install(|| images.all())?;
    let labels = images.require_labels("an attack")?;
    let entry = attack.entry();
    // A file may hold what this attack has no use for.
    let targets = images.targets.as_deref();
    let start = images
        .start
        .as_ref()
        .map(|start| -> ArrayView4<'_, f32> { start.view() });
    let inputs = Inputs {
        x: images.x.view(),
        ids: &images.ids,
        labels,
        targets: targets.filter(|_| args.targeted || entry.always_targeted),
        start: start.filter(|_| entry.start != Start::Own),
    };
    let batch = context
        .engine
        .install(|| attack::run::run(&*attack, &*network, &inputs, &options, &context.progress))?;
    if batch.n() > 0 {
        write_arrays(&args.out, batch.to_arrays()?)?;
    }
    let counts = batch.record.counts;
    let attacked = Attacked {
        schema: 1,
        out: args.out.display().to_string(),
        images: &images.source,
        n: batch.n(),
        record: &batch.record,
        clean_accuracy: Rate::new(counts.n_initially_correct, counts.n),
        robust_accuracy: Rate::of(batch.outcomes.iter().map(Outcome::right_after)),
        success: Rate::new(counts.n_success, counts.n),
        success_of_correct: Rate::new(counts.n_success_of_correct, counts.n_initially_correct),
        target_reached: counts.n_target_reached.and_then(|k| Rate::new(k, counts.n)),
    };
    print(context.common.json, &attacked, &text(&attacked))?;
    Ok(if batch.record.complete {
        Ending::Done
    } else {
        Ending::Interrupted
    })
}

fn text(a: &Attacked<'_>) -> String {
    let r = a.record;
    let labels = match r.labels {
        LabelSource::True => "true",
        LabelSource::Predicted => "predicted",
    };
    let mut out = format!(
        "{} on {} images of {}, noise {}, {} labels, seed {}\n",
        r.attack, a.n, a.images, r.noise, labels, r.seed
    );
    let rows = [
        ("clean accuracy", a.clean_accuracy),
        ("robust accuracy", a.robust_accuracy),
        ("success, all images", a.success),
        ("success, correct ones", a.success_of_correct),
        ("target reached", a.target_reached),
    ];
    for (name, value) in rows {
        let _ = writeln!(out, "  {name:22} {}", rate(value.as_ref()));
    }
    let c = r.counts;
    let _ = writeln!(
        out,
        "  cost: {} forward, {} backward; flagged: {} zero gradient, {} no admissible pair, {} not finite",
        r.cost.n_forward,
        r.cost.n_backward,
        c.n_zero_gradient,
        c.n_no_admissible_pair,
        c.n_non_finite
    );
    if !r.complete {
        let _ = writeln!(out, "{}", interrupted(a.n as u64));
    }
    out
}

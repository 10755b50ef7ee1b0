//! `quaver evaluate`.

mod picture;
mod rows;

use crate::Ending;
use crate::args::Evaluate;
use crate::context::{Context, check_output, interrupted};
use crate::images::{Images, Stream};
use crate::output::{estimate, number, print, rate};
use quaver::classifier::{Batch, Classifier};
use quaver::decision::Decision;
use quaver::evaluate::interval::{Estimate, Rate};
use quaver::evaluate::spread::Spread;
use quaver::evaluate::summary::{Answers, Summary};
use quaver::observe::{Observer, Offset};
use quaver::run::write_arrays;
use quaver_nn::model::Info;
use rows::Rows;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Images that are in memory at once; an interrupted call keeps those of whole slices.
const SLICE: usize = 512;

#[derive(Serialize)]
struct Evaluation<'a> {
    schema: u32,
    model: &'a Info,
    images: &'a str,
    n: u64,
    seed: u64,
    passes: u32,
    decision: String,
    #[serde(skip)]
    is_mean: bool,
    complete: bool,
    noise_off: Option<Rate>,
    single: Option<Rate>,
    multi: Option<Rate>,
    /// Accuracy of the decision, and share of images on which it names no class.
    decided: Option<Rate>,
    abstained: Option<Rate>,
    mean_single: Option<Estimate>,
    uncertainty: BTreeMap<&'static str, Option<Spread>>,
}

pub(crate) fn run(context: &Context, args: &Evaluate) -> anyhow::Result<Ending> {
    if let Some(out) = &args.out {
        check_output(out)?;
    }
    let (info, network) = context.classifier(&args.model)?;
    if let Some(path) = &args.image {
        return picture::run(context, args, network.into(), path);
    }
    let images = Stream::open(context, &args.images, &*network)?;
    let seen = gather(context, args, &*network, &images)?;
    let (summary, source) = (seen.summary, images.source());
    let counted = |rate: Option<Rate>| rate.filter(|_| seen.labeled);
    let [noise_off, single, multi, decided] = summary.accuracies().map(counted);
    let uncertainty = summary.uncertainty();
    let decision = args.answer.decision();
    let evaluation = Evaluation {
        schema: 2,
        model: &info,
        images: &source,
        n: summary.n(),
        seed: context.common.seed,
        passes: decision.n_passes(),
        decision: decision.to_string(),
        is_mean: decision == Decision::Mean(decision.n_passes()),
        complete: summary.n() == images.len() as u64,
        noise_off,
        single,
        multi,
        decided,
        abstained: summary.abstained(),
        mean_single: summary.mean_single().filter(|_| seen.labeled),
        uncertainty: uncertainty.map(|(m, spread)| (m.id, spread)).collect(),
    };
    let out = args.out.as_ref().zip(seen.rows);
    if let Some((out, rows)) = out.filter(|_| summary.n() > 0) {
        write_arrays(out, rows.into_arrays(&*network)?)?;
    }
    print(context.common.json, &evaluation, &text(&evaluation))?;
    Ok(if evaluation.complete {
        Ending::Done
    } else {
        Ending::Interrupted
    })
}

/// What came of the images up to the end, or up to Ctrl-C.
struct Seen {
    summary: Summary,
    /// One an image, if they are to be written.
    rows: Option<Rows>,
    labeled: bool,
}

fn gather(
    context: &Context,
    args: &Evaluate,
    network: &dyn Classifier,
    images: &Stream,
) -> anyhow::Result<Seen> {
    let mut seen = Seen {
        summary: summary(context, args, network),
        rows: args.out.as_ref().map(|_| Rows::default()),
        labeled: true,
    };
    let total = images.len();
    context.progress.begin("passes", total as u64);
    for start in (0..total).step_by(SLICE) {
        let end = total.min(start + SLICE);
        let slice = context.engine.install(|| images.rows(start..end))?;
        if args.gradient {
            slice.require_labels("--gradient")?;
        }
        seen.labeled = slice.labels.is_some();
        let Some(answers) = ask(context, &mut seen.summary, network, &slice)? else {
            break;
        };
        if let Some(rows) = &mut seen.rows {
            let add = || rows.add(network, &slice, &answers, args.gradient);
            context.engine.install(add)?;
        }
    }
    context.progress.end();
    Ok(seen)
}

fn summary(context: &Context, args: &Evaluate, network: &dyn Classifier) -> Summary {
    Summary::new(
        args.answer.decision(),
        network.randomness(),
        context.common.seed,
    )
}

/// `None` where Ctrl-C came before the end of the slice.
fn ask(
    context: &Context,
    summary: &mut Summary,
    network: &dyn Classifier,
    images: &Images,
) -> anyhow::Result<Option<Answers>> {
    let batch = Batch {
        x: images.x.view(),
        ids: &images.ids,
    };
    let observer = Offset {
        observer: &context.progress,
        done: summary.n(),
    };
    let labels = images.labels.as_deref();
    let answers = context
        .engine
        .install(|| summary.ask(network, batch, labels, &observer))?;
    Ok(answers)
}

fn text(e: &Evaluation<'_>) -> String {
    let mut out = format!(
        "{} {} on {} images of {}, {} passes, seed {}\n",
        e.model.arch, e.model.topology, e.n, e.images, e.passes, e.seed
    );
    let mut rows = vec![
        ("noise off", rate(e.noise_off.as_ref())),
        ("single (first pass)", rate(e.single.as_ref())),
        ("mean single pass", estimate(e.mean_single.as_ref())),
        ("multi (all passes)", rate(e.multi.as_ref())),
    ];
    if !e.is_mean {
        rows.push((&e.decision, rate(e.decided.as_ref())));
        rows.push(("abstained", rate(e.abstained.as_ref())));
    }
    for (name, value) in rows {
        let _ = writeln!(out, "  {name:20} {value}");
    }
    let _ = writeln!(
        out,
        "  {:20} {:>10} {:>10}",
        "uncertainty", "mean", "deviation"
    );
    for (id, spread) in &e.uncertainty {
        let _ = match spread {
            Some(s) => {
                let [mean, deviation] = [s.mean, s.standard_deviation].map(number);
                writeln!(out, "  {id:20} {mean:>10} {deviation:>10}")
            }
            None => writeln!(out, "  {id:20} {:>10} {:>10}", "n/a", "n/a"),
        };
    }
    if !e.complete {
        let _ = writeln!(out, "{}", interrupted(e.n));
    }
    out
}

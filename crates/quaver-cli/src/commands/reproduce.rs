//! `quaver reproduce`.

use crate::Ending;
use crate::args::{Placement, Reproduce};
use crate::context::Context;
use crate::output::print;
use anyhow::{Context as _, bail};
use quaver::data::source::check_splits;
use quaver::data::{Dataset, Split};
use quaver::observe::Observer;
use quaver::run::RunFolder;
use quaver_nn::arch::DropoutPlacement;
use quaver_paper::Config;
use quaver_paper::results::{Results, Verdict};
use quaver_paper::{brief, render_all};
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Name of the file that times, threads and machine go to; nothing else holds any.
const TIMINGS: &str = "timings.json";

/// The configuration that the flags describe.
fn config(context: &Context, args: &Reproduce) -> anyhow::Result<Config> {
    let base = if args.quick {
        Config::quick()
    } else {
        Config::default()
    };
    let attacks = if args.attack.is_empty() {
        base.attacks
    } else {
        args.attack.clone()
    };
    let config = Config {
        arch: args.arch.clone(),
        dropout_placement: match args.dropout_placement {
            Placement::Dense => DropoutPlacement::Dense,
            Placement::All => DropoutPlacement::All,
        },
        seed: context.common.seed,
        seeds: args.seeds,
        train_images: args.train_images.unwrap_or(base.train_images),
        test_images: args.test_images.unwrap_or(base.test_images),
        epochs: args.epochs.unwrap_or(base.epochs),
        batch_size: args.batch_size.unwrap_or(base.batch_size),
        learning_rate: args.learning_rate.unwrap_or(base.learning_rate),
        n: args.n.unwrap_or(base.n),
        passes: args.passes.unwrap_or(base.passes),
        attacks,
        dialect: args
            .dialect
            .as_deref()
            .map_or(Ok(base.dialect), str::parse)?,
        labels: args.labels.map_or(base.labels, Into::into),
        noise: args.noise.as_deref().map_or(Ok(base.noise), str::parse)?,
        honest_n: args.honest_n.unwrap_or(base.honest_n),
        eot_n: args.eot_n.unwrap_or(base.eot_n),
        eot_draws: args.eot_draws.unwrap_or(base.eot_draws),
        ..base
    };
    config.check()?;
    Ok(config)
}

pub(crate) fn run(context: &Context, args: &Reproduce) -> anyhow::Result<Ending> {
    let config = config(context, args)?;
    if args.out.exists() && !args.out.is_dir() {
        bail!(
            "{} is a file, expected a folder to write the run to",
            args.out.display()
        );
    }
    let (began, clock) = (SystemTime::now(), Instant::now());
    let (train, test) = data(context, args)?;
    let data = (&train, &test);
    let mut folder = RunFolder::open(&args.out, &quaver_paper::identity(&config, data)?)?;
    let outcome = quaver_paper::reproduce(
        &config,
        data,
        &context.engine,
        &mut folder,
        &context.progress,
    )?;
    context.progress.end();
    for (name, bytes) in render_all(&outcome.results)? {
        folder.write(name, &bytes)?;
    }
    let seconds = began
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let timing = serde_json::json!({
        "began_unix_seconds": seconds,
        "wall_seconds": clock.elapsed().as_secs_f64(),
        "threads": context.engine.threads(),
        "simd": context.engine.simd().name(),
        "complete": outcome.complete,
        "stages": context.progress.stages(),
    });
    add_timing(&folder, timing)?;
    let text = text(
        &outcome.results,
        &args.out,
        outcome.complete,
        clock.elapsed().as_secs_f64(),
    );
    print(context.common.json, &outcome.results, &text)?;
    Ok(match outcome.complete {
        false => Ending::Interrupted,
        true if all_supported(&outcome.results, &args.require) => Ending::Done,
        true => Ending::NotSupported,
    })
}

/// Training and test images, as many as were asked for.
fn data(context: &Context, args: &Reproduce) -> anyhow::Result<(Dataset, Dataset)> {
    check_splits(args.data.name())?;
    let train = context.dataset(&args.data, Split::Train, None)?;
    let test = context.dataset(&args.data, Split::Test, None)?;
    enough("--train-images", args.train_images, &train)?;
    enough("--test-images", args.test_images, &test)?;
    Ok((train, test))
}

/// Refuses more images than there are; defaults take what there is, and the results say how many.
fn enough(flag: &str, asked: Option<usize>, data: &Dataset) -> anyhow::Result<()> {
    match asked {
        Some(asked) if asked > data.len() => bail!(
            "{flag} {asked}: {} has {} {} images",
            data.name(),
            data.len(),
            data.split().name()
        ),
        _ => Ok(()),
    }
}

fn text(results: &Results, out: &Path, complete: bool, seconds: f64) -> String {
    let page = out.join("report.html");
    let ending = if complete {
        format!("done in {seconds:.0} s")
    } else {
        format!("interrupted after {seconds:.0} s; the same command continues")
    };
    format!("{}\n{ending}; the page: {}", brief(results), page.display())
}

/// Adds a run to the timings of the folder; a file that does not read is begun anew.
fn add_timing(folder: &RunFolder, timing: serde_json::Value) -> anyhow::Result<()> {
    let path = folder.path().join(TIMINGS);
    let old = std::fs::read_to_string(&path).ok();
    let old = old.and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
    let old = old.as_ref().and_then(|value| value["runs"].as_array());
    let mut runs = old.cloned().unwrap_or_default();
    runs.push(timing);
    let file = serde_json::json!({ "schema": 1, "runs": runs });
    folder
        .write_json(TIMINGS, &file)
        .context("the timings cannot be written")
}

/// Whether every required claim is supported, controls left out as in the paper.
fn all_supported(results: &Results, required: &[char]) -> bool {
    required.iter().all(|id| {
        let claim = results
            .claims
            .iter()
            .find(|claim| claim.id.starts_with(*id));
        claim.is_some_and(|claim| claim.verdict == Verdict::Supported)
    })
}

//! `quaver detect fit | score`.

use crate::Ending;
use crate::args::{Detect, DetectFit, DetectScore};
use crate::context::{Context, check_output};
use crate::images::{Images, file_images};
use crate::output::{estimate, number, print, rate, tell};
use anyhow::{Context as _, bail};
use quaver::atomic_file;
use quaver::classifier::{Batch, Draw, Purpose};
use quaver::data::npy::NpyArray;
use quaver::data::npz::{Arrays, NpzReader};
use quaver::detect::{self, Saved};
use quaver::evaluate::detection::{Case, Detection, Performance, honest};
use quaver::network::Network;
use quaver::run::write_arrays;
use quaver::uncertainty::{Measure, measure, monte_carlo};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Part of the source images that a detector is fitted on; it is scored on the rest.
const FIT_SHARE: f64 = 0.5;

const NOTHING_KEPT: &str = "interrupted before the end of the passes: nothing is written";

pub(crate) fn run(context: &Context, args: &Detect) -> anyhow::Result<Ending> {
    match args {
        Detect::Fit(args) => fit(context, args),
        Detect::Score(args) => score(context, args),
    }
}

/// One uncertainty an image; `None` when Ctrl-C came first.
fn uncertainty(
    context: &Context,
    network: &Network,
    images: &Images,
    (measure, n_passes, pass): (Measure, u32, u32),
) -> anyhow::Result<Option<Vec<f64>>> {
    let batch = Batch {
        x: images.x.view(),
        ids: &images.ids,
    };
    let draw = Draw {
        seed: context.common.seed,
        purpose: Purpose::Passes,
        pass,
    };
    let seen = context
        .engine
        .install(|| monte_carlo(network, batch, draw, n_passes, &context.progress))?;
    if seen.images.len() < images.ids.len() {
        return Ok(None);
    }
    let scores: Option<Vec<f64>> = seen.scores(measure).into_iter().collect();
    scores.map(Some).with_context(|| {
        format!(
            "{}: an output of the network is not a number",
            images.source
        )
    })
}

fn fit(context: &Context, args: &DetectFit) -> anyhow::Result<Ending> {
    let detector = detect::build(&args.detector)?;
    let measure = measure(&args.measure)?;
    check_output(&args.out)?;
    let network = context.network(&args.model)?;
    let clean = file_images(&args.clean, None, &network)?;
    let adversarial = file_images(&args.adversarial, Some("x_adv"), &network)?;
    let success = success_of(&args.adversarial, adversarial.ids.len())?;
    // Clean and adversarial inputs are seen under different draws, as they would be in use.
    let run = |images, pass| uncertainty(context, &network, images, (measure, args.passes, pass));
    let (Some(clean_scores), Some(scores)) = (run(&clean, 0)?, run(&adversarial, args.passes)?)
    else {
        tell(NOTHING_KEPT);
        return Ok(Ending::Interrupted);
    };
    let by_id: BTreeMap<u64, f64> = clean.ids.iter().copied().zip(clean_scores).collect();
    if by_id.len() < clean.ids.len() {
        bail!(
            "{}: {} images share their id with another; each clean image needs its own",
            clean.source,
            clean.ids.len() - by_id.len()
        );
    }
    let case = |i: usize| {
        let source = adversarial.ids[i];
        by_id.get(&source).map(|&clean| Case {
            source,
            clean,
            adversarial: scores[i],
            successful: success[i],
        })
    };
    let cases: Vec<Case> = (0..scores.len()).filter_map(case).collect();
    if cases.len() < scores.len() {
        bail!(
            "{} of {} adversarial images have no clean image of the same id in {}",
            scores.len() - cases.len(),
            scores.len(),
            args.clean.display()
        );
    }
    let (fitted, detection) = honest(&*detector, &cases, FIT_SHARE, context.common.seed)?;
    let saved = Saved::new(&*fitted, measure.id, args.passes);
    atomic_file::write(&args.out, saved.to_json()?.as_bytes())
        .with_context(|| format!("cannot write {}", args.out.display()))?;
    let document = serde_json::json!({
        "schema": 1,
        "out": args.out.display().to_string(),
        "seed": context.common.seed,
        "detector": saved,
        "detection": detection,
    });
    print(context.common.json, &document, &text(args, &detection))?;
    Ok(Ending::Done)
}

/// Which rows of an adversarial file succeeded; all, where it does not say.
fn success_of(path: &Path, n: usize) -> anyhow::Result<Vec<bool>> {
    match NpzReader::open(path)?.read("success")? {
        None => Ok(vec![true; n]),
        Some(NpyArray::Bool(success)) if success.len() == n => {
            Ok(success.iter().copied().collect())
        }
        Some(other) => bail!(
            "{}: `success` must be bool of shape [{n}], got {}",
            path.display(),
            other.describe()
        ),
    }
}

fn text(args: &DetectFit, detection: &Detection) -> String {
    let mut out = format!(
        "{}: {} on {} over {} passes\nfitted on {} source images, scored on {} others\n",
        args.out.display(),
        args.detector,
        args.measure,
        args.passes,
        detection.n_fit,
        detection.n_scored
    );
    performance(&mut out, "all adversarial inputs", Some(&detection.all));
    performance(&mut out, "successful ones", detection.successful.as_ref());
    out
}

fn performance(out: &mut String, name: &str, seen: Option<&Performance>) {
    let Some(seen) = seen else {
        let _ = writeln!(out, "  {name}: n/a");
        return;
    };
    let _ = writeln!(
        out,
        "  {name} ({} clean, {} adversarial)",
        seen.n_clean, seen.n_adversarial
    );
    let _ = writeln!(out, "    accuracy {}", rate(seen.accuracy.as_ref()));
    let _ = writeln!(out, "    AUROC    {}", estimate(seen.auroc.as_ref()));
    for point in &seen.at_fpr {
        let _ = writeln!(
            out,
            "    at {} % false alarms: detected {}, false alarms {}, threshold {}",
            100.0 * point.max_fpr,
            rate(point.tpr.as_ref()),
            rate(point.fpr.as_ref()),
            number(point.score)
        );
    }
}

#[derive(Serialize)]
struct Scored {
    id: u64,
    score: f64,
    suspicion: f64,
    adversarial: bool,
}

fn score(context: &Context, args: &DetectScore) -> anyhow::Result<Ending> {
    if let Some(out) = &args.out {
        check_output(out)?;
    }
    let path = args.detector.display().to_string();
    let bytes = std::fs::read(&args.detector).with_context(|| path.clone())?;
    let foreign = || format!("{path} is no file that `quaver detect fit` wrote");
    let json = String::from_utf8(bytes).with_context(foreign)?;
    let saved = Saved::from_json(&json).with_context(foreign)?;
    let fitted = saved.load().with_context(foreign)?;
    let measure = measure(&saved.measure).with_context(foreign)?;
    let network = context.network(&args.model)?;
    let images = file_images(&args.input, None, &network)?;
    let Some(scores) = uncertainty(context, &network, &images, (measure, saved.n_passes, 0))?
    else {
        tell(NOTHING_KEPT);
        return Ok(Ending::Interrupted);
    };
    let row = |(&id, &score): (&u64, &f64)| {
        let suspicion = fitted.suspicion(score);
        Scored {
            id,
            score,
            suspicion,
            adversarial: suspicion > fitted.threshold(),
        }
    };
    let rows: Vec<Scored> = images.ids.iter().zip(&scores).map(row).collect();
    if let Some(out) = &args.out {
        let numbers = |of: &dyn Fn(&Scored) -> f64| rows.iter().map(of).collect::<Vec<f64>>();
        let arrays = Arrays::from([
            ("id".into(), images.ids.clone().into()),
            ("score".into(), numbers(&|row| row.score).into()),
            ("suspicion".into(), numbers(&|row| row.suspicion).into()),
            (
                "adversarial".into(),
                rows.iter()
                    .map(|row| row.adversarial)
                    .collect::<Vec<bool>>()
                    .into(),
            ),
        ]);
        write_arrays(out, arrays)?;
    }
    let called = rows.iter().filter(|row| row.adversarial).count();
    let share = quaver::evaluate::interval::Rate::new(called as u64, rows.len() as u64);
    let document = serde_json::json!({
        "schema": 1,
        "images": images.source,
        "n": rows.len(),
        "seed": context.common.seed,
        "measure": saved.measure,
        "passes": saved.n_passes,
        "threshold": fitted.threshold(),
        "called_adversarial": share,
        "rows": rows,
    });
    let text = format!(
        "called adversarial: {}\n{}",
        rate(share.as_ref()),
        rows.iter()
            .map(|row| format!(
                "{:>8}  {} {}  {}\n",
                row.id,
                saved.measure,
                number(row.score),
                if row.adversarial {
                    "adversarial"
                } else {
                    "clean"
                }
            ))
            .collect::<String>()
    );
    print(context.common.json, &document, &text)?;
    Ok(Ending::Done)
}

//! `quaver detect fit | score`.

use crate::Ending;
use crate::args::{DataArgs, Detect, DetectFit, DetectScore};
use crate::context::{Context, check_output};
use crate::images::{Images, check_shape, file_images};
use crate::output::{estimate, number, print, rate, tell};
use anyhow::{Context as _, bail};
use ndarray::Array2;
use quaver::atomic_file;
use quaver::classifier::{Batch, Classifier, Draw, Purpose};
use quaver::data::Split;
use quaver::data::npy::NpyArray;
use quaver::data::npz::{Arrays, NpzReader};
use quaver::decision::Verdict;
use quaver::detect::{self, Named, SCHEMA, Saved};
use quaver::evaluate::detection::{
    Case, Detection, Performance, clean_suspicions, honest, is_for_fitting,
};
use quaver::evaluate::interval::Rate;
use quaver::feature::{self, Features, Reference, Seen};
use quaver::guard::{Guard, Judged, Suspicion};
use quaver::run::write_arrays;
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

/// The features of each image; `None` when Ctrl-C came first.
fn numbers(
    context: &Context,
    classifier: &dyn Classifier,
    features: &Features,
    (images, pass, n_passes): (&Images, u32, u32),
) -> anyhow::Result<Option<Vec<Vec<f64>>>> {
    let batch = Batch {
        x: images.x.view(),
        ids: &images.ids,
    };
    let (asked, taps) = ((draw(context, pass), n_passes), features.taps());
    let numbers = context.engine.install(|| -> anyhow::Result<_> {
        let seen = Seen::ask(classifier, batch, asked, &taps, &context.progress)?;
        Ok(seen.map(|seen| features.numbers(&seen)).transpose()?)
    })?;
    let Some(numbers) = numbers else {
        return Ok(None);
    };
    if !numbers.iter().all(|number| number.is_finite()) {
        bail!(
            "{}: an output of the network is not a number",
            images.source
        );
    }
    let rows = numbers.outer_iter().map(|row| row.to_vec());
    Ok(Some(rows.collect()))
}

pub(super) fn draw(context: &Context, pass: u32) -> Draw {
    Draw {
        seed: context.common.seed,
        purpose: Purpose::Passes,
        pass,
    }
}

/// The features of `args` for `classifier`, fitted on the reference set where they need one.
fn features(
    context: &Context,
    args: &DetectFit,
    classifier: &dyn Classifier,
) -> anyhow::Result<Features> {
    let Some(name) = &args.reference else {
        return Ok(Features::fit(&args.feature, classifier, None)?);
    };
    let data = DataArgs {
        dataset: Some(name.clone()),
        data_dir: args.data_dir.clone(),
        data_seed: 0,
        resize: None,
    };
    let n = Some(args.reference_n);
    let shape = classifier.input_shape();
    let split = context.open(&data, Split::Train, n, Some(shape[0]))?;
    check_shape(&split.name(), split.image_shape(), shape)?;
    let data = context.engine.install(|| split.rows(0..split.len()))?;
    let data = data.for_classes(&classifier.classes())?;
    let x = data.images(0..data.len());
    let batch = Batch {
        x: x.view(),
        ids: data.ids(),
    };
    let reference = Reference {
        batch,
        labels: data.labels(),
    };
    let fit = || Features::fit(&args.feature, classifier, Some(&reference));
    Ok(context.engine.install(fit)?)
}

fn fit(context: &Context, args: &DetectFit) -> anyhow::Result<Ending> {
    let detector = detect::build(&args.detector)?;
    for feature in &args.feature {
        feature::build(feature)?;
    }
    check_output(&args.out)?;
    let (_, network) = context.classifier(&args.model)?;
    let clean = file_images(&args.clean, None, &*network)?;
    let adversarial = file_images(&args.adversarial, Some("x_adv"), &*network)?;
    let success = success_of(&args.adversarial, adversarial.ids.len())?;
    let features = features(context, args, &*network)?;
    let decision = args.answer.decision();
    let n_passes = decision.n_passes();
    // Clean and adversarial inputs are seen under different draws, as they would be in use.
    let run = |images, pass| numbers(context, &*network, &features, (images, pass, n_passes));
    let (Some(clean_numbers), Some(numbers)) = (run(&clean, 0)?, run(&adversarial, n_passes)?)
    else {
        tell(NOTHING_KEPT);
        return Ok(Ending::Interrupted);
    };
    let cases = cases((&clean, clean_numbers), (&adversarial, numbers), &success)?;
    let seed = context.common.seed;
    let (fitted, detection) = honest(&*detector, &cases, FIT_SHARE, seed)?;
    let for_fitting = |case: &&Case| is_for_fitting(seed, case.source, FIT_SHARE);
    let fitting: Vec<Case> = cases.iter().filter(for_fitting).cloned().collect();
    let saved = Saved {
        schema: SCHEMA,
        model: network.fingerprint(),
        decision,
        features: features.saved(),
        detector: Named::of(&*fitted),
        clean: clean_suspicions(&*fitted, &fitting),
    };
    atomic_file::write(&args.out, saved.to_json()?.as_bytes())
        .with_context(|| format!("cannot write {}", args.out.display()))?;
    let specs: Vec<&str> = features.specs().collect();
    let document = serde_json::json!({
        "schema": 2,
        "out": args.out.display().to_string(),
        "seed": seed,
        "features": specs,
        "decision": decision.to_string(),
        "detector": saved.detector,
        "detection": detection,
    });
    let text = text(args, &specs.join(", "), &detection);
    print(context.common.json, &document, &text)?;
    Ok(Ending::Done)
}

/// Pairs each adversarial image with the clean one of its id.
fn cases(
    (clean, clean_numbers): (&Images, Vec<Vec<f64>>),
    (adversarial, numbers): (&Images, Vec<Vec<f64>>),
    success: &[bool],
) -> anyhow::Result<Vec<Case>> {
    let by_id: BTreeMap<u64, Vec<f64>> = clean.ids.iter().copied().zip(clean_numbers).collect();
    if by_id.len() < clean.ids.len() {
        bail!(
            "{}: {} images share their id with another; each clean image needs its own",
            clean.source,
            clean.ids.len() - by_id.len()
        );
    }
    let n = numbers.len();
    let rows = adversarial.ids.iter().zip(numbers).zip(success);
    let case = |((&source, adversarial), &successful): ((&u64, Vec<f64>), &bool)| {
        let clean = by_id.get(&source)?.clone();
        Some(Case {
            source,
            clean,
            adversarial,
            successful,
        })
    };
    let cases: Vec<Case> = rows.filter_map(case).collect();
    if cases.len() < n {
        bail!(
            "{} of {n} adversarial images have no clean image of the same id in {}",
            n - cases.len(),
            clean.source
        );
    }
    Ok(cases)
}

/// Which rows of an adversarial file the attack put into a wrong class; all, where it does not say.
/// An image that was in one before is no adversarial example.
fn success_of(path: &Path, n: usize) -> anyhow::Result<Vec<bool>> {
    let flags = |name: &str| -> anyhow::Result<Vec<bool>> {
        match NpzReader::open(path)?.read(name)? {
            None => Ok(vec![true; n]),
            Some(NpyArray::Bool(flags)) if flags.len() == n => Ok(flags.iter().copied().collect()),
            Some(other) => bail!(
                "{}: `{name}` must be bool of shape [{n}], got {}",
                path.display(),
                other.describe()
            ),
        }
    };
    let right_before = flags("initially_correct")?;
    let success = flags("success")?.into_iter().zip(right_before);
    Ok(success.map(|(success, right)| success && right).collect())
}

fn text(args: &DetectFit, features: &str, detection: &Detection) -> String {
    let mut out = format!(
        "{}: {} on {features} over {} passes\nfitted on {} source images, scored on {} others\n",
        args.out.display(),
        args.detector,
        args.answer.decision().n_passes(),
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
            number(point.score.unwrap_or(point.threshold))
        );
    }
}

/// One number, or a list of several.
#[derive(Serialize)]
#[serde(untagged)]
enum Score {
    One(f64),
    Several(Vec<f64>),
}

#[derive(Serialize)]
struct Scored {
    id: u64,
    score: Score,
    suspicion: f64,
    adversarial: bool,
    verdict: Verdict,
}

impl Scored {
    fn of((&id, judged): (&u64, &Judged)) -> Option<Self> {
        let seen = judged.suspicion.as_ref()?;
        Some(Self {
            id,
            score: match seen.features[..] {
                [only] => Score::One(only),
                _ => Score::Several(seen.features.clone()),
            },
            suspicion: seen.value,
            adversarial: seen.refuses(),
            verdict: judged.verdict,
        })
    }

    fn text(&self) -> String {
        let numbers = match &self.score {
            Score::One(only) => number(*only),
            Score::Several(all) => all.iter().map(|n| number(*n)).collect::<Vec<_>>().join(" "),
        };
        let called = if self.adversarial {
            "adversarial"
        } else {
            "clean"
        };
        format!("{:>8}  {numbers}  {called}\n", self.id)
    }
}

fn score(context: &Context, args: &DetectScore) -> anyhow::Result<Ending> {
    if let Some(out) = &args.out {
        check_output(out)?;
    }
    let saved = open(&args.detector)?;
    let (_, network) = context.classifier(&args.model)?;
    let guard = Guard::open(network.into(), &saved, args.fpr)
        .with_context(|| args.detector.display().to_string())?;
    let images = file_images(&args.input, None, guard.classifier())?;
    let batch = Batch {
        x: images.x.view(),
        ids: &images.ids,
    };
    let judge = || guard.judge(batch, draw(context, 0), &context.progress);
    let judged = context.engine.install(judge)?;
    if judged.len() < images.ids.len() {
        tell(NOTHING_KEPT);
        return Ok(Ending::Interrupted);
    }
    let rows: Vec<Scored> = images
        .ids
        .iter()
        .zip(&judged)
        .filter_map(Scored::of)
        .collect();
    if let Some(out) = &args.out {
        write_arrays(out, arrays(&images.ids, &judged)?)?;
    }
    let share = Rate::of(rows.iter().map(|row| row.adversarial));
    let specs: Vec<&str> = saved.features.iter().map(|f| f.feature.as_str()).collect();
    let document = serde_json::json!({
        "schema": 2,
        "images": images.source,
        "n": rows.len(),
        "seed": context.common.seed,
        "features": specs,
        "decision": saved.decision.to_string(),
        "passes": saved.decision.n_passes(),
        "threshold": guard.threshold(),
        "called_adversarial": share,
        "rows": rows,
    });
    let text = format!(
        "called adversarial: {}\n{:>8}  {}\n{}",
        rate(share.as_ref()),
        "image",
        specs.join(" "),
        rows.iter().map(Scored::text).collect::<String>()
    );
    print(context.common.json, &document, &text)?;
    Ok(Ending::Done)
}

/// A file that `detect fit` wrote.
pub(super) fn open(path: &Path) -> anyhow::Result<Saved> {
    let name = path.display().to_string();
    let foreign = || format!("{name} is no file that `quaver detect fit` wrote");
    let bytes = std::fs::read(path).with_context(|| name.clone())?;
    let json = String::from_utf8(bytes).with_context(foreign)?;
    let saved = Saved::from_json(&json).with_context(foreign)?;
    saved.load().with_context(foreign)?;
    Ok(saved)
}

/// One row an image.
fn arrays(ids: &[u64], judged: &[Judged]) -> anyhow::Result<Arrays> {
    let seen: Vec<&Suspicion> = judged.iter().filter_map(|j| j.suspicion.as_ref()).collect();
    let features: Vec<f64> = seen.iter().flat_map(|s| s.features.clone()).collect();
    let width = features.len() / seen.len().max(1);
    let suspicions: Vec<f64> = seen.iter().map(|s| s.value).collect();
    let refused: Vec<bool> = seen.iter().map(|s| s.refuses()).collect();
    let class = |judged: &Judged| judged.decided.class().map_or(-1, |class| class as i64);
    let classes: Vec<i64> = judged.iter().map(class).collect();
    Ok(Arrays::from([
        ("id".into(), ids.to_vec().into()),
        (
            "score".into(),
            match width {
                1 => features.into(),
                _ => Array2::from_shape_vec((seen.len(), width), features)?.into(),
            },
        ),
        ("suspicion".into(), suspicions.into()),
        ("adversarial".into(), refused.into()),
        ("class".into(), classes.into()),
    ]))
}

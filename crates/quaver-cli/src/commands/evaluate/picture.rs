//! `quaver evaluate MODEL --image FILE`: the verdict on one picture, in words.

use super::super::detect;
use super::rows::Rows;
use crate::Ending;
use crate::args::Evaluate;
use crate::context::Context;
use crate::images::Images;
use crate::output::{number, print, rate};
use anyhow::{Context as _, bail};
use ndarray::Array4;
use quaver::classifier::{Batch, Classifier, Noise, Randomness};
use quaver::data::image_file::Picture;
use quaver::decision;
use quaver::evaluate::interval::Rate;
use quaver::evaluate::summary::Answers;
use quaver::guard::{Guard, Judged};
use quaver::run::write_arrays;
use quaver::uncertainty::MEASURES;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

/// Mean of a picture's outermost pixels, in [0, 255], above which its ground counts as light.
const LIGHT: u32 = 127;
/// Classes that the text names beside the verdict.
const NEXT: usize = 3;

#[derive(Serialize)]
struct Verdict {
    schema: u32,
    image: String,
    seed: u64,
    passes: u32,
    decision: String,
    verdict: decision::Verdict,
    /// The detector's, if there is one; above the threshold the picture is refused.
    suspicion: Option<f64>,
    threshold: Option<f64>,
    /// Name of the class that is decided on; null where none is.
    class: Option<String>,
    label: Option<usize>,
    /// Passes that name it; null where no pass differs from another.
    vote: Option<Rate>,
    /// Mean over the passes of the softmax output, by class.
    probabilities: Vec<(String, f64)>,
    uncertainty: BTreeMap<&'static str, Option<f64>>,
    hints: Vec<String>,
}

pub(super) fn run(
    context: &Context,
    args: &Evaluate,
    network: Arc<dyn Classifier>,
    path: &Path,
) -> anyhow::Result<Ending> {
    let mut hints = Vec::new();
    let guard = match &args.detector {
        None => Guard::new(network, args.answer.decision()),
        Some(path) => Guard::open(network, &detect::open(path)?, None)
            .with_context(|| path.display().to_string())?,
    };
    let network = guard.classifier();
    let images = Images {
        source: path.display().to_string(),
        x: read(args, network, path, &mut hints)?,
        labels: None,
        ids: vec![0],
        targets: None,
        start: None,
    };
    let batch = Batch {
        x: images.x.view(),
        ids: &images.ids,
    };
    let draw = detect::draw(context, 0);
    let judge = || guard.judge(batch, draw, &context.progress);
    let judged = context.engine.install(judge)?;
    let [judged] = &judged[..] else {
        return Ok(Ending::Interrupted);
    };
    if let Some(out) = &args.out {
        let mut rows = Rows::default();
        let logits = context
            .engine
            .install(|| network.logits(batch, Noise::Off))?;
        let answers = Answers {
            logits,
            images: vec![judged.passes.clone()],
        };
        rows.add(network, &images, &answers, false)?;
        write_arrays(out, rows.into_arrays(network)?)?;
    }
    let verdict = verdict(context, args, &guard, (judged, hints));
    print(context.common.json, &verdict, &text(&verdict))?;
    Ok(Ending::Done)
}

/// The pixels as the network wants them, and what a user should know about them.
fn read(
    args: &Evaluate,
    network: &dyn Classifier,
    path: &Path,
    hints: &mut Vec<String>,
) -> anyhow::Result<Array4<f32>> {
    let [channels, height, width] = network.input_shape();
    let mut picture = Picture::read(path)?;
    if let Some(size) = args.images.data.resize {
        picture = picture.scaled(size);
    }
    if picture.size() != [height, width] {
        let [got_height, got_width] = picture.size();
        bail!(
            "{}: {got_height} by {got_width} pixels, expected {height} by {width} for this model; \
             --resize {height}x{width} scales it",
            path.display()
        );
    }
    if args.invert {
        picture = picture.inverted();
    }
    if !matches!(channels, 1 | 3) {
        bail!(
            "{}: the model wants {channels} channels, a picture has 1 or 3",
            path.display()
        );
    }
    if channels == 1 && picture.is_colored() {
        hints.push("colors became grey, which is all that the model takes".into());
    }
    if channels == 1 && !args.invert && has_light_ground(&picture) {
        hints.push(
            "the picture is dark on light; the digits of MNIST, and most networks trained on such, \
             are white on black: try --invert"
                .into(),
        );
    }
    let pixels = picture.planes(channels).into_iter();
    let pixels = pixels.map(|v| f32::from(v) / 255.0).collect();
    Ok(Array4::from_shape_vec(
        (1, channels, height, width),
        pixels,
    )?)
}

fn has_light_ground(picture: &Picture) -> bool {
    let ([height, width], pixels) = (picture.size(), picture.planes(1));
    let (mut sum, mut n) = (0, 0);
    for y in 0..height {
        for x in 0..width {
            if y == 0 || x == 0 || y + 1 == height || x + 1 == width {
                sum += u32::from(pixels[y * width + x]);
                n += 1;
            }
        }
    }
    sum > LIGHT * n
}

fn verdict(
    context: &Context,
    args: &Evaluate,
    guard: &Guard,
    (judged, hints): (&Judged, Vec<String>),
) -> Verdict {
    let (network, seen) = (guard.classifier(), &judged.passes);
    let names = network.classes();
    let tally = seen.tally();
    let label = judged.decided.class();
    let vote = label.filter(|_| network.randomness() != Randomness::None);
    let vote = vote.and_then(|label| Rate::new(tally.counts()[label].into(), seen.n().into()));
    Verdict {
        schema: 2,
        image: args
            .image
            .as_ref()
            .map_or_else(String::new, |path| path.display().to_string()),
        seed: context.common.seed,
        passes: seen.n(),
        decision: guard.decision().to_string(),
        verdict: judged.verdict,
        suspicion: judged.suspicion.as_ref().map(|seen| seen.value),
        threshold: guard.threshold(),
        class: label.map(|label| names[label].clone()),
        label,
        vote,
        probabilities: names.into_iter().zip(seen.mean().iter().copied()).collect(),
        uncertainty: MEASURES.iter().map(|m| (m.id, m.of(seen))).collect(),
        hints,
    }
}

fn text(v: &Verdict) -> String {
    let class = v
        .class
        .as_deref()
        .unwrap_or("no class: the decision names none");
    let mut out = format!("{}: {class}\n", v.image);
    let vote = match &v.vote {
        Some(vote) => format!(
            "{} of {} passes name it, {}",
            vote.k,
            vote.n,
            rate(Some(vote))
        ),
        None => "the network draws nothing: every pass says the same".to_owned(),
    };
    let _ = writeln!(out, "  {:20} {vote}", "vote");
    let mut likely: Vec<&(String, f64)> = v.probabilities.iter().collect();
    likely.sort_by(|a, b| b.1.total_cmp(&a.1));
    for (name, probability) in likely.into_iter().take(NEXT) {
        let _ = writeln!(
            out,
            "  {:20} {:.4}  {name}",
            "mean probability", probability
        );
    }
    for (id, value) in &v.uncertainty {
        let value = value.map_or_else(|| "n/a".to_owned(), number);
        let _ = writeln!(out, "  {id:20} {value}");
    }
    if let (Some(suspicion), Some(threshold)) = (v.suspicion, v.threshold) {
        let called = match v.verdict {
            decision::Verdict::Rejected => "refused",
            _ => "let pass",
        };
        let [suspicion, threshold] = [suspicion, threshold].map(number);
        let _ = writeln!(
            out,
            "  {:20} {called}: suspicion {suspicion}, refused above {threshold}",
            "detector"
        );
    }
    let _ = writeln!(out, "  {:20} {} passes, seed {}", "over", v.passes, v.seed);
    for hint in &v.hints {
        let _ = writeln!(out, "hint: {hint}");
    }
    out
}

//! `quaver evaluate`.

use crate::Ending;
use crate::args::Evaluate;
use crate::context::{Context, INTERRUPTED, Images, check_output};
use crate::output::{estimate, number, print, rate};
use ndarray::{Array1, Array2};
use quaver::attack::objective::{Aim, Objective};
use quaver::classifier::{Batch, Classifier, Draw, Noise, Purpose};
use quaver::data::npy::NpyArray;
use quaver::data::npz::Arrays;
use quaver::decision::Decision;
use quaver::evaluate::accuracy::{accuracy, mean_single};
use quaver::evaluate::interval::{Estimate, Rate};
use quaver::evaluate::spread::Spread;
use quaver::network::Network;
use quaver::run::write_arrays;
use quaver::uncertainty::{MEASURES, McOutputs, monte_carlo};
use quaver_nn::loss::{argmax, softmax};
use quaver_nn::model::Info;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

#[derive(Serialize)]
struct Evaluation<'a> {
    schema: u32,
    model: &'a Info,
    images: &'a str,
    n: usize,
    seed: u64,
    passes: u32,
    complete: bool,
    noise_off: Option<Rate>,
    single: Option<Rate>,
    multi: Option<Rate>,
    mean_single: Option<Estimate>,
    uncertainty: BTreeMap<&'static str, Option<Spread>>,
}

/// Everything about the images that is not yet reduced.
struct Outputs {
    logits: Array2<f32>,
    mc: McOutputs,
}

pub(crate) fn run(context: &Context, args: &Evaluate) -> anyhow::Result<Ending> {
    if let Some(out) = &args.out {
        check_output(out)?;
    }
    let network = context.network(&args.model)?;
    let mut images = context.images(&args.images, &network)?;
    if args.gradient {
        images.require_labels("--gradient")?;
    }
    let batch = Batch {
        x: images.x.view(),
        ids: &images.ids,
    };
    let draw = Draw {
        seed: context.common.seed,
        purpose: Purpose::Passes,
        pass: 0,
    };
    let outputs = context.engine.install(|| -> anyhow::Result<Outputs> {
        Ok(Outputs {
            logits: network.logits(batch, Noise::Off)?,
            mc: monte_carlo(&network, batch, draw, args.passes, &context.progress)?,
        })
    })?;
    let done = outputs.mc.images.len();
    let complete = done == images.ids.len();
    images.keep_first(done);
    let evaluation = evaluate(context, args, &network, &images, &outputs, complete);
    if let Some(out) = args.out.as_ref().filter(|_| done > 0) {
        let arrays = arrays(args.gradient, &network, &images, &outputs)?;
        write_arrays(out, arrays)?;
    }
    print(context.common.json, &evaluation, &text(&evaluation))?;
    Ok(if complete {
        Ending::Done
    } else {
        Ending::Interrupted
    })
}

fn evaluate<'a>(
    context: &Context,
    args: &Evaluate,
    network: &'a Network,
    images: &'a Images,
    outputs: &Outputs,
    complete: bool,
) -> Evaluation<'a> {
    let labels = images.labels.as_deref();
    let under = |decision| labels.and_then(|y| accuracy(&outputs.mc.verdicts(decision), y));
    let off = |y: &[usize]| {
        let rows = outputs.logits.outer_iter().zip(y);
        Rate::of(rows.map(|(row, &label)| argmax(&row.to_vec()) == label))
    };
    let spread = |scores: Vec<Option<f64>>| {
        let all: Option<Vec<f64>> = scores.into_iter().collect();
        all.and_then(|scores| Spread::of(&scores))
    };
    let seed = context.common.seed;
    Evaluation {
        schema: 1,
        model: &network.model().info,
        images: &images.source,
        n: images.ids.len(),
        seed,
        passes: args.passes,
        complete,
        noise_off: labels.and_then(off),
        single: under(Decision::First),
        multi: under(Decision::Mean(args.passes)),
        mean_single: labels.and_then(|y| mean_single(&outputs.mc, y, network.randomness(), seed)),
        uncertainty: MEASURES
            .iter()
            .map(|measure| (measure.id, spread(outputs.mc.scores(*measure))))
            .collect(),
    }
}

fn text(e: &Evaluation<'_>) -> String {
    let mut out = format!(
        "{} {} on {} images of {}, {} passes, seed {}\n",
        e.model.arch, e.model.topology, e.n, e.images, e.passes, e.seed
    );
    let rows = [
        ("noise off", rate(e.noise_off.as_ref())),
        ("single (first pass)", rate(e.single.as_ref())),
        ("mean single pass", estimate(e.mean_single.as_ref())),
        ("multi (all passes)", rate(e.multi.as_ref())),
    ];
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
        let _ = writeln!(out, "{INTERRUPTED}");
    }
    out
}

/// One row an image of everything; a number that is missing is NaN.
fn arrays(
    gradient: bool,
    network: &Network,
    images: &Images,
    outputs: &Outputs,
) -> anyhow::Result<Arrays> {
    let n = images.ids.len();
    let logits = outputs.logits.slice(ndarray::s![..n, ..]).to_owned();
    let mut probs = Array2::<f64>::zeros(logits.dim());
    for (row, mut probs) in logits.outer_iter().zip(probs.outer_iter_mut()) {
        let mut row_probs = vec![0.0; row.len()];
        softmax(&row.to_vec(), &mut row_probs);
        probs.assign(&Array1::from(row_probs));
    }
    let seen = &outputs.mc.images;
    let n_classes = network.n_classes();
    let mc = |value: &dyn Fn(usize, usize) -> f64| {
        Array2::from_shape_fn((n, n_classes), |(row, class)| value(row, class))
    };
    let class = |decision| -> Vec<i64> {
        let verdicts = outputs.mc.verdicts(decision);
        verdicts
            .iter()
            .map(|v| v.class().map_or(-1, |c| c as i64))
            .collect()
    };
    let passes = outputs.mc.classes.ncols() as u32;
    let mut arrays = Arrays::from([
        ("logits".into(), logits.into()),
        ("probs".into(), probs.into()),
        ("single".into(), class(Decision::First).into()),
        ("multi".into(), class(Decision::Mean(passes)).into()),
        (
            "mc_mean".into(),
            mc(&|row, class| seen[row].mean()[class]).into(),
        ),
        (
            "mc_variance".into(),
            mc(&|row, class| seen[row].m2()[class] / f64::from(seen[row].n())).into(),
        ),
        ("id".into(), images.ids.clone().into()),
    ]);
    for measure in MEASURES {
        let scores = outputs.mc.scores(*measure).into_iter();
        let scores: Vec<f64> = scores.map(|score| score.unwrap_or(f64::NAN)).collect();
        arrays.insert(measure.id.replace('-', "_"), scores.into());
    }
    if let Some(labels) = &images.labels {
        let labels: Vec<i64> = labels.iter().map(|&label| label as i64).collect();
        arrays.insert("y".into(), labels.into());
    }
    if gradient {
        arrays.insert("input_gradient".into(), input_gradient(network, images)?);
    }
    Ok(arrays)
}

fn input_gradient(network: &Network, images: &Images) -> anyhow::Result<NpyArray> {
    let labels = images.require_labels("--gradient")?;
    let batch = Batch {
        x: images.x.view(),
        ids: &images.ids,
    };
    // In the precision of the frameworks, with whose gradients it will be compared.
    let vjp = network.vjp(batch, &[Noise::Off], None, &|row, _, logits, upstream| {
        let aim = Aim {
            label: labels[row],
            target: None,
        };
        Objective::CrossEntropyF32.upstream(logits, aim, 1.0, upstream);
    })?;
    Ok(vjp.gradient.into())
}

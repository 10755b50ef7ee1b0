//! `quaver model show | import | wrap | pack | export`.

mod onnx;
mod weights;

use crate::Ending;
use crate::args::{DataArgs, ImagesArgs, Model as Args};
use crate::context::{Context, check_output};
use crate::images::Stream;
use crate::output::print;
use anyhow::Context as _;
use quaver::classifier::{Batch, Classifier, Noise};
use quaver::evaluate::interval::Rate;
use quaver::network::Network;
use quaver::wrap;
use quaver_nn::format::onnx::export as to_onnx;
use quaver_nn::format::safetensors::{export, load, save};
use quaver_nn::loss::argmax;
use quaver_nn::model::Model;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;

/// Images that say whether an import is plausible.
const N_IMAGES: usize = 1000;
/// Accuracy that a network that was imported as it was trained has.
const PLAUSIBLE: f64 = 0.5;
const IMPLAUSIBLE: &str = "this accuracy is implausible for a trained network; most were trained on \
                           normalized pixels";

pub(crate) fn run(context: &Context, args: &Args) -> anyhow::Result<Ending> {
    match args {
        Args::Show { model } => show(context, model, &load(model)?.0)?,
        Args::Import(args) => match is_onnx(&args.file) {
            true => onnx::import(context, args)?,
            false => weights::import(context, args)?,
        },
        Args::Wrap { model, with, out } => {
            check_output(out)?;
            let (mut model, _) = load(model)?;
            for spec in with {
                wrap::add(&mut model, spec)?;
            }
            save(out, &model, None)?;
            show(context, out, &model)?;
        }
        Args::Pack { model, out } => pack(context, model, out)?,
        Args::Export { model, out } => {
            check_output(out)?;
            let (model, _) = load(model)?;
            match is_onnx(out) {
                true => to_onnx(out, &wrap::as_layers(model.clone())?)?,
                false => export(out, &model)?,
            }
            let names: Vec<_> = model
                .named_params()
                .into_iter()
                .map(|(name, ..)| name)
                .collect();
            let document = serde_json::json!({ "schema": 1, "out": out.display().to_string(), "tensors": names });
            let text = format!("{}: {} tensors", out.display(), names.len());
            print(context.common.json, &document, &text)?;
        }
    }
    Ok(Ending::Done)
}

/// Accuracy on the first test images of the data set that was named, if one was; noise off.
fn clean_accuracy(
    context: &Context,
    network: &Network,
    data: &DataArgs,
) -> anyhow::Result<Option<Rate>> {
    if data.dataset.is_none() {
        return Ok(None);
    }
    let args = ImagesArgs {
        data: data.clone(),
        n: None,
        input: None,
    };
    let images = Stream::open(context, &args, network)?;
    let n = images.len().min(N_IMAGES);
    context.engine.install(|| {
        let images = images.rows(0..n)?;
        let batch = Batch {
            x: images.x.view(),
            ids: &images.ids,
        };
        let logits = network.logits(batch, Noise::Off)?;
        let rows = logits.outer_iter().zip(images.labels.iter().flatten());
        let right = rows.map(|(row, &label)| argmax(&row.to_vec()) == Some(label));
        Ok(Rate::of(right))
    })
}

/// Writes `model` to `out` with the weights that are signs as bits.
fn pack(context: &Context, model: &Path, out: &Path) -> anyhow::Result<()> {
    check_output(out)?;
    let packed = load(model)?.0.packed().with_context(|| {
        format!(
            "{}: no layer uses its weights as their signs (quantizer sign); stochastic-sign draws \
             them from what packing would drop",
            model.display()
        )
    })?;
    save(out, &packed, None)?;
    let size = |path: &Path| std::fs::metadata(path).map(|file| file.len());
    let (before, after) = (size(model)?, size(out)?);
    let document = serde_json::json!({
        "schema": 1,
        "out": out.display().to_string(),
        "bytes": after,
        "bytes_before": before,
    });
    let out = out.display();
    let text = format!("{out}: {after} bytes, {before} before");
    print(context.common.json, &document, &text)
}

fn is_onnx(path: &Path) -> bool {
    path.extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("onnx"))
}

#[derive(Serialize)]
struct Layer {
    name: String,
    op: &'static str,
    config: serde_json::Value,
    output: Vec<usize>,
    parameters: usize,
}

fn show(context: &Context, path: &Path, model: &Model) -> anyhow::Result<()> {
    let (document, text) = describe(path, model);
    print(context.common.json, &document, &text)
}

/// A model as a document and as text.
fn describe(path: &Path, model: &Model) -> (serde_json::Value, String) {
    let params = model.graph.params();
    let layer = |i: usize| {
        let node = &model.graph.nodes()[i];
        let trainable = params[i].iter().filter(|param| param.trainable);
        Layer {
            name: node.name.clone(),
            op: node.op.name(),
            config: node.op.config(),
            output: model.graph.shape(i + 1).clone(),
            parameters: trainable
                .map(|param| param.shape.iter().product::<usize>())
                .sum(),
        }
    };
    let layers: Vec<Layer> = (0..params.len()).map(layer).collect();
    let document = serde_json::json!({
        "schema": 1,
        "model": path.display().to_string(),
        "info": model.info,
        "input": model.graph.input_shape(),
        "parameters": model.n_params(),
        "layers": layers,
        "graph": model.graph.to_json(),
    });
    let mut text = format!(
        "{}: {} {}, dropout {}, {} parameters, input {:?}\n",
        path.display(),
        model.info.arch,
        model.info.topology,
        model.info.dropout,
        model.n_params(),
        model.graph.input_shape()
    );
    if let Some(t) = &model.info.training {
        let _ = writeln!(
            text,
            "trained on {} images of {}: epochs {}, batch {}, learning rate {}, seed {}",
            t.n, t.dataset, t.epochs, t.batch_size, t.learning_rate, t.seed
        );
    }
    for wrapper in &model.info.wrappers {
        let _ = writeln!(text, "inside {wrapper}");
    }
    if model.info.packed {
        text.push_str("weights that are used as their signs are bits\n");
    }
    for layer in &layers {
        let output = format!("{:?}", layer.output);
        let _ = writeln!(
            text,
            "  {:>4}  {:12} {output:14} {:>8}  {}",
            layer.name, layer.op, layer.parameters, layer.config
        );
    }
    (document, text)
}

//! `quaver model show | import | export`.

mod onnx;

use crate::Ending;
use crate::args::{Model as Args, NetworkArgs};
use crate::commands::train::network_spec;
use crate::context::{Context, check_output};
use crate::output::print;
use anyhow::{Context as _, bail};
use quaver_nn::format::onnx::export as to_onnx;
use quaver_nn::format::safetensors::{export, load, load_tensors, save, take_params};
use quaver_nn::model::{Info, Model};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;

/// Shape of an image and number of classes of the data sets here.
const IMAGE: [usize; 3] = [1, 28, 28];
const N_CLASSES: usize = 10;

pub(crate) fn run(context: &Context, args: &Args) -> anyhow::Result<Ending> {
    match args {
        Args::Show { model } => show(context, model, &load(model)?.0)?,
        Args::Import(args) => match is_onnx(&args.file) {
            true => onnx::import(context, args)?,
            false => import(context, &args.file, &args.network, &args.out)?,
        },
        Args::Export { model, out } => {
            check_output(out)?;
            let (model, _) = load(model)?;
            match is_onnx(out) {
                true => to_onnx(out, &model)?,
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

fn is_onnx(path: &Path) -> bool {
    path.extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("onnx"))
}

fn import(
    context: &Context,
    weights: &Path,
    network: &NetworkArgs,
    out: &Path,
) -> anyhow::Result<()> {
    let mut spec = network_spec(network, IMAGE, N_CLASSES)?;
    check_output(out)?;
    let mut tensors = load_tensors(weights)?;
    if network.arch.starts_with("cleverhans-cnn") && network.filters.is_none() {
        spec.filters = tensors
            .get("1.weight")
            .and_then(|(shape, _)| shape.first().copied());
    }
    let graph = spec.graph()?;
    let params = take_params(weights, &graph, "", &mut tensors)
        .with_context(|| format!("no weights of {} {}", network.arch, network.topology))?;
    if let Some(name) = tensors.keys().next() {
        bail!(
            "{}: tensor {name:?} has no place in {} {}",
            weights.display(),
            network.arch,
            network.topology
        );
    }
    let info = Info {
        arch: network.arch.clone(),
        topology: network.topology.clone(),
        dropout: spec.dropout,
        classes: (0..N_CLASSES).map(|class| class.to_string()).collect(),
        input_range: [0.0, 1.0],
        training: None,
    };
    let model = Model {
        graph,
        params,
        info,
    };
    save(out, &model, None)?;
    show(context, out, &model)
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

//! `quaver model import WEIGHTS.safetensors`.

use super::{IMPLAUSIBLE, PLAUSIBLE, clean_accuracy, describe};
use crate::args::Import;
use crate::commands::train::network_spec;
use crate::context::{Context, check_output};
use crate::output::{print, rate};
use anyhow::{Context as _, bail};
use quaver::data::Split;
use quaver::evaluate::interval::Rate;
use quaver::network::Network;
use quaver::spec::Spec;
use quaver_nn::arch::Architecture;
use quaver_nn::format::safetensors::{Tensors, load_tensors, save};
use quaver_nn::format::state_dict::{Matched, match_params};
use quaver_nn::model::{Info, Model};
use serde_json::json;
use std::fmt::Write as _;
use std::sync::Arc;

/// Shape of an image and number of classes where nothing says another.
const IMAGE: [usize; 3] = [1, 28, 28];
const N_CLASSES: usize = 10;

pub(super) fn import(context: &Context, args: &Import) -> anyhow::Result<()> {
    let network = &args.network;
    if args.surrogate.is_some() {
        bail!("--surrogate goes with an ONNX file; the quantizers of a topology have their own");
    }
    let (input, classes) = images(context, args)?;
    let mut spec = network_spec(network, input, classes.len())?;
    check_output(&args.out)?;
    let tensors = load_tensors(&args.file)?;
    spec.arch = of_weights(&spec.arch, &tensors)?;
    let graph = spec.graph()?;
    let matched = match_params(&args.file, &graph, tensors)
        .with_context(|| format!("no weights of {} {}", network.arch, network.topology))?;
    let info = Info {
        arch: Architecture::find(&spec.arch)?.1.spec().to_string(),
        topology: network.topology.clone(),
        dropout: spec.dropout,
        classes,
        ..Info::default()
    };
    let mut model = Model {
        graph,
        params: matched.params.clone(),
        info,
    };
    if !(args.mean.is_empty() && args.std.is_empty()) {
        model = model.normalized(&args.mean, &args.std)?;
    }
    let ready = Network::new(Arc::new(model.clone()), Arc::clone(&context.engine))?;
    let accuracy = clean_accuracy(context, &ready, &args.data)?;
    save(&args.out, &model, None)?;
    let (mut document, mut text) = describe(&args.out, &model);
    told(&matched, accuracy.as_ref(), &mut document, &mut text);
    print(context.common.json, &document, &text)
}

/// Adds to a model's description what only the import knows.
fn told(
    matched: &Matched,
    accuracy: Option<&Rate>,
    document: &mut serde_json::Value,
    text: &mut String,
) {
    let mut notes = Vec::new();
    if !matched.guessed.is_empty() {
        let layers = matched.guessed.join(", ");
        notes.push(format!(
            "several modules have the shapes of layers {layers}, and their names do not say \
             their order: check the mapping"
        ));
    }
    if accuracy.is_some_and(|rate| rate.high < PLAUSIBLE) {
        notes.push(IMPLAUSIBLE.to_owned());
    }
    document["imported"] = json!({
        "mapping": matched.mapping,
        "notes": notes,
        "clean_accuracy": accuracy,
    });
    if !matched.mapping.is_empty() {
        text.push_str("tensors of the file, matched by shape and order\n");
    }
    for (tensor, param) in &matched.mapping {
        let _ = writeln!(text, "  {tensor:30} {param}");
    }
    for note in &notes {
        let _ = writeln!(text, "note: {note}");
    }
    if accuracy.is_some() {
        let _ = writeln!(text, "clean accuracy, noise off: {}", rate(accuracy));
    }
}

/// Shape of an image and names of the classes: the data set's, or as the flags say.
fn images(context: &Context, args: &Import) -> anyhow::Result<([usize; 3], Vec<String>)> {
    if args.data.dataset.is_some() {
        let test = context.open(&args.data, Split::Test, None, None)?;
        return Ok((test.image_shape(), test.class_names()));
    }
    let input = match args.input_shape[..] {
        [] => IMAGE,
        [c, h, w] => [c, h, w],
        ref got => bail!(
            "--input-shape must be channels, height, width, like 3,32,32; got {} numbers",
            got.len()
        ),
    };
    let n_classes = args.classes.unwrap_or(N_CLASSES);
    Ok((input, (0..n_classes).map(|i| i.to_string()).collect()))
}

/// The architecture, with what the weights tell of the parameters that are not given.
fn of_weights(text: &str, tensors: &Tensors) -> anyhow::Result<String> {
    let (arch, _) = Architecture::find(text)?;
    let mut spec: Spec = text.parse()?;
    let shapes: Vec<&[usize]> = tensors.values().map(|(shape, _)| &shape[..]).collect();
    for (name, value) in (arch.of_weights)(&shapes) {
        if !spec.params.contains_key(name) && spec.bare.is_none() {
            spec = spec.with(name, &value.to_string())?;
        }
    }
    Ok(spec.to_string())
}

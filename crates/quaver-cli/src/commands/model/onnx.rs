//! `quaver model import NET.onnx`.

use super::{IMPLAUSIBLE, PLAUSIBLE, clean_accuracy, describe};
use crate::args::{Import, NetworkArgs};
use crate::context::{Context, check_output};
use crate::output::{print, rate};
use anyhow::{Context as _, bail};
use quaver::evaluate::interval::Rate;
use quaver::network::Network;
use quaver_nn::format::onnx::{Imported, Options, import as read};
use quaver_nn::format::safetensors::save;
use quaver_nn::quantizer::Surrogate;
use serde_json::json;
use std::fmt::Write as _;
use std::sync::Arc;

pub(super) fn import(context: &Context, args: &Import) -> anyhow::Result<()> {
    let Import {
        file: path,
        network,
        mean,
        std,
        surrogate,
        data,
        out,
        input_shape,
        classes,
    } = args;
    if !input_shape.is_empty() || classes.is_some() {
        bail!("--input-shape and --classes do not go with an ONNX file, which says both");
    }
    let surrogate = match surrogate {
        None => Surrogate::default(),
        Some(name) => {
            serde_json::from_value(json!(name)).with_context(|| format!("--surrogate {name:?}"))?
        }
    };
    let options = Options {
        dropout: dropout(network)?,
        mean: mean.clone(),
        std: std.clone(),
        surrogate,
    };
    check_output(out)?;
    let imported = read(path, &options).with_context(|| path.display().to_string())?;
    let model = Arc::new(imported.model.clone());
    let network = Network::new(model, Arc::clone(&context.engine))?;
    let accuracy = clean_accuracy(context, &network, data)?;
    save(out, &imported.model, None)?;
    let (mut document, text) = describe(out, &imported.model);
    let is_normalized = !options.mean.is_empty();
    let text = told(
        &imported,
        is_normalized,
        accuracy.as_ref(),
        &mut document,
        text,
    );
    print(context.common.json, &document, &text)
}

/// Where dropout is put back; other flags of a network have no meaning for a whole file.
fn dropout(network: &NetworkArgs) -> anyhow::Result<String> {
    let text = network.dropout.clone().unwrap_or_default();
    if !text.is_empty() && !text.contains("before") {
        bail!(
            "--dropout must say where for an ONNX file, like \"p=0.5 before dense:2,dense:3\", \
             got {text:?}"
        );
    }
    if network.weights.is_some() || network.activations.is_some() {
        bail!("--weights and --activations do not go with an ONNX file, which has its own");
    }
    Ok(text)
}

/// Adds to a model's description what only the import knows.
fn told(
    imported: &Imported,
    is_normalized: bool,
    accuracy: Option<&Rate>,
    document: &mut serde_json::Value,
    mut text: String,
) -> String {
    let mut notes = imported.notes.clone();
    if accuracy.is_some_and(|rate| rate.high < PLAUSIBLE) {
        let hint = match imported.model.graph.input_shape()[0] {
            _ if is_normalized => "check --mean and --std",
            1 => "try --mean 0.1307 --std 0.3081 for MNIST",
            _ => "try --mean and --std with a number for each channel",
        };
        notes.push(format!("{IMPLAUSIBLE}: {hint}"));
    }
    let layers: Vec<_> = imported
        .layers
        .iter()
        .map(|layer| json!({ "number": layer.number, "node": layer.node }))
        .collect();
    document["imported"] = json!({
        "layers": layers,
        "notes": notes,
        "clean_accuracy": accuracy,
    });
    text.push_str("layers as --dropout names them, and the nodes they come from\n");
    for layer in &imported.layers {
        let _ = writeln!(text, "  {:20} {}", layer.number, layer.node);
    }
    for note in &notes {
        let _ = writeln!(text, "note: {note}");
    }
    if accuracy.is_some() {
        let _ = writeln!(text, "clean accuracy, noise off: {}", rate(accuracy));
    }
    text
}

//! `quaver train`.

use crate::Ending;
use crate::args::{NetworkArgs, Placement, Train};
use crate::context::{Context, check_output};
use crate::output::{print, tell};
use anyhow::{Context as _, bail};
use quaver::data::Split;
use quaver::spec::{Spec as Text, Value, find_name, split_list};
use quaver::training::{Config, Recipe, checkpoint_path, train};
use quaver_nn::arch::{DropoutPlacement, Spec, TOPOLOGIES, Topology};
use quaver_nn::format::safetensors;
use quaver_nn::quantizer::Quantization;
use std::path::Path;

/// The network that the flags describe, for images of `input`.
pub(crate) fn network_spec(
    args: &NetworkArgs,
    input: [usize; 3],
    n_classes: usize,
) -> anyhow::Result<Spec> {
    let names: Vec<&str> = TOPOLOGIES.iter().map(|topology| topology.name).collect();
    let topology: &Topology = &TOPOLOGIES[find_name("topology", &args.topology, &names)?];
    let mut precision = topology.precision()?;
    if let Some(text) = &args.weights {
        precision.weights = Some(quantization(text)?);
    }
    if let Some(text) = &args.activations {
        precision.activations = Some(quantization(text)?);
    }
    precision.first_and_last |= args.quantize_first_and_last;
    precision.batch_norm |= args.batch_norm;
    let arch = match &args.filters {
        Some(filters) => args
            .arch
            .parse::<Text>()?
            .with("filters", filters)?
            .to_string(),
        None => args.arch.clone(),
    };
    let spec = Spec {
        arch,
        precision,
        dropout: probability(args.dropout.as_deref())?.unwrap_or(topology.dropout),
        dropout_placement: match args.dropout_placement {
            Placement::Dense => DropoutPlacement::Dense,
            Placement::All => DropoutPlacement::All,
        },
        input: input.to_vec(),
        n_classes,
    };
    // Refused here, before anything is read or trained.
    spec.graph()?;
    Ok(spec)
}

/// A quantizer from a spec string such as `k-bit(bits=2)`.
fn quantization(text: &str) -> anyhow::Result<Quantization> {
    let spec: Text = text.parse()?;
    if let Some(bare) = &spec.bare {
        bail!("{text}: name the parameter of {bare}, as in k-bit(bits=2)");
    }
    // Numbers and truth values read the same in JSON; any other word is text.
    let json = |value: &Value| {
        let text = value.to_string();
        serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text))
    };
    let config = spec
        .params
        .iter()
        .map(|(key, value)| (key.clone(), json(value)))
        .collect();
    Ok(Quantization::from_config(&spec.name, config)?)
}

fn interrupted(checkpoint: &Path) -> String {
    if checkpoint.exists() {
        let name = checkpoint.display();
        format!(
            "interrupted: the finished epochs are in {name}; the same command goes on from there"
        )
    } else {
        "interrupted before the end of the first epoch: nothing is kept".into()
    }
}

pub(crate) fn run(context: &Context, args: &Train) -> anyhow::Result<Ending> {
    let augment = split_list(&args.augment).context("--augment: parentheses do not balance")?;
    let mut recipe = Recipe {
        network: network_spec(&args.network, [1, 28, 28], 10)?,
        topology: &args.network.topology,
        config: Config {
            epochs: args.epochs,
            batch_size: args.batch_size as usize,
            learning_rate: args.learning_rate,
            seed: context.common.seed,
            step: args.step.clone(),
            optimizer: args.optimizer.clone(),
            schedule: args.schedule.clone(),
            augment: augment.into_iter().map(str::to_owned).collect(),
        },
    };
    // Refused here, before anything is read.
    recipe.check()?;
    check_output(&args.out)?;
    let data = context.dataset(&args.data, Split::Train, args.train_images)?;
    recipe.network = network_spec(&args.network, data.image_shape(), data.n_classes())?;
    let checkpoint = checkpoint_path(&args.out);
    let trained = train(
        &recipe,
        &data,
        Some(&checkpoint),
        &context.engine,
        &context.progress,
    );
    let Some(model) = trained? else {
        tell(&interrupted(&checkpoint));
        return Ok(Ending::Interrupted);
    };
    safetensors::save(&args.out, &model, None)?;
    if checkpoint.exists() {
        std::fs::remove_file(&checkpoint)
            .with_context(|| format!("cannot remove {}", checkpoint.display()))?;
    }
    let document = serde_json::json!({
        "schema": 1,
        "model": args.out.display().to_string(),
        "seed": context.common.seed,
        "info": model.info,
        "parameters": model.n_params(),
    });
    let training = model.info.training.as_ref().context("no training record")?;
    let text = format!(
        "{}: {} {}, {} parameters, epochs {} of {} images, seed {}\n\
         last epoch, noise on: loss {:.4} nats, accuracy {:.2} %",
        args.out.display(),
        model.info.arch,
        model.info.topology,
        model.n_params(),
        training.epochs,
        training.n,
        training.seed,
        training.loss,
        100.0 * training.accuracy
    );
    print(context.common.json, &document, &text)?;
    Ok(Ending::Done)
}

/// A dropout probability; where dropout stands can be said of ONNX files alone.
fn probability(text: Option<&str>) -> anyhow::Result<Option<f64>> {
    let parse = |text: &str| {
        let number = text.trim().parse().ok();
        number.with_context(|| format!("--dropout must be a number in [0, 1) here, got {text:?}"))
    };
    text.map(parse).transpose()
}

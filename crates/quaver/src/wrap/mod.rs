//! Wrappers: a classifier around a classifier, such as an input transform, added noise, a
//! temperature, or a network whose activations are quantized.
//!
//! A wrapper is a file here and a line in [`REGISTRY`]; it is built from a spec string. A model
//! file keeps the specs of its wrappers, and [`open`] puts them around its network again. Each
//! plug-in is a small part of a classifier ([`Transform`], [`LogitMap`] or a changed model); what
//! makes a [`Classifier`] of it lies in [`input`] and [`logits`], once for all of them.

use std::sync::Arc;

use quaver_nn::engine::Engine;
use quaver_nn::graph::GraphError;
use quaver_nn::model::Model;
use quaver_nn::op::OpError;
use quaver_nn::quantizer::{Linear, Quantization, Quantizer, Surrogate};
use serde::{Deserialize, Serialize};

use crate::classifier::Classifier;
use crate::network::{Network, NoImageClassifier};
use crate::spec::{Allowed, Parameter, Spec, SpecError, Values, find_name};

pub mod input;
pub mod logits;

use input::{Transform, Transformed};
use logits::{LogitMap, Mapped};

plug_ins! {
    /// All wrappers.
    pub const REGISTRY: Entry = [bit_depth, gaussian_noise, temperature, quantized_activations, without_noise];
}

/// A wrapper as it is found by name.
pub struct Entry {
    /// Name in spec strings.
    pub id: &'static str,
    /// Name in texts.
    pub title: &'static str,
    /// Title and year of its paper.
    pub paper: &'static str,
    /// What its spec takes.
    pub parameters: &'static [Parameter],
    /// Builds it from their values.
    pub build: fn(&Values) -> Result<Wrapper, WrapError>,
}

/// Where a wrapper acts.
pub enum Wrapper {
    /// On images, before the classifier sees them.
    Input(Box<dyn Transform>, Backward),
    /// On logits.
    Logits(Box<dyn LogitMap>),
    /// On the network itself: another model of the same inputs and outputs.
    Model(Box<Rewrite>),
}

/// Makes another model of one.
pub type Rewrite = dyn Fn(&Model) -> Result<Model, WrapError> + Send + Sync;

/// How a gradient gets past a wrapper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backward {
    /// Through it: its own derivative, which is zero almost everywhere where it rounds.
    Through,
    /// Around it, as if it were the identity: backward pass differentiable approximation
    /// ("Obfuscated Gradients Give a False Sense of Security", 2018, section 4.1).
    Around,
}

/// The parameter of a wrapper whose own derivative is of no use to an attack.
pub const BACKWARD: Parameter = Parameter {
    name: "backward",
    default: "through",
    allowed: Allowed::OneOf(&["through", "around"]),
    about: "whether gradients take its own derivative, or that of the identity",
};

/// 2^bits levels, evenly from 0 to `max`, with the gradient that `backward` says.
fn levels(bits: u32, max: f64, backward: Backward) -> Result<Quantization, OpError> {
    let linear = Linear {
        step: max / f64::from((1_u32 << bits) - 1),
        min: 0.0,
        max,
        surrogate: match backward {
            Backward::Through => Surrogate::None,
            Backward::Around => Surrogate::Identity,
        },
    };
    Quantization::from_config(linear.name(), linear.config())
}

/// A model cannot be opened with its wrappers.
#[derive(Debug, thiserror::Error)]
pub enum WrapError {
    /// A spec names no wrapper, or one with other parameters.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A layer has settings out of range.
    #[error(transparent)]
    Op(#[from] OpError),
    /// The network cannot be changed so.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The network has nothing that the wrapper acts on.
    #[error("{wrapper}: the network has no {what}")]
    Nothing {
        /// Name of the wrapper.
        wrapper: &'static str,
        /// What it lacks.
        what: &'static str,
    },
    /// The network is no classifier of images.
    #[error(transparent)]
    Network(#[from] NoImageClassifier),
    /// A wrapper is no layer.
    #[error("{wrapper} cannot be written as layers of a network")]
    NoLayer {
        /// Its spec.
        wrapper: String,
    },
}

/// The wrapper of `spec`, and the spec with all parameters in force.
///
/// # Errors
/// [`WrapError::Spec`] naming what is unknown or out of range.
pub fn build(spec: &str) -> Result<(Spec, Wrapper), WrapError> {
    let spec: Spec = spec.parse()?;
    let names: Vec<&str> = REGISTRY.iter().map(|entry| entry.id).collect();
    let entry = REGISTRY[find_name("wrapper", &spec.name, &names)?];
    let values = spec.values(entry.parameters)?;
    Ok((values.spec().clone(), (entry.build)(&values)?))
}

/// Puts `spec` around `model`, outside of what is around it.
///
/// # Errors
/// [`WrapError`] where there is no such wrapper or it does not fit the network.
pub fn add(model: &mut Model, spec: &str) -> Result<(), WrapError> {
    let (spec, wrapper) = build(spec)?;
    if let Wrapper::Model(rewrite) = wrapper {
        rewrite(model)?;
    }
    model.info.wrappers.push(spec.to_string());
    Ok(())
}

/// Takes the wrappers off `model`, changed by those that act on it.
fn take(model: &mut Model) -> Result<Vec<(Spec, Wrapper)>, WrapError> {
    let mut wrappers = Vec::new();
    for spec in std::mem::take(&mut model.info.wrappers) {
        let (spec, wrapper) = build(&spec)?;
        if let Wrapper::Model(rewrite) = &wrapper {
            *model = rewrite(model)?;
        }
        wrappers.push((spec, wrapper));
    }
    Ok(wrappers)
}

/// The classifier that a model file describes: its network inside all of its wrappers.
///
/// # Errors
/// [`WrapError`] where a wrapper is unknown or does not fit, or the model is no classifier of
/// images.
pub fn open(mut model: Model, engine: Arc<Engine>) -> Result<Box<dyn Classifier>, WrapError> {
    let wrappers = take(&mut model)?;
    let mut classifier: Box<dyn Classifier> = Box::new(Network::new(Arc::new(model), engine)?);
    for (place, (spec, wrapper)) in wrappers.into_iter().enumerate() {
        classifier = match wrapper {
            Wrapper::Model(_) => classifier,
            Wrapper::Logits(map) => Box::new(Mapped::new(classifier, map, &spec)),
            Wrapper::Input(transform, backward) => {
                // Two wrappers of one name draw other numbers.
                let named = (&spec, place);
                Box::new(Transformed::new(classifier, transform, backward, named))
            }
        };
    }
    Ok(classifier)
}

/// The same classifier without wrappers: each has become layers of the network.
///
/// # Errors
/// [`WrapError::NoLayer`] of one that no layer can stand for.
pub fn as_layers(mut model: Model) -> Result<Model, WrapError> {
    for (place, (spec, wrapper)) in take(&mut model)?.into_iter().enumerate() {
        let name = format!("{}.{place}", spec.name);
        let no_layer = || WrapError::NoLayer {
            wrapper: spec.to_string(),
        };
        model = match wrapper {
            Wrapper::Model(_) => model,
            Wrapper::Logits(map) => model.ending_in(&name, map.op().ok_or_else(no_layer)?)?,
            Wrapper::Input(transform, _) => {
                model.behind(&name, transform.op().ok_or_else(no_layer)?)?
            }
        };
    }
    Ok(model)
}

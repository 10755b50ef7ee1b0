//! Architectures and topologies of the field as graphs: an architecture says which layers,
//! a topology in which precision.

mod builder;
mod cleverhans_cnn;
mod lenet;
mod mobilenet;
mod resnet;
mod topology;

pub use builder::{Builder, Convolution, Place};
pub use topology::{TOPOLOGIES, Topology};

use crate::graph::{Graph, GraphError};
use crate::op::{OpError, Shape};
use crate::quantizer::Quantization;
use crate::spec::{self, Parameter, SpecError, Values, find_name};
use serde::{Deserialize, Serialize};

/// Where dropout stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DropoutPlacement {
    /// After the activation of every hidden dense layer; before the last dense layer in a
    /// network that has no hidden one.
    #[default]
    Dense,
    /// After every activation as well.
    All,
}

/// In which precision the layers work. The default is full precision.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Precision {
    /// Quantizer of the hidden layers' weights.
    pub weights: Option<Quantization>,
    /// Quantizer of the activations; without one they are rectified.
    pub activations: Option<Quantization>,
    /// Whether the first convolution and the last dense layer are quantized too.
    pub first_and_last: bool,
    /// Batch normalization; quantized networks always have it.
    pub batch_norm: bool,
}

impl Precision {
    fn normalized(&self) -> bool {
        self.batch_norm || self.weights.is_some()
    }
}

/// A network to build.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Architecture with its parameters, such as `resnet(depth=14)`; one of [`ARCHITECTURES`].
    pub arch: String,
    /// Precision of its layers.
    pub precision: Precision,
    /// Probability of every dropout layer, in [0, 1).
    pub dropout: f64,
    /// Where dropout stands.
    #[serde(default)]
    pub dropout_placement: DropoutPlacement,
    /// `[channels, height, width]` of an image.
    pub input: Shape,
    /// Number of classes, at least 2.
    pub n_classes: usize,
}

/// Parameters, by name, that the shapes of trained weights tell.
pub type OfWeights = fn(&[&[usize]]) -> Vec<(&'static str, usize)>;

/// An architecture by name.
#[derive(Debug)]
pub struct Architecture {
    /// Name in flags and files.
    pub name: &'static str,
    /// What it is, in one line.
    pub title: &'static str,
    /// Where it comes from: title and year.
    pub paper: &'static str,
    /// What its spec takes.
    pub parameters: &'static [Parameter],
    /// Height and width that an image has at least.
    pub smallest: usize,
    /// Parameters as the shapes of trained weights tell them.
    pub of_weights: OfWeights,
    /// Adds its layers and returns the logits' value.
    pub build: fn(&mut Builder<'_>, &Values) -> Result<usize, NetworkError>,
}

/// Every architecture.
pub const ARCHITECTURES: &[Architecture] = &[
    lenet::LENET5,
    lenet::LENET_CAFFE,
    cleverhans_cnn::CLEVERHANS_CNN,
    cleverhans_cnn::CLEVERHANS_CNN_SCALED,
    resnet::RESNET,
    mobilenet::MOBILENET,
];

/// A network cannot be built.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NetworkError {
    /// The architecture or its parameters are unknown or out of range.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// Its layers do not fit.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

impl Architecture {
    /// The architecture that `text` names, with the values of its parameters.
    ///
    /// # Errors
    /// When there is none of the name, or its parameters are unknown or out of range.
    pub fn find(text: &str) -> Result<(&'static Self, Values), SpecError> {
        let spec: spec::Spec = text.parse()?;
        let names: Vec<&str> = ARCHITECTURES.iter().map(|arch| arch.name).collect();
        let arch = &ARCHITECTURES[find_name("architecture", &spec.name, &names)?];
        Ok((arch, spec.values(arch.parameters)?))
    }
}

impl Spec {
    /// The network as a graph.
    ///
    /// # Errors
    /// When the architecture is unknown, a setting is out of range, or the images are too small.
    pub fn graph(&self) -> Result<Graph, NetworkError> {
        let (arch, values) = Architecture::find(&self.arch)?;
        if !(0.0..1.0).contains(&self.dropout) {
            let (op, name, allowed) = ("network", "dropout", "in [0, 1)");
            let got = self.dropout.to_string();
            return Err(refused(OpError::Setting {
                op,
                name,
                got,
                allowed,
            }));
        }
        let shape = |got: String, allowed: String| {
            let op = "network";
            refused(OpError::Shape { op, got, allowed })
        };
        let [channels, height, width] = self.input[..] else {
            let allowed = "images of (channels, height, width)";
            return Err(shape(format!("{:?}", self.input), allowed.into()));
        };
        let smallest = arch.smallest;
        if height.min(width) < smallest || self.n_classes < 2 {
            return Err(shape(
                format!(
                    "({channels}, {height}, {width}) and {} classes",
                    self.n_classes
                ),
                format!("images of at least {smallest} by {smallest} and at least 2 classes"),
            ));
        }
        let mut builder = Builder::new(self)?;
        (arch.build)(&mut builder, &values)?;
        Ok(builder.graph())
    }
}

fn refused(error: OpError) -> NetworkError {
    GraphError::Network(error).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_architecture_builds_in_every_topology() {
        for arch in ARCHITECTURES {
            for topology in TOPOLOGIES {
                for dropout_placement in [DropoutPlacement::Dense, DropoutPlacement::All] {
                    for side in [arch.smallest, 28] {
                        let spec = Spec {
                            arch: arch.name.into(),
                            precision: topology.precision().unwrap(),
                            dropout: topology.dropout,
                            dropout_placement,
                            input: vec![1, side, side],
                            n_classes: 10,
                        };
                        let graph = spec.graph().unwrap();
                        let of = (arch.name, topology.name, side);
                        assert_eq!(graph.output_shape(), &vec![10], "{of:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn bad_parameters_are_refused() {
        for arch in ARCHITECTURES {
            for parameter in arch.parameters {
                for value in parameter.refused() {
                    let text = format!("{}({}={value})", arch.name, parameter.name);
                    assert!(Architecture::find(&text).is_err(), "{text}");
                }
            }
        }
        let error = Architecture::find("lenet5(filters=3)").unwrap_err();
        assert!(
            error.to_string().contains("no parameter \"filters\""),
            "{error}"
        );
    }
}

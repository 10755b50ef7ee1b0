//! Architectures and topologies of the field as graphs: an architecture says which layers,
//! a topology in which precision.

mod cleverhans_cnn;
mod lenet;

use crate::graph::{Graph, GraphError};
use crate::op::{BatchNorm, Conv2d, Dense, Dropout, Op, OpError, Quantize, Relu, Shape};
use crate::quantizer::Quantization;
use serde::{Deserialize, Serialize};
use serde_json::json;

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
    /// Name of the architecture, one of [`ARCHITECTURES`].
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
    /// Filters of the first convolution, 1 to 4096, where the architecture leaves them open
    /// (`cleverhans-cnn`, 64 unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filters: Option<usize>,
}

/// An architecture by name.
pub struct Architecture {
    /// Name in flags and files.
    pub name: &'static str,
    /// What it is, in one line.
    pub title: &'static str,
    ops: fn(&Builder<'_>) -> Vec<Box<dyn Op>>,
}

/// Every architecture.
pub const ARCHITECTURES: &[Architecture] = &[
    lenet::LENET5,
    lenet::LENET_CAFFE,
    cleverhans_cnn::CLEVERHANS_CNN,
    cleverhans_cnn::CLEVERHANS_CNN_SCALED,
];

impl Spec {
    /// The network as a graph.
    ///
    /// # Errors
    /// When the architecture is unknown, a setting is out of range, or the images are too small.
    pub fn graph(&self) -> Result<Graph, GraphError> {
        let wrong = GraphError::Network;
        let known = ARCHITECTURES.iter().find(|arch| arch.name == self.arch);
        let arch = known.ok_or_else(|| {
            wrong(OpError::Unknown {
                kind: "architecture",
                got: self.arch.clone(),
                allowed: ARCHITECTURES
                    .iter()
                    .map(|a| a.name)
                    .collect::<Vec<_>>()
                    .join(", "),
            })
        })?;
        if !(0.0..1.0).contains(&self.dropout) {
            let (op, name, allowed) = ("network", "dropout", "in [0, 1)");
            let got = self.dropout.to_string();
            return Err(wrong(OpError::Setting {
                op,
                name,
                got,
                allowed,
            }));
        }
        let open = self.arch.starts_with("cleverhans-cnn");
        if let Some(got) = self.filters.filter(|n| !open || !(1..=4096).contains(n)) {
            let allowed = if open {
                "1 to 4096"
            } else {
                "left out: the architecture fixes them"
            };
            let (op, name, got) = ("network", "filters", got.to_string());
            return Err(wrong(OpError::Setting {
                op,
                name,
                got,
                allowed,
            }));
        }
        let [channels, height, width] = self.input[..] else {
            let got = format!("{:?}", self.input);
            let allowed = "images of (channels, height, width)".into();
            return Err(wrong(OpError::Shape {
                op: "network",
                got,
                allowed,
            }));
        };
        if height.min(width) < 20 || self.n_classes < 2 {
            let got = format!(
                "({channels}, {height}, {width}) and {} classes",
                self.n_classes
            );
            let allowed = "images of at least 20 by 20 and at least 2 classes".into();
            return Err(wrong(OpError::Shape {
                op: "network",
                got,
                allowed,
            }));
        }
        Graph::sequential(self.input.clone(), (arch.ops)(&Builder { spec: self }))
    }
}

/// What the architectures are written with.
struct Builder<'a> {
    spec: &'a Spec,
}

impl Builder<'_> {
    /// The weights' quantizer of a hidden layer, or of the first or last one.
    fn quantizer(&self, outer: bool) -> Option<Quantization> {
        let precision = &self.spec.precision;
        precision
            .weights
            .clone()
            .filter(|_| !outer || precision.first_and_last)
    }

    fn conv(&self, conv: [usize; 3], stride: usize, padding: usize, outer: bool) -> Box<dyn Op> {
        let [in_channels, out_channels, side] = conv;
        Box::new(Conv2d {
            in_channels,
            out_channels,
            kernel: [side, side],
            stride,
            padding,
            bias: !self.spec.precision.normalized(),
            quantizer: self.quantizer(outer),
        })
    }

    fn dense(&self, in_features: usize, out_features: usize, last: bool) -> Box<dyn Op> {
        let bias = last || !self.spec.precision.normalized();
        Box::new(Dense {
            in_features,
            out_features,
            bias,
            quantizer: self.quantizer(last),
        })
    }

    /// Batch normalization, where there is one, and the activation.
    fn activate(&self, channels: usize, into: &mut Vec<Box<dyn Op>>) {
        let precision = &self.spec.precision;
        if precision.normalized() {
            into.push(Box::new(BatchNorm::new(channels, true)));
        }
        into.push(match &precision.activations {
            Some(quantizer) => Box::new(Quantize {
                quantizer: quantizer.clone(),
            }),
            None => Box::new(Relu::default()),
        });
        if self.spec.dropout_placement == DropoutPlacement::All {
            into.push(self.dropout());
        }
    }

    fn dropout(&self) -> Box<dyn Op> {
        Box::new(Dropout {
            p: self.spec.dropout,
        })
    }
}

/// A topology by name: a precision with its usual dropout.
pub struct Topology {
    /// Name in flags and files.
    pub name: &'static str,
    /// What it is, in one line.
    pub title: &'static str,
    /// Dropout in the paper.
    pub dropout: f64,
    weights: Option<(&'static str, u32)>,
    sign_activations: bool,
    batch_norm: bool,
}

impl Topology {
    const fn new(name: &'static str, title: &'static str, dropout: f64) -> Self {
        Self {
            name,
            title,
            dropout,
            weights: None,
            sign_activations: false,
            batch_norm: false,
        }
    }

    const fn quantized(self, quantizer: &'static str, bits: u32) -> Self {
        Self {
            weights: Some((quantizer, bits)),
            batch_norm: true,
            ..self
        }
    }

    const fn with_sign_activations(self) -> Self {
        Self {
            sign_activations: true,
            ..self
        }
    }

    /// The topology called `name`.
    pub fn find(name: &str) -> Option<&'static Self> {
        TOPOLOGIES.iter().find(|topology| topology.name == name)
    }

    /// Its precision.
    ///
    /// # Errors
    /// Never for the entries of [`TOPOLOGIES`], which a test builds.
    pub fn precision(&self) -> Result<Precision, OpError> {
        let weights = self.weights.map(|(name, bits)| {
            let config = if bits > 1 {
                json!({ "bits": bits })
            } else {
                json!({})
            };
            Quantization::from_config(name, config)
        });
        let sign = self
            .sign_activations
            .then(|| Quantization::from_config("sign", json!({})));
        Ok(Precision {
            weights: weights.transpose()?,
            activations: sign.transpose()?,
            first_and_last: false,
            batch_norm: self.batch_norm,
        })
    }
}

/// The paper's topologies, and the two controls that share batch norm but not the bits.
pub const TOPOLOGIES: &[Topology] = &[
    Topology::new(
        "rand-bnn",
        "stochastic sign weights, sign activations",
        0.05,
    )
    .quantized("stochastic-sign", 1)
    .with_sign_activations(),
    Topology::new("bnn", "sign weights and activations", 0.5)
        .quantized("sign", 1)
        .with_sign_activations(),
    Topology::new("quantized-2bit", "2-bit weights", 0.5).quantized("k-bit", 2),
    Topology::new("quantized-3bit", "3-bit weights", 0.5).quantized("k-bit", 3),
    Topology::new("quantized-4bit", "4-bit weights", 0.5).quantized("k-bit", 4),
    Topology::new("full-precision", "float weights", 0.5),
    Topology {
        batch_norm: true,
        ..Topology::new(
            "full-precision-bn",
            "float weights with batch norm (control)",
            0.5,
        )
    },
    Topology::new(
        "bnn-weights",
        "sign weights, rectified activations (control)",
        0.5,
    )
    .quantized("sign", 1),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_architecture_builds_in_every_topology() {
        for arch in ARCHITECTURES {
            for topology in TOPOLOGIES {
                for dropout_placement in [DropoutPlacement::Dense, DropoutPlacement::All] {
                    let spec = Spec {
                        filters: None,
                        arch: arch.name.into(),
                        precision: topology.precision().unwrap(),
                        dropout: topology.dropout,
                        dropout_placement,
                        input: vec![1, 28, 28],
                        n_classes: 10,
                    };
                    let graph = spec.graph().unwrap();
                    assert_eq!(
                        graph.output_shape(),
                        &vec![10],
                        "{} {}",
                        arch.name,
                        topology.name
                    );
                }
            }
        }
    }

    #[test]
    fn the_convolutions_of_caffe_are_linear_in_full_precision() {
        let ops = |topology: &str| {
            let spec = Spec {
                filters: None,
                arch: "lenet-caffe".into(),
                precision: Topology::find(topology).unwrap().precision().unwrap(),
                dropout: 0.5,
                dropout_placement: DropoutPlacement::Dense,
                input: vec![1, 28, 28],
                n_classes: 10,
            };
            let graph = spec.graph().unwrap();
            let names = graph.nodes().iter().map(|node| node.op.name());
            names.take(5).collect::<Vec<_>>()
        };
        let plain = ["conv2d", "max_pool2d", "conv2d", "max_pool2d", "flatten"];
        assert_eq!(ops("full-precision"), plain);
        let quantized = ["conv2d", "max_pool2d", "batch_norm", "quantize", "conv2d"];
        assert_eq!(ops("bnn"), quantized);
    }

    #[test]
    fn names_do_not_shift_at_no_dropout() {
        let names = |dropout| {
            let spec = Spec {
                filters: None,
                arch: "lenet5".into(),
                precision: Precision::default(),
                dropout,
                dropout_placement: DropoutPlacement::Dense,
                input: vec![1, 28, 28],
                n_classes: 10,
            };
            let graph = spec.graph().unwrap();
            graph
                .nodes()
                .iter()
                .map(|node| (node.name.clone(), node.op.name()))
                .collect::<Vec<_>>()
        };
        assert_eq!(names(0.0), names(0.5));
        assert_eq!(names(0.5)[13], ("13".into(), "dense"));
    }
}

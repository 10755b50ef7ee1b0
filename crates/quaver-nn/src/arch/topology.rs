//! Topologies: in which precision the layers of an architecture work.

use super::Precision;
use crate::op::OpError;
use crate::quantizer::Quantization;
use serde_json::json;

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

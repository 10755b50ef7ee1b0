//! ONNX files out.

mod layers;
mod writer;

use super::array::kind;
use super::error::OnnxError;
use super::message::{
    Dimension, GraphMessage, ModelFile, OperatorSet, ShapeMessage, TensorType, TypeMessage,
    ValueInfo,
};
use crate::atomic_file;
use crate::model::Model;
use crate::op::BatchNorm;
use prost::Message;
use std::path::Path;
use writer::{Writer, Written};

/// Version of the operators that are written.
const OPSET: i64 = 17;
const INPUT: &str = "image";
const OUTPUT: &str = "logits";

/// Writes `model` as an ONNX file of opset 17.
///
/// Input `image` and output `logits` have a free batch axis. Quantizers become the operators that
/// compute them from latent weights; a stochastic one its likelier value, noise being off.
/// Dropout layers are kept, which other programs skip.
///
/// # Errors
/// When a layer has no counterpart in ONNX or the file cannot be written.
pub fn export(path: &Path, model: &Model) -> Result<(), OnnxError> {
    let bytes = to_bytes(model)?;
    atomic_file::write(path, &bytes).map_err(|source| OnnxError::Io {
        path: path.display().to_string(),
        source,
    })
}

/// The bytes of [`export`].
///
/// # Errors
/// When a layer has no counterpart in ONNX.
pub fn to_bytes(model: &Model) -> Result<Vec<u8>, OnnxError> {
    let nodes = model.graph.nodes();
    let name = |value: usize| match value {
        0 => INPUT.to_string(),
        v if v == nodes.len() => OUTPUT.to_string(),
        v => format!("{}.out", nodes[v - 1].name),
    };
    let mut writer = Writer::default();
    for (i, node) in nodes.iter().enumerate() {
        let layer = Written {
            name: &node.name,
            op: &*node.op,
            inputs: node.inputs.iter().map(|&v| name(v)).collect(),
            output: name(i + 1),
            rank: model.graph.shape(i + 1).len(),
        };
        let params = model.graph.params().swap_remove(i);
        let fixed = layer.is::<BatchNorm>().is_some_and(|op| !op.scale);
        for (spec, values) in params.iter().zip(&model.params[i]) {
            match fixed && spec.name == "weight" {
                true => writer.constant(&layer.part(spec.name), &spec.shape, values),
                false => writer.floats(&layer.part(spec.name), &spec.shape, values),
            };
        }
        writer.layer(&layer)?;
    }
    let file = ModelFile {
        ir_version: 8,
        producer_name: "quaver".into(),
        graph: Some(GraphMessage {
            node: writer.nodes,
            name: "network".into(),
            initializer: writer.constants,
            input: vec![info(INPUT, model.graph.input_shape())],
            output: vec![info(OUTPUT, model.graph.output_shape())],
        }),
        opset_import: vec![OperatorSet {
            domain: String::new(),
            version: OPSET,
        }],
    };
    Ok(file.encode_to_vec())
}

/// A value of examples of `shape`, of any number.
fn info(name: &str, shape: &[usize]) -> ValueInfo {
    let batch = Dimension {
        value: None,
        name: Some("n".into()),
    };
    let fixed = shape.iter().map(|&d| Dimension {
        value: Some(d as i64),
        name: None,
    });
    let dim = std::iter::once(batch).chain(fixed).collect();
    let tensor = TensorType {
        elem_type: kind::FLOAT,
        shape: Some(ShapeMessage { dim }),
    };
    ValueInfo {
        name: name.into(),
        kind: Some(TypeMessage {
            tensor: Some(tensor),
        }),
    }
}

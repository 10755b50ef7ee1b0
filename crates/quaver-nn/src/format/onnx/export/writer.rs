//! [`Writer`]: nodes and constants of an ONNX graph, as they are written.

use super::super::array::kind;
use super::super::message::{Attribute, NodeMessage, TensorMessage};
use crate::op::Op;
use prost::bytes::Bytes;

/// A layer with the names of its values.
pub(super) struct Written<'a> {
    pub(super) name: &'a str,
    pub(super) op: &'a dyn Op,
    pub(super) inputs: Vec<String>,
    pub(super) output: String,
    /// Axes of its output, the batch not counted.
    pub(super) rank: usize,
}

impl Written<'_> {
    /// Its op, if it is a `T`.
    pub(super) fn is<T: 'static>(&self) -> Option<&T> {
        self.op.as_any().downcast_ref()
    }

    /// Name of something of it.
    pub(super) fn part(&self, name: &str) -> String {
        format!("{}.{name}", self.name)
    }
}

/// What is written of a graph so far.
#[derive(Default)]
pub(super) struct Writer {
    pub(super) nodes: Vec<NodeMessage>,
    pub(super) constants: Vec<TensorMessage>,
}

pub(super) fn ints(name: &str, values: impl AsRef<[usize]>) -> Attribute {
    Attribute {
        name: name.into(),
        ints: values.as_ref().iter().map(|&v| v as i64).collect(),
        kind: Attribute::INTS,
        ..Attribute::default()
    }
}

pub(super) fn int(name: &str, value: i64) -> Attribute {
    Attribute {
        name: name.into(),
        i: value,
        kind: Attribute::INT,
        ..Attribute::default()
    }
}

pub(super) fn float(name: &str, value: f64) -> Attribute {
    Attribute {
        name: name.into(),
        f: value as f32,
        kind: Attribute::FLOAT,
        ..Attribute::default()
    }
}

fn tensor(name: &str, shape: &[usize], values: &[f32]) -> TensorMessage {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    TensorMessage {
        dims: shape.iter().map(|&d| d as i64).collect(),
        data_type: kind::FLOAT,
        name: name.into(),
        raw_data: Bytes::from(bytes),
        ..TensorMessage::default()
    }
}

impl Writer {
    pub(super) fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        self.constants.push(tensor(name, shape, values));
        name.into()
    }

    /// Numbers that are no parameter.
    pub(super) fn constant(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        let value = Attribute {
            name: "value".into(),
            t: Some(Box::new(tensor(name, shape, values))),
            kind: Attribute::TENSOR,
            ..Attribute::default()
        };
        self.node("Constant", &[], name, vec![value]);
        name.into()
    }

    pub(super) fn integers(&mut self, name: String, values: &[usize]) -> String {
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|&v| (v as i64).to_le_bytes())
            .collect();
        self.constants.push(TensorMessage {
            dims: vec![values.len() as i64],
            data_type: kind::INT64,
            name: name.clone(),
            raw_data: Bytes::from(bytes),
            ..TensorMessage::default()
        });
        name
    }

    pub(super) fn number(&mut self, name: &str, value: f64) -> String {
        self.floats(name, &[], &[value as f32])
    }

    pub(super) fn node(
        &mut self,
        op: &str,
        inputs: &[String],
        output: &str,
        attribute: Vec<Attribute>,
    ) {
        self.nodes.push(NodeMessage {
            input: inputs.to_vec(),
            output: vec![output.into()],
            name: format!("{output}/{op}"),
            op_type: op.into(),
            attribute,
            domain: String::new(),
        });
    }
}

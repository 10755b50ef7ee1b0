//! ONNX files out.

use super::array::kind;
use super::error::OnnxError;
use super::message::{
    Attribute, Dimension, GraphMessage, ModelFile, NodeMessage, OperatorSet, ShapeMessage,
    TensorMessage, TensorType, TypeMessage, ValueInfo,
};
use crate::atomic_file;
use crate::model::Model;
use crate::op::{
    AveragePool2d, BatchNorm, Conv2d, Dense, Dropout, Function, GroupedConv2d, MaxPool2d, Op,
    Pointwise, Quantize, Rearrange, Relu, WindowMax2d, ZeroPad2d,
};
use crate::quantizer::Quantization;
use prost::Message;
use prost::bytes::Bytes;
use serde_json::Value;
use std::path::Path;

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
    let info = |name: &str, shape: &[usize]| {
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
    };
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

/// A layer with the names of its values.
struct Written<'a> {
    name: &'a str,
    op: &'a dyn Op,
    inputs: Vec<String>,
    output: String,
    rank: usize,
}

impl Written<'_> {
    fn is<T: 'static>(&self) -> Option<&T> {
        self.op.as_any().downcast_ref()
    }

    fn part(&self, name: &str) -> String {
        format!("{}.{name}", self.name)
    }
}

#[derive(Default)]
struct Writer {
    nodes: Vec<NodeMessage>,
    constants: Vec<TensorMessage>,
}

fn ints(name: &str, values: impl AsRef<[usize]>) -> Attribute {
    Attribute {
        name: name.into(),
        ints: values.as_ref().iter().map(|&v| v as i64).collect(),
        kind: Attribute::INTS,
        ..Attribute::default()
    }
}

fn int(name: &str, value: i64) -> Attribute {
    Attribute {
        name: name.into(),
        i: value,
        kind: Attribute::INT,
        ..Attribute::default()
    }
}

fn float(name: &str, value: f64) -> Attribute {
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
    fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        self.constants.push(tensor(name, shape, values));
        name.into()
    }

    /// Numbers that are no parameter.
    fn constant(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        let value = Attribute {
            name: "value".into(),
            t: Some(Box::new(tensor(name, shape, values))),
            kind: Attribute::TENSOR,
            ..Attribute::default()
        };
        self.node("Constant", &[], name, vec![value]);
        name.into()
    }

    fn integers(&mut self, name: String, values: &[usize]) -> String {
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

    fn number(&mut self, name: &str, value: f64) -> String {
        self.floats(name, &[], &[value as f32])
    }

    fn node(&mut self, op: &str, inputs: &[String], output: &str, attribute: Vec<Attribute>) {
        self.nodes.push(NodeMessage {
            input: inputs.to_vec(),
            output: vec![output.into()],
            name: format!("{output}/{op}"),
            op_type: op.into(),
            attribute,
            domain: String::new(),
        });
    }

    fn layer(&mut self, layer: &Written<'_>) -> Result<(), OnnxError> {
        let (inputs, output) = (&layer.inputs, &layer.output);
        if let Some(op) = layer.is::<Conv2d>() {
            let weights = self.weights(layer, op.quantizer.as_ref(), op.bias)?;
            let attributes = vec![
                ints("kernel_shape", op.kernel),
                ints("strides", [op.stride; 2]),
                ints("pads", [op.padding; 4]),
            ];
            self.node("Conv", &weights, output, attributes);
        } else if let Some(op) = layer.is::<GroupedConv2d>() {
            let weights = self.weights(layer, op.quantizer.as_ref(), op.bias)?;
            let attributes = vec![
                ints("kernel_shape", op.kernel),
                ints("strides", op.stride),
                ints("dilations", op.dilation),
                int("group", op.groups as i64),
            ];
            self.node("Conv", &weights, output, attributes);
        } else if let Some(op) = layer.is::<Dense>() {
            let weights = self.weights(layer, op.quantizer.as_ref(), op.bias)?;
            self.node("Gemm", &weights, output, vec![int("transB", 1)]);
        } else if let Some(op) = layer.is::<BatchNorm>() {
            let parts = ["weight", "bias", "running_mean", "running_var"];
            let parts = parts.map(|part| layer.part(part));
            let all = [&inputs[..], &parts[..]].concat();
            let attributes = vec![
                float("epsilon", op.eps),
                float("momentum", 1.0 - op.momentum),
            ];
            self.node("BatchNormalization", &all, output, attributes);
        } else if let Some(op) = layer.is::<Quantize>() {
            self.quantizer(layer, &op.quantizer, &inputs[0], output)?;
        } else if let Some(op) = layer.is::<Relu>() {
            self.relu(layer, op);
        } else if let Some(op) = layer.is::<Dropout>() {
            let ratio = self.number(&layer.part("ratio"), op.p);
            self.node("Dropout", &[inputs[0].clone(), ratio], output, Vec::new());
        } else if let Some(op) = layer.is::<Pointwise>() {
            self.pointwise(layer, op.function);
        } else {
            return self.moved(layer);
        }
        Ok(())
    }

    /// Pooling, and what only moves or sums elements.
    fn moved(&mut self, layer: &Written<'_>) -> Result<(), OnnxError> {
        let (inputs, output) = (&layer.inputs, &layer.output);
        if let Some(op) = layer.is::<MaxPool2d>() {
            let sizes = vec![
                ints("kernel_shape", [op.kernel; 2]),
                ints("strides", [op.stride; 2]),
            ];
            self.node("MaxPool", inputs, output, sizes);
        } else if let Some(op) = layer.is::<WindowMax2d>() {
            let [left, right, top, bottom] = op.padding;
            let attributes = vec![
                ints("kernel_shape", op.kernel),
                ints("strides", op.stride),
                ints("dilations", op.dilation),
                ints("pads", [top, left, bottom, right]),
            ];
            self.node("MaxPool", inputs, output, attributes);
        } else if let Some(op) = layer.is::<AveragePool2d>() {
            let [left, right, top, bottom] = op.padding;
            let attributes = vec![
                ints("kernel_shape", op.kernel),
                ints("strides", op.stride),
                ints("pads", [top, left, bottom, right]),
                int("count_include_pad", i64::from(op.count_padding)),
            ];
            self.node("AveragePool", inputs, output, attributes);
        } else if let Some(op) = layer.is::<ZeroPad2d>() {
            let [left, right, top, bottom] = op.padding;
            let pads = [0, 0, top, left, 0, 0, bottom, right];
            let pads = self.integers(layer.part("pads"), &pads);
            self.node("Pad", &[inputs[0].clone(), pads], output, Vec::new());
        } else if let Some(op) = layer.is::<Rearrange>() {
            self.rearranged(layer, op);
        } else if let Some(op) = layer.is::<crate::op::Affine>() {
            let mut shape = vec![1; layer.rank];
            let mut constant = |name: &str, values: &[f64]| {
                shape[0] = values.len();
                let values: Vec<f32> = values.iter().map(|v| *v as f32).collect();
                self.floats(&layer.part(name), &shape, &values)
            };
            let (scale, shift) = (constant("scale", &op.scale), constant("shift", &op.shift));
            let scaled = layer.part("scaled");
            self.node("Mul", &[inputs[0].clone(), scale], &scaled, Vec::new());
            self.node("Add", &[scaled, shift], output, Vec::new());
        } else {
            match layer.op.name() {
                "flatten" => self.node("Flatten", inputs, output, vec![int("axis", 1)]),
                "add" => self.node("Add", inputs, output, Vec::new()),
                "concat" => self.node("Concat", inputs, output, vec![int("axis", 1)]),
                other => {
                    return Err(OnnxError::Node {
                        node: layer.name.into(),
                        operator: other.into(),
                        reason: "it has no counterpart in ONNX".into(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Inputs of a layer with weights, quantized where they are.
    fn weights(
        &mut self,
        layer: &Written<'_>,
        quantizer: Option<&Quantization>,
        has_bias: bool,
    ) -> Result<Vec<String>, OnnxError> {
        let latent = layer.part("weight");
        let weight = match quantizer {
            None => latent,
            Some(quantizer) => {
                let grid = layer.part("weight.grid");
                self.quantizer(layer, quantizer, &latent, &grid)?;
                grid
            }
        };
        let bias = has_bias.then(|| layer.part("bias"));
        Ok([layer.inputs[0].clone(), weight]
            .into_iter()
            .chain(bias)
            .collect())
    }

    /// The operators that compute a quantizer.
    fn quantizer(
        &mut self,
        layer: &Written<'_>,
        quantizer: &Quantization,
        from: &str,
        to: &str,
    ) -> Result<(), OnnxError> {
        let config = quantizer.get().config();
        let number = |key: &str| config.get(key).and_then(Value::as_f64).unwrap_or(1.0);
        let part = |name: &str| format!("{}.{name}", layer.name);
        match quantizer.get().name() {
            "sign" | "stochastic-sign" => {
                let zero = self.number(&part("zero"), 0.0);
                let (one, other) = (
                    self.number(&part("one"), 1.0),
                    self.number(&part("other"), -1.0),
                );
                let is_high = part("is_high");
                self.node("GreaterOrEqual", &[from.into(), zero], &is_high, Vec::new());
                self.node("Where", &[is_high, one, other], to, Vec::new());
            }
            name @ ("k-bit" | "linear") => {
                let (step, low, high) = match name {
                    "k-bit" => (2.0_f64.powf(1.0 - number("bits")), -1.0, 1.0),
                    _ => (number("step"), number("min"), number("max")),
                };
                let (step, low) = (
                    self.number(&part("step"), step),
                    self.number(&part("low"), low),
                );
                let high = self.number(&part("high"), high);
                let [level, rounded, scaled] = ["level", "rounded", "scaled"].map(part);
                self.node("Div", &[from.into(), step.clone()], &level, Vec::new());
                self.node("Round", &[level], &rounded, Vec::new());
                self.node("Mul", &[rounded, step], &scaled, Vec::new());
                self.node("Clip", &[scaled, low, high], to, Vec::new());
            }
            other => {
                return Err(OnnxError::Node {
                    node: layer.name.into(),
                    operator: other.into(),
                    reason: "this quantizer has no counterpart in ONNX".into(),
                });
            }
        }
        Ok(())
    }

    /// The input's axes, these in another order, and their elements as the shape asked for.
    fn rearranged(&mut self, layer: &Written<'_>, op: &Rearrange) {
        let mut order: Vec<usize> = (0..op.axes.len()).collect();
        order.sort_by_key(|&i| std::cmp::Reverse(op.axes[i][1]));
        let mut perm = vec![0; order.len() + 1];
        // 0 keeps the batch, in a shape and as the first axis.
        let (mut split, mut shape) = (vec![0], vec![0]);
        for (place, &i) in order.iter().enumerate() {
            split.push(op.axes[i][0]);
            perm[i + 1] = place + 1;
        }
        shape.extend(&op.shape);
        let [axes, walked] = ["axes", "walked"].map(|part| layer.part(part));
        let split = self.integers(layer.part("split"), &split);
        let shape = self.integers(layer.part("shape"), &shape);
        let perm = ints("perm", perm);
        self.node(
            "Reshape",
            &[layer.inputs[0].clone(), split],
            &axes,
            Vec::new(),
        );
        self.node("Transpose", &[axes], &walked, vec![perm]);
        self.node("Reshape", &[walked, shape], &layer.output, Vec::new());
    }

    fn relu(&mut self, layer: &Written<'_>, op: &Relu) {
        if op.scale.is_none() {
            return self.node("Relu", &layer.inputs, &layer.output, Vec::new());
        }
        let plain = layer.part("plain");
        self.node("Relu", &layer.inputs, &plain, Vec::new());
        let scaled = [plain, layer.part("scale")];
        self.node("Mul", &scaled, &layer.output, Vec::new());
    }

    fn pointwise(&mut self, layer: &Written<'_>, function: Function) {
        let (inputs, output) = (&layer.inputs, &layer.output);
        match function {
            Function::LeakyRelu { slope } => {
                self.node("LeakyRelu", inputs, output, vec![float("alpha", slope)]);
            }
            Function::Sigmoid => self.node("Sigmoid", inputs, output, Vec::new()),
            Function::Tanh => self.node("Tanh", inputs, output, Vec::new()),
            Function::Clip { min, max } => {
                let low = self.number(&layer.part("min"), min);
                let high = self.number(&layer.part("max"), max);
                self.node("Clip", &[inputs[0].clone(), low, high], output, Vec::new());
            }
        }
    }
}

//! One ONNX file for every operator that the import knows.

use crate::message::{
    Attribute, Dimension, GraphMessage, ModelFile, NodeMessage, OperatorSet, ShapeMessage,
    TensorMessage, TensorType, TypeMessage, ValueInfo,
};
use prost::Message;

/// A node: operator, inputs and settings. Its output is `y`.
type Line = (&'static str, &'static [&'static str], &'static [Setting]);

/// A setting of an operator.
#[derive(Clone, Copy)]
enum Setting {
    Float(&'static str, f32),
    Int(&'static str, i64),
    Ints(&'static str, &'static [i64]),
    Text(&'static str, &'static str),
}
use Setting::{Float, Int, Ints, Text};

/// Nodes over `x` of (1, 2, 4, 4) and the constants of [`constants`].
const LINES: &[Line] = &[
    ("Abs", &["v"], &[]),
    ("Add", &["x", "v"], &[]),
    (
        "AveragePool",
        &["x"],
        &[
            Ints("kernel_shape", &[2, 2]),
            Int("count_include_pad", 1),
            Ints("pads", &[1, 0, 0, 1]),
        ],
    ),
    (
        "BatchNormalization",
        &["x", "v", "v", "v", "v"],
        &[Float("epsilon", 1e-5)],
    ),
    ("Cast", &["x"], &[Int("to", 1)]),
    ("Clip", &["x", "low", "one"], &[]),
    ("Concat", &["x", "x"], &[Int("axis", 1)]),
    ("ConstantOfShape", &["shape"], &[]),
    (
        "Conv",
        &["x", "k", "v"],
        &[
            Ints("strides", &[2, 1]),
            Ints("dilations", &[1, 2]),
            Ints("pads", &[1, 2, 1, 2]),
            Int("group", 1),
            Text("auto_pad", "NOTSET"),
        ],
    ),
    ("Conv", &["x", "k"], &[Text("auto_pad", "SAME_UPPER")]),
    ("DequantizeLinear", &["bytes", "one", "zero"], &[]),
    ("Div", &["x", "one"], &[]),
    ("Dropout", &["x", "low"], &[]),
    ("Equal", &["x", "one"], &[]),
    ("Flatten", &["x"], &[Int("axis", 1)]),
    ("Floor", &["x"], &[]),
    ("Gather", &["shape", "axes"], &[Int("axis", 0)]),
    (
        "Gemm",
        &["f", "m", "w"],
        &[Float("alpha", 0.5), Float("beta", 2.0), Int("transB", 0)],
    ),
    ("GlobalAveragePool", &["x"], &[]),
    ("GlobalMaxPool", &["x"], &[]),
    ("Greater", &["x", "one"], &[]),
    ("GreaterOrEqual", &["x", "low"], &[]),
    ("Identity", &["x"], &[]),
    ("LeakyRelu", &["x"], &[Float("alpha", 0.1)]),
    ("Less", &["x", "one"], &[]),
    ("LogSoftmax", &["f"], &[Int("axis", 1)]),
    ("MatMul", &["f", "m"], &[]),
    ("Max", &["v", "one"], &[]),
    (
        "MaxPool",
        &["x"],
        &[
            Ints("kernel_shape", &[3, 2]),
            Ints("strides", &[1, 2]),
            Int("ceil_mode", 1),
        ],
    ),
    ("Min", &["v", "one"], &[]),
    ("Mul", &["x", "v"], &[]),
    ("Neg", &["v"], &[]),
    ("Pad", &["x", "pads", "zero"], &[Text("mode", "constant")]),
    ("Pow", &["v", "one"], &[]),
    ("QuantizeLinear", &["x", "one", "zero"], &[Int("axis", 1)]),
    ("Reciprocal", &["v"], &[]),
    (
        "ReduceMean",
        &["x"],
        &[Ints("axes", &[2, 3]), Int("keepdims", 0)],
    ),
    ("Relu", &["x"], &[]),
    ("Reshape", &["x", "shape"], &[Int("allowzero", 0)]),
    ("Round", &["x"], &[]),
    ("Shape", &["x"], &[Int("start", 1), Int("end", 3)]),
    ("Sigmoid", &["x"], &[]),
    ("Sign", &["x"], &[]),
    ("Slice", &["shape", "axes", "axes"], &[]),
    ("Softmax", &["f"], &[Int("axis", -1)]),
    ("Sqrt", &["one"], &[]),
    ("Squeeze", &["v", "axes"], &[]),
    ("Sub", &["x", "one"], &[]),
    ("Tanh", &["x"], &[]),
    ("Transpose", &["x"], &[Ints("perm", &[0, 2, 3, 1])]),
    ("Unsqueeze", &["f", "axes"], &[]),
    ("Where", &["c", "one", "low"], &[]),
];

/// Every line in a file of its own, its result flat and put through a dense layer.
pub fn files() -> impl Iterator<Item = (String, Vec<u8>)> {
    LINES.iter().enumerate().map(|(i, line)| {
        let (op, inputs, settings) = *line;
        let mut nodes = vec![
            node("Flatten", &["x"], "f", &[Int("axis", 1)]),
            node("GreaterOrEqual", &["x", "zero"], "c", &[]),
            node(op, inputs, "y", settings),
            node("Flatten", &["y"], "flat", &[Int("axis", 1)]),
        ];
        nodes.retain(|node| node.output != ["f"] || inputs.contains(&"f"));
        nodes.retain(|node| node.output != ["c"] || inputs.contains(&"c"));
        let graph = GraphMessage {
            node: nodes,
            initializer: constants(),
            input: vec![value("x", &[1, 2, 4, 4])],
            output: vec![value("flat", &[])],
            ..GraphMessage::default()
        };
        let operators = OperatorSet {
            domain: String::new(),
            version: 17,
        };
        let file = ModelFile {
            ir_version: 8,
            graph: Some(graph),
            opset_import: vec![operators],
            ..ModelFile::default()
        };
        (format!("{i}-{op}"), file.encode_to_vec())
    })
}

fn node(op: &str, inputs: &[&str], output: &str, settings: &[Setting]) -> NodeMessage {
    NodeMessage {
        input: inputs.iter().map(|&name| name.into()).collect(),
        output: vec![output.into()],
        name: output.into(),
        op_type: op.into(),
        attribute: settings.iter().map(|&setting| attribute(setting)).collect(),
        domain: String::new(),
    }
}

fn attribute(setting: Setting) -> Attribute {
    let (name, of) = match setting {
        Float(name, f) => (
            name,
            Attribute {
                f,
                kind: Attribute::FLOAT,
                ..Attribute::default()
            },
        ),
        Int(name, i) => (
            name,
            Attribute {
                i,
                kind: Attribute::INT,
                ..Attribute::default()
            },
        ),
        Ints(name, ints) => {
            let (ints, kind) = (ints.to_vec(), Attribute::INTS);
            (
                name,
                Attribute {
                    ints,
                    kind,
                    ..Attribute::default()
                },
            )
        }
        Text(name, s) => {
            let (s, kind) = (s.as_bytes().into(), Attribute::STRING);
            (
                name,
                Attribute {
                    s,
                    kind,
                    ..Attribute::default()
                },
            )
        }
    };
    Attribute {
        name: name.into(),
        ..of
    }
}

fn value(name: &str, dims: &[i64]) -> ValueInfo {
    let dim = dims.iter().enumerate().map(|(axis, &size)| Dimension {
        value: (axis > 0).then_some(size),
        name: None,
    });
    let shape = Some(ShapeMessage { dim: dim.collect() });
    let tensor = Some(TensorType {
        elem_type: 1,
        shape,
    });
    ValueInfo {
        name: name.into(),
        kind: Some(TypeMessage { tensor }),
    }
}

fn constants() -> Vec<TensorMessage> {
    let floats = |name: &str, dims: &[i64], values: &[f32]| TensorMessage {
        name: name.into(),
        dims: dims.to_vec(),
        data_type: 1,
        float_data: values.to_vec(),
        ..TensorMessage::default()
    };
    let ints = |name: &str, values: &[i64]| TensorMessage {
        name: name.into(),
        dims: vec![values.len() as i64],
        data_type: 7,
        int64_data: values.to_vec(),
        ..TensorMessage::default()
    };
    let bytes = TensorMessage {
        name: "bytes".into(),
        dims: vec![2],
        data_type: 3,
        raw_data: vec![1, 255].into(),
        ..TensorMessage::default()
    };
    vec![
        floats("zero", &[], &[0.0]),
        floats("one", &[], &[1.0]),
        floats("low", &[], &[-0.5]),
        floats("v", &[2, 1, 1], &[0.5, 2.0]),
        floats("w", &[2], &[0.5, 1.0]),
        floats(
            "k",
            &[1, 2, 2, 2],
            &[1.0, -1.0, 1.0, 1.0, -1.0, 1.0, 1.0, -1.0],
        ),
        floats("m", &[32, 2], &[0.5; 64]),
        ints("shape", &[0, -1, 4]),
        ints("axes", &[1]),
        ints("pads", &[0, 0, 1, 0, 0, 0, 0, 1]),
        bytes,
    ]
}

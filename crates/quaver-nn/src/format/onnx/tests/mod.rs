//! Graphs written by hand.

mod forms;

use super::array::kind;
use super::message::{
    Attribute, Dimension, GraphMessage, ModelFile, NodeMessage, OperatorSet, ShapeMessage,
    TensorMessage, TensorType, TypeMessage, ValueInfo,
};
use super::{Imported, OnnxError, Options, read};
use crate::engine::Engine;
use crate::network::Network;
use crate::noise::Noise;
use crate::{Batch, Pixels};
use prost::Message;
use std::sync::Arc;

/// An ONNX graph over `x` in the making, its last node's output being the network's.
struct File(GraphMessage);

impl File {
    fn new(shape: &[i64]) -> Self {
        let dim = shape.iter().map(|&d| Dimension {
            value: (d > 0).then_some(d),
            name: None,
        });
        let shape = Some(ShapeMessage { dim: dim.collect() });
        let elem_type = kind::FLOAT;
        let tensor = Some(TensorType { elem_type, shape });
        let input = ValueInfo {
            name: "x".into(),
            kind: Some(TypeMessage { tensor }),
        };
        Self(GraphMessage {
            input: vec![input],
            ..GraphMessage::default()
        })
    }

    fn floats(mut self, name: &str, dims: &[i64], values: &[f32]) -> Self {
        self.0.initializer.push(TensorMessage {
            dims: dims.to_vec(),
            data_type: kind::FLOAT,
            float_data: values.to_vec(),
            name: name.into(),
            ..TensorMessage::default()
        });
        self
    }

    fn ints(mut self, name: &str, values: &[i64]) -> Self {
        self.0.initializer.push(TensorMessage {
            dims: vec![values.len() as i64],
            data_type: kind::INT64,
            int64_data: values.to_vec(),
            name: name.into(),
            ..TensorMessage::default()
        });
        self
    }

    /// Adds `output = op(inputs)`, attributes being lists of integers.
    fn node(
        mut self,
        op: &str,
        inputs: &[&str],
        output: &str,
        settings: &[(&str, &[i64])],
    ) -> Self {
        let attribute = settings.iter().map(|(name, ints)| Attribute {
            name: (*name).into(),
            ints: ints.to_vec(),
            i: ints[0],
            kind: 0,
            ..Attribute::default()
        });
        self.0.node.push(NodeMessage {
            input: inputs.iter().map(|&i| i.into()).collect(),
            output: vec![output.into()],
            name: format!("the {output}"),
            op_type: op.into(),
            attribute: attribute.collect(),
            domain: String::new(),
        });
        self
    }

    fn read(mut self) -> Result<Imported, OnnxError> {
        let last = self.0.node.last().unwrap().output[0].clone();
        self.0.output.push(ValueInfo {
            name: last,
            kind: None,
        });
        let file = ModelFile {
            graph: Some(self.0),
            opset_import: vec![OperatorSet {
                domain: String::new(),
                version: 17,
            }],
            ..ModelFile::default()
        };
        read(file.encode_to_vec(), &Options::default())
    }

    fn ops(self) -> Vec<(&'static str, serde_json::Value)> {
        let model = self.read().unwrap().model;
        let nodes = model.graph.nodes().iter();
        nodes.map(|n| (n.op.name(), n.op.config())).collect()
    }
}

fn outputs(imported: &Imported, x: &[f32]) -> Vec<f32> {
    let engine = Arc::new(Engine::new(1, None).unwrap());
    let network = Network::new(Arc::new(imported.model.clone()), engine);
    let batch = Batch {
        pixels: Pixels::F32(x),
        rows: None,
        ids: &[0],
    };
    network.logits(&batch, Noise::Off)
}

#[test]
fn forms_of_a_sign_are_one_quantizer() {
    let base = || {
        File::new(&[0, 4])
            .floats("zero", &[], &[0.0])
            .floats("one", &[], &[1.0])
            .floats("two", &[], &[2.0])
            .floats("minus", &[], &[-1.0])
    };
    let forms = [
        base().node("Sign", &["x"], "y", &[]),
        base()
            .node("GreaterOrEqual", &["x", "zero"], "c", &[])
            .node("Where", &["c", "one", "minus"], "y", &[]),
        base().node("Less", &["x", "zero"], "c", &[]).node(
            "Where",
            &["c", "minus", "one"],
            "y",
            &[],
        ),
        base()
            .node("GreaterOrEqual", &["x", "zero"], "c", &[])
            .node("Cast", &["c"], "f", &[("to", &[1])])
            .node("Mul", &["f", "two"], "d", &[])
            .node("Sub", &["d", "one"], "y", &[]),
    ];
    for form in forms {
        let ops = form.ops();
        assert_eq!(ops.len(), 1);
        assert_eq!(ops[0].1["quantizer"]["name"], "sign");
    }
}

#[test]
fn fake_quantization_of_activations_is_one_quantizer() {
    let base = || {
        File::new(&[0, 4])
            .floats("two", &[], &[2.0])
            .floats("half", &[], &[0.5])
            .floats("low", &[], &[-1.0])
            .floats("high", &[], &[1.0])
    };
    let rounded = base()
        .node("Mul", &["x", "two"], "m", &[])
        .node("Round", &["m"], "r", &[])
        .node("Div", &["r", "two"], "d", &[])
        .node("Clip", &["d", "low", "high"], "y", &[]);
    let quantizer = &rounded.ops()[0].1["quantizer"];
    assert_eq!(
        (&quantizer["name"], &quantizer["bits"]),
        (&"k-bit".into(), &2.into())
    );
    let linear = base()
        .node("QuantizeLinear", &["x", "half"], "q", &[])
        .node("DequantizeLinear", &["q", "half"], "y", &[]);
    let ops = linear.ops();
    assert_eq!(ops.len(), 1);
    let quantizer = &ops[0].1["quantizer"];
    assert_eq!(quantizer["name"], "linear");
    assert_eq!(
        (&quantizer["step"], &quantizer["max"]),
        (&0.5.into(), &127.5.into())
    );
}

#[test]
fn channels_last_images_give_the_same_numbers() {
    // As tf2onnx writes a Keras network: (batch, 5, 2, 2) with channels last.
    let x: Vec<f32> = (0..20).map(|i| i as f32).collect();
    let weights: Vec<f32> = (0..40).map(|i| (i as f32).sin()).collect();
    let imported = File::new(&[0, 5, 2, 2])
        .floats("kernel", &[2, 2, 1, 1], &[1.0, 0.5, -2.0, 0.25])
        .floats("weights", &[20, 2], &weights)
        .floats("bias", &[2], &[0.5, -1.0])
        .ints("flat", &[-1, 20])
        .node("Transpose", &["x"], "first", &[("perm", &[0, 3, 1, 2])])
        .node("Conv", &["first", "kernel"], "conv", &[])
        .node("Transpose", &["conv"], "last", &[("perm", &[0, 2, 3, 1])])
        .node("Reshape", &["last", "flat"], "vector", &[])
        .node("MatMul", &["vector", "weights"], "product", &[])
        .node("Add", &["product", "bias"], "sum", &[])
        .node("Softmax", &["sum"], "probs", &[])
        .read()
        .unwrap();
    let names: Vec<_> = imported
        .model
        .graph
        .nodes()
        .iter()
        .map(|n| n.op.name())
        .collect();
    assert_eq!(names, ["conv2d", "flatten", "dense"]);
    assert_eq!(imported.notes.len(), 2, "{:?}", imported.notes);
    // Images here are channels first: two planes of 5 by 2, of which `x` has pixels interleaved.
    let planes: Vec<f32> = [0, 1]
        .iter()
        .flat_map(|c| x.iter().skip(*c).step_by(2))
        .copied()
        .collect();
    let mut expected = vec![0.5, -1.0];
    for pixel in 0..10 {
        let (a, b) = (x[2 * pixel], x[2 * pixel + 1]);
        for (c, value) in [a + 0.5 * b, -2.0 * a + 0.25 * b].into_iter().enumerate() {
            for (o, e) in expected.iter_mut().enumerate() {
                *e += value * weights[(2 * pixel + c) * 2 + o];
            }
        }
    }
    for (got, e) in outputs(&imported, &planes).iter().zip(expected) {
        assert!((got - e).abs() < 1e-3, "{got} not {e}");
    }
}

#[test]
fn uneven_padding_is_a_layer_of_its_own() {
    let imported = File::new(&[0, 1, 4, 4])
        .floats("kernel", &[1, 1, 2, 2], &[1.0, 2.0, 3.0, 4.0])
        .node(
            "Conv",
            &["x", "kernel"],
            "c",
            &[("pads", &[0, 0, 1, 1]), ("strides", &[2, 2])],
        )
        .node("Flatten", &["c"], "y", &[("axis", &[1])])
        .read()
        .unwrap();
    let names: Vec<_> = imported
        .model
        .graph
        .nodes()
        .iter()
        .map(|n| n.op.name())
        .collect();
    assert_eq!(names, ["zero_pad2d", "conv2d", "flatten"]);
    let x: Vec<f32> = (0..16).map(|i| i as f32).collect();
    // The first window: 0 + 2·1 + 3·4 + 4·5.
    assert_eq!(outputs(&imported, &x)[0], 34.0);
}

#[test]
fn channels_convolved_alone_keep_their_groups() {
    let imported = File::new(&[0, 2, 3, 3])
        .floats(
            "kernel",
            &[2, 1, 2, 2],
            &[1.0, 0.0, 0.0, 2.5, 0.5, 0.0, 0.0, -1.5],
        )
        .node(
            "Conv",
            &["x", "kernel"],
            "c",
            &[("group", &[2]), ("dilations", &[2, 2])],
        )
        .node("Flatten", &["c"], "y", &[("axis", &[1])])
        .read()
        .unwrap();
    assert_eq!(imported.layers[0].number, "grouped_conv2d:1");
    let x: Vec<f32> = (0..18).map(|i| i as f32).collect();
    // Corners of each plane: 0 + 2.5·8 and 0.5·9 − 1.5·17.
    assert_eq!(outputs(&imported, &x), [20.0, -21.0]);
}

#[test]
fn what_cannot_be_expressed_is_refused_by_name() {
    let said = |file: File| file.read().unwrap_err().to_string();
    let error = said(File::new(&[0, 4]).node("Einsum", &["x"], "y", &[]));
    assert!(
        error.starts_with("node \"the y\" (Einsum): there is no such layer"),
        "{error}"
    );
    let error = said(File::new(&[0, 4]).node("Mul", &["x", "x"], "y", &[]));
    assert_eq!(
        error,
        "node \"the y\" (Mul): of two activations only sum and difference are built here"
    );
    let error = said(File::new(&[0, 4]).node("Relu", &["z"], "y", &[]));
    assert_eq!(
        error,
        "node \"the y\" (Relu): it reads \"z\", which nothing writes"
    );
    let error = said(File::new(&[0, 4]).node("Softmax", &["x"], "p", &[]).node(
        "Relu",
        &["p"],
        "y",
        &[],
    ));
    assert!(
        error.contains("only the network's output may be one"),
        "{error}"
    );
    let error = said(File::new(&[0, 4]).ints("shape", &[2, -1]).node(
        "Reshape",
        &["x", "shape"],
        "y",
        &[],
    ));
    assert!(
        error.contains("a reshape that moves the batch axis"),
        "{error}"
    );
    let error = said(File::new(&[0, 4, 4, 4, 4]).node("Relu", &["x"], "y", &[]));
    assert!(error.starts_with("input must be float numbers"), "{error}");
    let error = said(
        File::new(&[0, 2])
            .floats("w", &[2, 2], &[f32::NAN; 4])
            .node("MatMul", &["x", "w"], "y", &[]),
    );
    assert_eq!(
        error,
        "tensor \"w\": value 0 is NaN, expected a finite number"
    );
}

#[test]
fn constants_do_not_grow_beyond_the_file() {
    let error = File::new(&[0, 4])
        .ints("shape", &[100_000, 100_000])
        .node("ConstantOfShape", &["shape"], "c", &[])
        .node("Add", &["x", "c"], "y", &[])
        .read()
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("takes more memory than the file explains"),
        "{error}"
    );
}

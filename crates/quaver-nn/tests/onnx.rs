//! ONNX files: what is written comes back, and broken files are refused in words.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use quaver_nn::arch::{ARCHITECTURES, Spec, TOPOLOGIES, Topology};
use quaver_nn::engine::Engine;
use quaver_nn::format::onnx::{Options, export, read, to_bytes};
use quaver_nn::graph::Graph;
use quaver_nn::model::{Info, Model};
use quaver_nn::network::Network;
use quaver_nn::noise::Noise;
use quaver_nn::op::{
    Add, Affine, AveragePool2d, Concat, Conv2d, Dense, Dropout, Flatten, Function, Op, Pointwise,
    ZeroPad2d,
};
use quaver_nn::{Batch, Pixels};
use std::process::Command;
use std::sync::{Arc, OnceLock};

/// Pixels of three images.
fn pixels(model: &Model) -> Vec<f32> {
    let size: usize = model.graph.input_shape().iter().product();
    let pixel = |i| (i * 37 % 101) as f32 / 101.0;
    (0..3 * size).map(pixel).collect()
}

fn outputs(model: &Model) -> Vec<f32> {
    let pixels = pixels(model);
    let batch = Batch {
        pixels: Pixels::F32(&pixels),
        rows: None,
        ids: &[0, 1, 2],
    };
    let engine = Arc::new(Engine::new(1, None).unwrap());
    let network = Network::new(Arc::new(model.clone()), engine);
    network.outputs(&batch, Noise::Off, None).unwrap()
}

fn back(model: &Model) -> Model {
    let bytes = to_bytes(model).unwrap();
    read(bytes, &Options::default()).unwrap().model
}

#[test]
fn every_network_comes_back() {
    for arch in ARCHITECTURES {
        for topology in TOPOLOGIES {
            let spec = Spec {
                filters: None,
                arch: arch.name.into(),
                precision: topology.precision().unwrap(),
                dropout: topology.dropout,
                dropout_placement: Default::default(),
                input: vec![1, 28, 28],
                n_classes: 10,
            };
            let model = Model::new(spec.graph().unwrap(), Info::default(), 3);
            let again = back(&model);
            let what = format!("{} {}", arch.name, topology.name);
            assert_eq!(outputs(&again), outputs(&model), "{what}");
            // A scaled rectifier is two layers in ONNX, stochastic weights are signs, and a
            // normalization always has a scale.
            let text = model.graph.to_json().to_string();
            let others = ["scale\":0.05", "scale\":false", "stochastic"];
            if !others.iter().any(|other| text.contains(other)) {
                assert_eq!(again.graph.to_json(), model.graph.to_json(), "{what}");
                assert_eq!(again.params, model.params, "{what}");
            }
        }
    }
}

/// A graph of the layers that no architecture here has. `(2, 8, 7)` to 5 outputs.
fn branches() -> Graph {
    let mut graph = Graph::new(vec![2, 8, 7]).unwrap();
    let mut push = |name: &str, op: Box<dyn Op>, inputs: &[usize]| {
        graph.push(name.into(), op, inputs.to_vec()).unwrap()
    };
    let point = |function| Box::new(Pointwise { function });
    let normalized = Affine::normalization(&[0.25, 0.5], &[0.5, 2.0]);
    let x = push("0", Box::new(normalized), &[0]);
    let conv = Conv2d {
        in_channels: 2,
        out_channels: 3,
        kernel: [3, 3],
        stride: 1,
        padding: 1,
        bias: true,
        quantizer: None,
    };
    let conv = push("1", Box::new(conv), &[x]);
    let slope = 0.125;
    let leaky = push("2", point(Function::LeakyRelu { slope }), &[conv]);
    let tanh = push("3", point(Function::Tanh), &[conv]);
    let sum = push("4", Box::new(Add {}), &[leaky, tanh]);
    let sigmoid = push("5", point(Function::Sigmoid), &[conv]);
    let joined = push("6", Box::new(Concat {}), &[sum, sigmoid]);
    let (min, max) = (-0.5, 0.75);
    let clipped = push("7", point(Function::Clip { min, max }), &[joined]);
    let padding = [1, 0, 2, 1];
    let padded = push("8", Box::new(ZeroPad2d { padding }), &[clipped]);
    let pool = AveragePool2d {
        kernel: [3, 2],
        stride: [2, 3],
        padding: [1, 0, 1, 2],
        count_padding: false,
    };
    let pooled = push("9", Box::new(pool), &[padded]);
    let flat = push("10", Box::new(Flatten {}), &[pooled]);
    let drop = push("11", Box::new(Dropout { p: 0.25 }), &[flat]);
    let dense = Dense {
        in_features: 108,
        out_features: 5,
        bias: true,
        quantizer: None,
    };
    push("12", Box::new(dense), &[drop]);
    graph
}

#[test]
fn other_layers_come_back() {
    let model = Model::new(branches(), Info::default(), 3);
    let again = back(&model);
    assert_eq!(outputs(&again), outputs(&model));
    let ops = |model: &Model| -> Vec<_> {
        let nodes = model.graph.nodes().iter();
        nodes
            .map(|node| (node.op.name(), node.inputs.clone()))
            .collect()
    };
    let (mut got, expected) = (ops(&again), ops(&model));
    // A scale and a shift are two operators.
    assert_eq!(got.remove(0).0, "affine");
    let plain: Vec<_> = got.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        plain,
        expected.iter().map(|(name, _)| *name).collect::<Vec<_>>()
    );
}

#[test]
fn pixels_are_normalized_and_dropout_is_put_back() {
    let model = Model::new(branches(), Info::default(), 3);
    let bytes = to_bytes(&model).unwrap();
    let options = Options {
        dropout: "p=0.5 before dense:1; p=0.1 before flatten:1".into(),
        mean: vec![0.5],
        std: vec![0.25],
        ..Options::default()
    };
    let imported = read(bytes.clone(), &options).unwrap();
    let names: Vec<_> = imported.layers.iter().map(|l| l.number.as_str()).collect();
    assert_eq!(names[..2], ["affine:1", "affine:2"]);
    assert_eq!(
        names[names.len() - 5..],
        [
            "dropout:1",
            "flatten:1",
            "dropout:2",
            "dropout:3",
            "dense:1"
        ]
    );
    assert_eq!(imported.model.info.dropout, 0.5);
    let first = &imported.model.graph.nodes()[0].op.config();
    assert_eq!(
        *first,
        serde_json::json!({ "scale": [4.0], "shift": [-2.0] })
    );
    for (change, said) in [
        (
            Options {
                dropout: "p=0.5".into(),
                ..Options::default()
            },
            "must read like",
        ),
        (
            Options {
                dropout: "p=1 before dense:1".into(),
                ..Options::default()
            },
            "p must be in [0, 1), got 1",
        ),
        (
            Options {
                dropout: "p=0.5 before dense:2".into(),
                ..Options::default()
            },
            "no layer \"dense:2\", there are affine:1",
        ),
        (
            Options {
                mean: vec![0.0; 3],
                std: vec![1.0; 3],
                ..Options::default()
            },
            "3 means and 3 deviations, allowed are one or 2",
        ),
        (
            Options {
                mean: vec![0.0],
                std: vec![0.0],
                ..Options::default()
            },
            "std: must be 1e-6 to 1e6",
        ),
        (
            Options {
                mean: vec![f64::NAN],
                std: vec![1.0],
                ..Options::default()
            },
            "mean: must be finite",
        ),
    ] {
        let error = read(bytes.clone(), &change).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

/// Runs a network, its input shape as arguments, on pixels and prints the logits.
const SCRIPT: &str = "
import sys, numpy, onnxruntime
x = numpy.fromfile(sys.argv[2], numpy.float32).reshape([3] + [int(d) for d in sys.argv[3:]])
y = onnxruntime.InferenceSession(sys.argv[1]).run(None, {'image': x})[0]
print(*[float(v) for v in y.ravel()])
";

/// Python with onnxruntime: the one that PYTHON names, or python3.
fn python() -> Option<String> {
    let python = std::env::var("PYTHON").unwrap_or("python3".into());
    let args = ["-c", "import numpy, onnxruntime"];
    let found = Command::new(&python).args(args).output();
    found
        .is_ok_and(|found| found.status.success())
        .then_some(python)
}

/// A network of each kind that is trained here, and the other layers.
fn exported() -> Vec<Model> {
    let graph = |arch: &str, topology: &str| {
        let precision = Topology::find(topology).unwrap().precision().unwrap();
        let spec = Spec {
            filters: None,
            arch: arch.into(),
            precision,
            dropout: 0.5,
            dropout_placement: Default::default(),
            input: vec![1, 28, 28],
            n_classes: 10,
        };
        spec.graph().unwrap()
    };
    let graphs = [
        graph("lenet5", "full-precision"),
        graph("lenet5", "quantized-2bit"),
        graph("lenet5", "bnn"),
        graph("lenet-caffe", "rand-bnn"),
        graph("cleverhans-cnn-scaled", "full-precision-bn"),
        branches(),
    ];
    graphs
        .map(|graph| Model::new(graph, Info::default(), 3))
        .into()
}

#[test]
fn onnxruntime_computes_the_same() {
    let Some(python) = python() else {
        println!("onnxruntime: skipped, no Python with it (set PYTHON)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let [net, x] = ["net.onnx", "x"].map(|name| folder.path().join(name));
    for model in exported() {
        export(&net, &model).unwrap();
        let bytes: Vec<u8> = pixels(&model)
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        std::fs::write(&x, bytes).unwrap();
        let shape = model.graph.input_shape().iter().map(usize::to_string);
        let mut run = Command::new(&python);
        let run = run.args(["-c", SCRIPT]).args([&net, &x]).args(shape);
        let said = run.output().unwrap();
        let text = String::from_utf8_lossy(&said.stdout);
        let got: Vec<f32> = text
            .split_whitespace()
            .map(|v| v.parse().unwrap())
            .collect();
        let expected = outputs(&model);
        let said = String::from_utf8_lossy(&said.stderr);
        assert_eq!(got.len(), expected.len(), "{said}");
        let largest = expected.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        for (got, e) in got.iter().zip(&expected) {
            assert!((got - e).abs() <= 1e-4 * largest, "{got} not {e}");
        }
    }
    println!("onnxruntime: ran");
}

/// A small file with every kind of message in it.
fn seed() -> &'static [u8] {
    static SEED: OnceLock<Vec<u8>> = OnceLock::new();
    SEED.get_or_init(|| to_bytes(&Model::new(branches(), Info::default(), 3)).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn changed_bytes_are_read_or_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = seed().to_vec();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _ = read(bytes, &Options::default());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(bytes, &Options::default());
    }
}

#[test]
fn structure_that_explodes_is_refused() {
    // A graph of empty nodes: two bytes each in the file, hundreds in memory.
    let nodes = [0x0a, 0x00].repeat(1 << 20);
    let mut bytes = vec![0x3a, 0x80, 0x80, 0x80, 0x01];
    bytes.extend(nodes);
    let error = read(bytes, &Options::default()).unwrap_err().to_string();
    assert!(error.starts_with("decoded structure takes"), "{error}");
    let error = read(seed()[..seed().len() / 2].to_vec(), &Options::default());
    assert_eq!(
        error.unwrap_err().to_string(),
        "no ONNX file: the file is cut short"
    );
}

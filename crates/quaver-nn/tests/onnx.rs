//! ONNX files: what is written comes back, and broken files are refused in words.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use quaver_nn::arch::{ARCHITECTURES, Spec, TOPOLOGIES};
use quaver_nn::engine::Engine;
use quaver_nn::format::onnx::{Options, export, import, read, to_bytes};
use quaver_nn::graph::Graph;
use quaver_nn::model::{Info, Model};
use quaver_nn::network::Network;
use quaver_nn::noise::Noise;
use quaver_nn::op::{
    Add, Affine, AveragePool2d, Concat, Conv2d, Dense, Dropout, Flatten, Function, Op, Pointwise,
    Rearrange, WindowMax2d, ZeroPad2d,
};
use quaver_nn::{Batch, Pixels};
use std::io::Write as _;
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
    network.logits(&batch, Noise::Off)
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
            // A scaled rectifier is two layers in ONNX, and stochastic weights are signs.
            let text = model.graph.to_json().to_string();
            let others = ["scale\":0.05", "stochastic"];
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
    let normalized = Affine::normalization(&[0.25, 0.5], &[0.5, 2.0], 2).unwrap();
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
    let maxima = WindowMax2d {
        kernel: [2, 3],
        stride: [1, 2],
        dilation: [2, 1],
        padding: [1, 0, 1, 1],
    };
    let pooled = push("10", Box::new(maxima), &[pooled]);
    let flat = push("11", Box::new(Flatten {}), &[pooled]);
    let drop = push("12", Box::new(Dropout { p: 0.25 }), &[flat]);
    let dense = Dense {
        in_features: 36,
        out_features: 5,
        bias: true,
        quantizer: None,
    };
    push("13", Box::new(dense), &[drop]);
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

/// Features as an image with channels last, and its columns as features. `(6)` to 3 outputs.
fn rearranged() -> Graph {
    let dense = |in_features, out_features| Dense {
        in_features,
        out_features,
        bias: true,
        quantizer: None,
    };
    let pool = AveragePool2d {
        kernel: [2, 1],
        stride: [1, 1],
        padding: [0; 4],
        count_padding: false,
    };
    let ops: Vec<Box<dyn Op>> = vec![
        Box::new(dense(6, 12)),
        Box::new(Rearrange {
            axes: vec![[2, 1], [2, 6], [3, 2]],
            shape: vec![2, 2, 3],
        }),
        Box::new(pool),
        Box::new(Flatten {}),
        Box::new(dense(6, 3)),
    ];
    Graph::sequential(vec![6], ops).unwrap()
}

#[test]
fn other_orders_come_back() {
    let model = Model::new(rearranged(), Info::default(), 3);
    let again = back(&model);
    assert_eq!(again.graph.to_json(), model.graph.to_json());
    assert_eq!(outputs(&again), outputs(&model));
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
            "std must be 1e-6 to 1e6",
        ),
        (
            Options {
                mean: vec![f64::NAN],
                std: vec![1.0],
                ..Options::default()
            },
            "mean must be finite",
        ),
    ] {
        let error = read(bytes.clone(), &change).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

/// Runs every network of a folder, N.onnx, on the pixels in N.x and writes its logits to N.y.
const SCRIPT: &str = "
import sys, pathlib, numpy, onnxruntime
for net in pathlib.Path(sys.argv[1]).glob('*.onnx'):
    session = onnxruntime.InferenceSession(net)
    x = numpy.fromfile(net.with_suffix('.x'), numpy.float32)
    x = x.reshape([3] + session.get_inputs()[0].shape[1:])
    session.run(None, {'image': x})[0].tofile(net.with_suffix('.y'))
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

/// Every network that is trained here, and the other layers.
fn exported() -> Vec<(String, Model)> {
    let pairs = ARCHITECTURES
        .iter()
        .flat_map(|arch| TOPOLOGIES.iter().map(move |topology| (arch, topology)));
    let trained = pairs.map(|(arch, topology)| {
        let spec = Spec {
            arch: arch.name.into(),
            precision: topology.precision().unwrap(),
            dropout: topology.dropout,
            dropout_placement: Default::default(),
            input: vec![1, 28, 28],
            n_classes: 10,
        };
        let name = format!("{}-{}", arch.name, topology.name);
        (name, spec.graph().unwrap())
    });
    let others = [("branches", branches()), ("rearranged", rearranged())];
    let all = trained.chain(others.map(|(name, graph)| (name.into(), graph)));
    let model = |graph| Model::new(graph, Info::default(), 3);
    all.map(|(name, graph)| (name, model(graph))).collect()
}

#[test]
fn onnxruntime_computes_the_same() {
    let models = exported();
    let Some(python) = python() else {
        // To the terminal itself: the output of a passing test is hidden.
        let n = models.len();
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: {n} exported networks were not run by onnxruntime, which no Python here has \
             (PYTHON names one)"
        );
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, end: &str| folder.path().join(format!("{name}.{end}"));
    for (name, model) in &models {
        export(&file(name, "onnx"), model).unwrap();
        let bytes = pixels(model).into_iter().flat_map(f32::to_le_bytes);
        std::fs::write(file(name, "x"), bytes.collect::<Vec<u8>>()).unwrap();
    }
    let mut run = Command::new(python);
    let said = run
        .args(["-c", SCRIPT])
        .arg(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&said.stderr);
    for (name, model) in &models {
        let got = std::fs::read(file(name, "y")).unwrap_or_default();
        let got = got
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let expected = outputs(model);
        assert_eq!(got.len(), expected.len(), "{name}: {said}");
        let largest = expected.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        for (got, e) in got.zip(&expected) {
            assert!((got - e).abs() <= 1e-4 * largest, "{name}: {got} not {e}");
        }
    }
    println!("onnxruntime: ran {} networks", models.len());
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
    // A small file whose network has a class for each pixel of a large image.
    let graph = Graph::sequential(vec![1, 300, 300], vec![Box::new(Flatten {})]).unwrap();
    let large = to_bytes(&Model::new(graph, Info::default(), 0)).unwrap();
    let error = read(large, &Options::default()).unwrap_err().to_string();
    assert!(
        error.starts_with("the network's output takes 90000"),
        "{error}"
    );
}

#[test]
fn numbers_may_lie_in_a_file_beside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.onnx");
    // A graph whose one constant is `beside` the file: field 13 and 14 of its tensor.
    let entry = |key: &str, value: &str| {
        let text = |tag: u8, s: &str| [&[tag, s.len() as u8], s.as_bytes()].concat();
        let both = [text(0x0a, key), text(0x12, value)].concat();
        [&[0x6a, both.len() as u8][..], &both].concat()
    };
    let bytes = |location: &str, offset: &str| {
        let parts = [entry("location", location), entry("offset", offset)].concat();
        let tensor = [
            &[0x08, 2, 0x08, 2, 0x10, 1, 0x42, 1, b'w'][..],
            &parts,
            &[0x70, 1],
        ]
        .concat();
        let dim = |d: &[u8]| [&[0x0a, d.len() as u8][..], d].concat();
        let shape = [dim(&[]), dim(&[0x08, 2])].concat();
        let shape = [&[0x12, shape.len() as u8][..], &shape].concat();
        let shape = [&[0x08, 1], &shape[..]].concat();
        let kind = [&[0x0a, shape.len() as u8][..], &shape].concat();
        let kind = [&[0x0a, 1, b'x', 0x12, kind.len() as u8][..], &kind].concat();
        let node = [
            &[0x0a, 1, b'x', 0x0a, 1, b'w', 0x12, 1, b'y', 0x22, 6][..],
            b"MatMul",
        ]
        .concat();
        let field = |tag: u8, of: &[u8]| [&[tag, of.len() as u8][..], of].concat();
        let output = [0x0a, 1, b'y'];
        let graph = [
            field(0x0a, &node),
            field(0x2a, &tensor),
            field(0x5a, &kind),
            field(0x62, &output),
        ]
        .concat();
        [
            &[
                0x3a,
                0x80 | (graph.len() & 127) as u8,
                (graph.len() >> 7) as u8,
            ][..],
            &graph,
            &[0x42, 2, 0x10, 17],
        ]
        .concat()
    };
    let numbers: Vec<u8> = [9.0_f32, 1.0, 2.0, 3.0, 4.0]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    std::fs::write(folder.path().join("net.data"), numbers).unwrap();
    let read = |location: &str, offset: &str| {
        std::fs::write(&path, bytes(location, offset)).unwrap();
        import(&path, &Options::default())
    };
    let imported = read("net.data", "4").unwrap().model;
    // Turned, as dense layers here are (out, in).
    assert_eq!(imported.params[0][0], [1.0, 3.0, 2.0, 4.0]);
    for (location, offset, said) in [
        ("net.data", "12", "shape [2, 2], but 2 numbers"),
        ("net.data", "99", "which has 20"),
        ("../net.data", "4", "only files in the model's own folder"),
        ("other", "0", "its numbers lie in"),
    ] {
        let error = read(location, offset).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

//! Binary layers on bits give the bits that they give on floats.

use crate::agreement::{Case, DRAWN, bits, engine, every_simd};
use crate::graphs::{dense, quantization};
use proptest::prelude::*;
use quaver_nn::Simd;
use quaver_nn::arch::{DropoutPlacement, Spec, Topology};
use quaver_nn::engine::Engine;
use quaver_nn::graph::Graph;
use quaver_nn::network::Network;
use quaver_nn::noise::{Draw, Noise, Purpose};
use quaver_nn::op::{
    Affine, BatchNorm, Conv2d, Dense, Dropout, Flatten, Function, MaxPool2d, Op, Pointwise,
    Quantize, Relu, ZeroPad2d,
};
use std::sync::{Arc, Mutex};

const DRAW: Draw = Draw {
    seed: 6,
    purpose: Purpose::Passes,
    pass: 1,
};

/// [`outputs_of`] a network some of whose layers work on bits unless `on_floats`.
fn outputs(case: &Case, engine: &Arc<Engine>, on_floats: bool) -> Vec<Vec<u32>> {
    let network = Network::new(Arc::clone(&case.model), Arc::clone(engine));
    assert!(network.layers_on_bits().contains(&true));
    assert!(!network.on_floats().layers_on_bits().contains(&true));
    outputs_of(case, engine, on_floats)
}

/// Outputs without noise and with, and of three passes, `on_floats` or as they come.
pub(crate) fn outputs_of(case: &Case, engine: &Arc<Engine>, on_floats: bool) -> Vec<Vec<u32>> {
    let network = Network::new(Arc::clone(&case.model), Arc::clone(engine));
    let network = if on_floats {
        network.on_floats()
    } else {
        network
    };
    let of = |noise| bits(&network.logits(&case.batch(), noise));
    let passes = Mutex::new(vec![Vec::new(); case.ids.len()]);
    network.passes(&case.batch(), DRAW, 3, &|row, _, outputs| {
        passes.lock().unwrap()[row].extend(bits(outputs));
    });
    let mut all = vec![of(Noise::Off), of(Noise::Draw(DRAW))];
    all.extend(passes.into_inner().unwrap());
    all
}

/// Holds `n` examples to it; says whether their outputs differ.
fn same_bits(graph: Graph, n: usize) -> bool {
    let mut case = Case::new(graph, n);
    // Far enough apart that signs differ behind a first layer on floats.
    case.x.iter_mut().for_each(|x| *x *= 30.0);
    let expected = outputs(&case, &engine(1, Simd::best()), true);
    let first = &expected[0][..case.width()];
    for simd in every_simd() {
        let got = outputs(&case, &engine(2, simd), false);
        assert!(
            got == expected,
            "{simd:?}: {:?}",
            case.model.graph.to_json()
        );
    }
    expected[0].chunks(case.width()).any(|row| row != first)
}

fn sign() -> Box<dyn Op> {
    Box::new(Quantize {
        quantizer: quantization("sign").unwrap(),
    })
}

/// What may stand between a sum and the next sign.
fn between(kind: u8, channels: usize) -> Vec<Box<dyn Op>> {
    let affine = |scale: f64, shift: f64| Affine {
        scale: (0..channels).map(|c| scale * (1.0 + c as f64)).collect(),
        shift: vec![shift],
    };
    let norm = || Box::new(BatchNorm::new(channels, true));
    let function = |function| Box::new(Pointwise { function });
    match kind {
        0 => vec![],
        1 => vec![norm()],
        2 => vec![Box::new(Relu { scale: None }), norm()],
        3 => vec![Box::new(Relu { scale: Some(-0.05) }), norm()],
        4 => vec![Box::new(affine(-0.3, 1.7)), norm()],
        5 => vec![function(Function::LeakyRelu { slope: 0.1 }), norm()],
        // What is not monotone, or not known to be, runs on floats.
        6 => vec![function(Function::LeakyRelu { slope: -0.5 }), norm()],
        _ => vec![norm(), function(Function::Tanh), norm()],
    }
}

/// What a convolution is given, and what follows.
#[derive(Clone, Debug)]
struct Shapes {
    channels: [usize; 3],
    side: [usize; 2],
    kernel: [usize; 2],
    stride: usize,
    padding: usize,
    bias: bool,
    weights: &'static str,
    between: u8,
    pool: Option<[usize; 2]>,
    zeros: bool,
    p: f64,
    hidden: usize,
}

fn shapes() -> impl Strategy<Value = Shapes> {
    // Below a word, about one, about two; two small enough to share words across columns.
    let channels = || {
        prop_oneof![
            Just(6),
            Just(16),
            Just(20),
            Just(63),
            Just(64),
            Just(65),
            100..140_usize
        ]
    };
    let probability = prop_oneof![Just(0.0), Just(0.5), 0.01..0.95_f64];
    (
        [channels(), channels(), channels()],
        ([7..11_usize, 7..11_usize], [1..5_usize, 1..5_usize]),
        (1..3_usize, 0..5_usize, any::<bool>()),
        prop_oneof![Just("sign"), Just("stochastic-sign")],
        0..8_u8,
        prop_oneof![Just(None), Just(Some([2, 2])), Just(Some([2, 1]))],
        (any::<bool>(), probability, 1..140_usize),
    )
        .prop_map(
            |(
                channels,
                (side, kernel),
                (stride, padding, bias),
                weights,
                between,
                pool,
                (zeros, p, hidden),
            )| Shapes {
                channels,
                side,
                kernel,
                stride,
                padding: padding.min(kernel[0].min(kernel[1]) - 1),
                bias,
                weights,
                between,
                pool,
                zeros,
                p,
                hidden,
            },
        )
}

/// Sign, convolution, what is between, sign, convolution, sign, two dense layers.
fn graph(s: &Shapes) -> Option<Graph> {
    let conv = |from, to, padding| -> Box<dyn Op> {
        Box::new(Conv2d {
            in_channels: from,
            out_channels: to,
            kernel: s.kernel,
            stride: s.stride,
            padding,
            bias: s.bias,
            quantizer: quantization(s.weights),
        })
    };
    let [first, second, third] = s.channels;
    let mut ops: Vec<Box<dyn Op>> = vec![sign()];
    if s.zeros {
        ops.push(Box::new(ZeroPad2d {
            padding: [1, 0, 0, 2],
        }));
    }
    ops.push(Box::new(Dropout { p: s.p }));
    ops.push(conv(first, second, s.padding));
    if let Some([kernel, stride]) = s.pool {
        ops.push(Box::new(MaxPool2d { kernel, stride }));
    }
    ops.extend(between(s.between, second));
    ops.extend([sign(), conv(second, third, 0)]);
    ops.extend(between(1, third));
    ops.extend([
        sign(),
        Box::new(Dropout { p: s.p }) as Box<dyn Op>,
        Box::new(Flatten {}),
    ]);
    let shape = vec![first, s.side[0], s.side[1]];
    let features =
        Graph::sequential(shape.clone(), ops.iter().map(|op| op.boxed()).collect()).ok()?;
    let binary = |from, to| -> Box<dyn Op> {
        Box::new(Dense {
            in_features: from,
            out_features: to,
            bias: s.bias,
            quantizer: quantization("sign"),
        })
    };
    ops.push(binary(features.output_shape()[0], s.hidden));
    ops.extend(between(1, s.hidden));
    ops.extend([sign(), binary(s.hidden, 7), dense(7, 3)]);
    Graph::sequential(shape, ops).ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_networks(shapes in shapes(), n in prop_oneof![Just(1_usize), Just(16), Just(19)]) {
        if let Some(graph) = graph(&shapes) {
            same_bits(graph, n);
        }
    }
}

#[test]
fn architectures() {
    for arch in [
        "lenet5",
        "lenet-caffe",
        "cleverhans-cnn(filters=20)",
        "cleverhans-cnn-scaled(filters=20)",
        "resnet(depth=8,width=20)",
        "mobilenet(width=10)",
    ] {
        for topology in ["bnn", "rand-bnn"] {
            for dropout_placement in [DropoutPlacement::Dense, DropoutPlacement::All] {
                let spec = Spec {
                    arch: arch.into(),
                    precision: Topology::find(topology).unwrap().precision().unwrap(),
                    dropout: 0.3,
                    dropout_placement,
                    input: vec![1, 28, 28],
                    n_classes: 10,
                };
                assert!(same_bits(spec.graph().unwrap(), 5));
            }
        }
    }
}

/// Signs that floats read too, and signs that two binary layers read.
#[test]
fn branches() {
    let mut graph = Graph::new(vec![70]).unwrap();
    let mut push = |name: &str, op: Box<dyn Op>, inputs: &[usize]| {
        graph.push(name.into(), op, inputs.to_vec()).unwrap()
    };
    let binary = |to| -> Box<dyn Op> {
        Box::new(Dense {
            in_features: 70,
            out_features: to,
            bias: false,
            quantizer: quantization("sign"),
        })
    };
    let signs = push("signs", sign(), &[0]);
    let shared = push("shared", Box::new(Dropout { p: 0.4 }), &[signs]);
    let one = push("one", binary(70), &[shared]);
    let two = push("two", binary(70), &[shared]);
    let norm = push("norm", Box::new(BatchNorm::new(70, true)), &[one]);
    let again = push("again", sign(), &[norm]);
    let mixed = push("mixed", Box::new(Dropout { p: 0.4 }), &[again]);
    let three = push("three", binary(70), &[mixed]);
    let sum = push("sum", Box::new(quaver_nn::op::Add {}), &[two, three]);
    let sum = push("more", Box::new(quaver_nn::op::Add {}), &[sum, mixed]);
    push("out", dense(70, 3), &[sum]);
    assert!(same_bits(graph, 37));
}

/// Outputs and all gradients, with a factor and a bias behind each sum, pooled and not.
#[test]
fn factors_and_biases_agree_with_the_reference() {
    let quantizer = || quantization("sign");
    let pooled = Conv2d {
        in_channels: 5,
        out_channels: 6,
        kernel: [3, 3],
        stride: 1,
        padding: 1,
        bias: true,
        quantizer: quantizer(),
    };
    let hidden = Dense {
        in_features: 54,
        out_features: 9,
        bias: true,
        quantizer: quantizer(),
    };
    let pool = MaxPool2d {
        kernel: 2,
        stride: 2,
    };
    let half = || Box::new(Dropout { p: 0.5 });
    let ops: Vec<Box<dyn Op>> = vec![
        sign(),
        half(),
        Box::new(pooled),
        Box::new(pool),
        Box::new(BatchNorm::new(6, true)),
        sign(),
        half(),
        Box::new(Flatten {}),
        Box::new(hidden),
        Box::new(BatchNorm::new(9, true)),
        dense(9, 3),
    ];
    let case = Case::new(Graph::sequential(vec![5, 6, 6], ops).unwrap(), 37);
    case.agree(every_simd(), DRAWN, 1e-4);
}

#[test]
fn an_extreme_scale_keeps_its_sign() {
    let binary = Dense {
        in_features: 64,
        out_features: 8,
        bias: true,
        quantizer: quantization("sign"),
    };
    let ops = |bias: bool| -> Vec<Box<dyn Op>> {
        let hidden = Dense {
            out_features: 64,
            bias,
            ..binary.clone()
        };
        vec![
            sign(),
            Box::new(hidden),
            Box::new(BatchNorm::new(64, true)),
            sign(),
            Box::new(binary.clone()),
        ]
    };
    for (gamma, variance) in [
        (f32::MAX, 0.0),
        (-f32::MAX, 0.0),
        (1e-38, 1e30),
        (0.0, 1.0),
        (-0.0, 1.0),
    ] {
        for shift in [0.0, -0.0, 1e-40, -3.0, f32::MAX] {
            let mut case = Case::new(Graph::sequential(vec![64], ops(false)).unwrap(), 33);
            let model = Arc::make_mut(&mut case.model);
            model.params[2][0].fill(gamma);
            model.params[2][1].fill(shift);
            model.params[2][3].fill(variance);
            let expected = outputs(&case, &engine(1, Simd::best()), true);
            assert!(outputs(&case, &engine(1, Simd::best()), false) == expected);
        }
    }
}

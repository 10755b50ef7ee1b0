//! Every op, at odd shapes and batch sizes, against the reference.

use crate::agreement::{Case, DRAWN, bits, close, engine, every_simd, numbers, wide};
use crate::graphs::{conv, dense, quantization, residual, stochastic};
use crate::reference::{Reference, Statistics};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use quaver_nn::Simd;
use quaver_nn::graph::Graph;
use quaver_nn::network::{Network, Tap};
use quaver_nn::noise::Noise;
use quaver_nn::op::{
    Affine, AveragePool2d, BatchNorm, Concat, Conv2d, Dense, Dropout, Flatten, Function,
    GroupedConv2d, MaxPool2d, Op, Pointwise, Quantize, Rearrange, Relu, WindowMax2d, ZeroPad2d,
    from_config,
};
use std::sync::Arc;

/// Of the largest magnitude; rounding of float32 sums over up to some hundred terms.
pub(crate) const TOLERANCE: f64 = 1e-5;

pub(crate) fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

pub(crate) fn sizes() -> impl Strategy<Value = usize> {
    prop::sample::select(vec![1, 15, 16, 17, 83])
}

fn quantizers() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["none", "sign", "k-bit", "linear", "stochastic-sign"])
}

/// Normalization divides rounding by the deviation of a batch of few examples.
const NORMALIZED: f64 = 1e-4;

fn agree(input: Vec<usize>, ops: Vec<Box<dyn Op>>, n: usize) {
    let normalized = ops.iter().any(|op| op.name() == "batch_norm");
    let tolerance = if normalized { NORMALIZED } else { TOLERANCE };
    let case = Case::new(Graph::sequential(input, ops).unwrap(), n);
    case.agree(every_simd(), DRAWN, tolerance);
}

prop_compose! {
    pub(crate) fn convolutions()(in_channels in 1_usize..8, out_channels in 1_usize..27,
                      kernel in [1_usize..6, 1_usize..6], stride in 1_usize..4,
                      padding in 0_usize..5, bias in any::<bool>(), quantizer in quantizers())
                      -> Conv2d {
        let padding = padding.min(kernel[0] - 1).min(kernel[1] - 1);
        let quantizer = quantization(quantizer);
        Conv2d { in_channels, out_channels, kernel, stride, padding, bias, quantizer }
    }
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn convolution(conv in convolutions(), more in [0_usize..5, 0_usize..5], n in sizes()) {
        // Another layer in front: training asks a first layer for no input gradient.
        let channels = conv.in_channels;
        let front = Conv2d {
            in_channels: 2, out_channels: channels, kernel: [1, 1], stride: 1, padding: 0,
            bias: false, quantizer: None,
        };
        let input = vec![2, conv.kernel[0] + more[0], conv.kernel[1] + more[1]];
        agree(input, vec![Box::new(front), Box::new(conv)], n);
    }

    #[test]
    fn grouped_convolution(groups in 1_usize..5, channels in [1_usize..4, 1_usize..8],
                           kernel in [1_usize..4, 1_usize..4], stride in [1_usize..4, 1_usize..4],
                           dilation in [1_usize..4, 1_usize..4], more in [0_usize..4, 0_usize..4],
                           bias in any::<bool>(), quantizer in quantizers(), n in sizes()) {
        let reach = |axis: usize| (kernel[axis] - 1) * dilation[axis] + 1 + more[axis];
        let input = vec![2, reach(0), reach(1)];
        let [in_channels, out_channels] = channels.map(|c| c * groups);
        let front = Conv2d {
            in_channels: 2, out_channels: in_channels, kernel: [1, 1], stride: 1, padding: 0,
            bias: false, quantizer: None,
        };
        let quantizer = quantization(quantizer);
        let conv = GroupedConv2d {
            in_channels, out_channels, kernel, stride, dilation, groups, bias, quantizer,
        };
        agree(input, vec![Box::new(front), Box::new(conv)], n);
    }

    #[test]
    fn dense_layers(sizes in [1_usize..70, 1_usize..70, 1_usize..70], bias in any::<bool>(),
                    quantizer in quantizers(), n in sizes()) {
        let [a, b, c] = sizes;
        let quantizer = quantization(quantizer);
        let second = Dense { in_features: b, out_features: c, bias, quantizer };
        agree(vec![a], vec![dense(a, b), Box::new(second)], n);
    }

    #[test]
    fn pooling_with_ties(kernel in 1_usize..5, stride in 1_usize..5, more in [0_usize..6, 0_usize..6],
                         channels in 1_usize..4, n in sizes()) {
        let input = vec![channels, kernel + more[0], kernel + more[1]];
        let pool = MaxPool2d { kernel, stride };
        // Five levels, so that most windows have several maxima.
        let levels = Quantize { quantizer: quantization("k-bit").unwrap() };
        agree(input, vec![Box::new(levels), Box::new(pool)], n);
    }

    #[test]
    fn maxima_beyond_the_image(kernel in [1_usize..5, 1_usize..5], stride in [1_usize..4, 1_usize..4],
                               dilation in [1_usize..4, 1_usize..4],
                               padding in [0_usize..4, 0_usize..4, 0_usize..4, 0_usize..4],
                               more in [0_usize..6, 0_usize..6], n in sizes()) {
        // Gaps and padding such that every window has a pixel.
        let reach = |axis: usize| (kernel[axis] - 1) * dilation[axis];
        let input = vec![3, reach(0) + 1 + more[0], reach(1) + 1 + more[1]];
        let [left, right, top, bottom] = padding;
        let padding = [
            left.min(reach(1)), right.min(reach(1)), top.min(reach(0)), bottom.min(reach(0)),
        ];
        let pool = WindowMax2d { kernel, stride, dilation, padding };
        let levels = Quantize { quantizer: quantization("k-bit").unwrap() };
        agree(input, vec![Box::new(levels), Box::new(pool)], n);
    }

    #[test]
    fn averages(kernel in [1_usize..5, 1_usize..5], stride in [1_usize..4, 1_usize..4],
                padding in [0_usize..4, 0_usize..4, 0_usize..4, 0_usize..4],
                more in [0_usize..6, 0_usize..6], count_padding in any::<bool>(), n in sizes()) {
        let [left, right, top, bottom] = padding;
        let (kh, kw) = (kernel[0] - 1, kernel[1] - 1);
        let padding = [left.min(kw), right.min(kw), top.min(kh), bottom.min(kh)];
        let pool = AveragePool2d { kernel, stride, padding, count_padding };
        agree(vec![3, kernel[0] + more[0], kernel[1] + more[1]], vec![Box::new(pool)], n);
    }

    #[test]
    fn functions(slope in -1.0..2.0, scale in [-2.0..2.0, -2.0..2.0], shift in -1.0..1.0, n in sizes()) {
        let point = |function| -> Box<dyn Op> { Box::new(Pointwise { function }) };
        let ops = vec![
            Box::new(Affine { scale: scale.to_vec(), shift: vec![shift] }) as Box<dyn Op>,
            point(Function::LeakyRelu { slope }),
            point(Function::Tanh),
            point(Function::Clip { min: -0.4, max: 0.6 }),
            point(Function::Sigmoid),
        ];
        agree(vec![2, 3, 1], ops, n);
    }

    #[test]
    fn normalization(channels in 1_usize..9, side in 1_usize..5, scale in any::<bool>(), n in sizes()) {
        let n = n.max(15);
        let norm = || Box::new(BatchNorm::new(channels, scale));
        let features = channels * side * side;
        let ops: Vec<Box<dyn Op>> = vec![norm(), Box::new(Relu::default()), norm(),
            Box::new(Flatten {}), dense(features, 7), Box::new(BatchNorm::new(7, true))];
        agree(vec![channels, side, side], ops, n);
    }

    #[test]
    fn element_by_element(size in 1_usize..40, p in 0.0..0.99, scale in -2.0..2.0,
                          padding in [0_usize..4, 0_usize..4, 0_usize..4, 0_usize..4],
                          activation in prop::sample::select(vec!["sign", "k-bit", "linear"]),
                          n in sizes()) {
        let quantizer = quantization(activation).unwrap();
        let ops: Vec<Box<dyn Op>> = vec![
            Box::new(ZeroPad2d { padding }),
            Box::new(Relu { scale: Some(scale) }),
            Box::new(Dropout { p }),
            Box::new(Quantize { quantizer }),
        ];
        agree(vec![1, 1, size], ops, n);
    }
}

#[test]
fn branches_and_doubled_inputs() {
    for n in [15, 16, 17, 83] {
        for noise in [Noise::Off, DRAWN] {
            Case::new(residual(), n).agree(every_simd(), noise, TOLERANCE);
        }
    }
}

#[test]
fn joined_channels() {
    for n in [15, 16, 83] {
        let mut graph = Graph::new(vec![2, 3, 4]).unwrap();
        let relu = Box::new(Relu::default());
        let relu = graph.push("relu".into(), relu, vec![0]).unwrap();
        let inputs = vec![0, relu, relu];
        graph
            .push("joined".into(), Box::new(Concat {}), inputs)
            .unwrap();
        Case::new(graph, n).agree(every_simd(), DRAWN, TOLERANCE);
    }
}

#[test]
fn elements_in_another_order() {
    for n in [15, 16, 83] {
        let ops: Vec<Box<dyn Op>> = vec![
            dense(24, 24),
            Box::new(Rearrange {
                axes: vec![[2, 1], [3, 8], [4, 2]],
                shape: vec![2, 3, 4],
            }),
            conv(2, 3, 3),
            Box::new(Rearrange {
                axes: vec![[12, 1], [3, 12]],
                shape: vec![12, 3, 1],
            }),
        ];
        agree(vec![24], ops, n);
    }
}

#[test]
fn orders_that_lose_elements_are_refused() {
    let rearrange = |axes: &str, shape: &str| {
        let config = format!("{{\"axes\":{axes},\"shape\":{shape}}}");
        from_config("rearrange", serde_json::from_str(&config).unwrap())
    };
    assert!(rearrange("[[1,7],[2,3],[3,1]]", "[6]").is_ok());
    let wrong = [
        ("[[2,3],[3,2]]", "[6]"),
        ("[[2,1],[3,1]]", "[6]"),
        ("[[2,2],[3,4]]", "[6]"),
        ("[[2,3],[3,1]]", "[5]"),
        ("[[0,1]]", "[0]"),
        ("[]", "[1]"),
        ("[[4294967296,4294967296],[4294967296,1]]", "[1]"),
    ];
    for (axes, shape) in wrong {
        let error = rearrange(axes, shape).unwrap_err().to_string();
        assert!(
            error.starts_with("rearrange: axes and shape must be"),
            "{error}"
        );
    }
    let op = rearrange("[[2,3],[3,1]]", "[3,2]").unwrap();
    let error = op.shape(&[vec![7]]).unwrap_err().to_string();
    assert_eq!(error, "rearrange takes one input of 6 elements, got (7)");
}

#[test]
fn stochastic_weights_are_those_of_the_pass() {
    for n in [15, 16, 83] {
        for noise in [Noise::Off, DRAWN] {
            Case::new(stochastic(), n).agree(every_simd(), noise, TOLERANCE);
        }
    }
}

#[test]
fn named_outputs_and_their_gradients() {
    let case = Case::new(residual(), 18);
    let network = Network::new(Arc::clone(&case.model), engine(1, Simd::best()));
    let reference = Reference::new(&case.model);
    let trace = reference.forward(&wide(&case.x), &case.ids, DRAWN, Statistics::Running);
    for (i, name) in network.taps().iter().enumerate() {
        let expected = &trace.values[i + 1];
        let tap = Tap::Layer(name);
        let width = network.width(tap).unwrap();
        let upstream = numbers(name, expected.len(), [-1.0, 1.0]);
        let pull = |row: usize, _: usize, _: &[&[f32]], up: &mut [&mut [f32]]| {
            up[0].copy_from_slice(&upstream[row * width..(row + 1) * width]);
        };
        let got = network.vjp(&case.batch(), &[DRAWN], &[tap], &pull);
        let (outputs, gradient) = got.unwrap();
        close(name, &bits(&outputs[0]), expected, TOLERANCE);
        let pulled = reference.backward(&trace, i + 1, &wide(&upstream));
        close(name, &bits(&gradient), &pulled.input, TOLERANCE);
    }
    assert!(network.width(Tap::Layer("nowhere")).is_err());
}

/// Wherever in its window it stands, and behind a convolution too; PyTorch does the same.
#[test]
fn not_a_number_passes_through_the_maximum() {
    let pool = || -> Box<dyn Op> {
        Box::new(MaxPool2d {
            kernel: 2,
            stride: 2,
        })
    };
    let convolution: Box<dyn Op> = Box::new(Conv2d {
        in_channels: 1,
        out_channels: 1,
        kernel: [1, 1],
        stride: 1,
        padding: 0,
        bias: true,
        quantizer: None,
    });
    for ops in [vec![pool()], vec![convolution, pool()]] {
        let graph = Graph::sequential(vec![1, 2, 4], ops).unwrap();
        for place in [0, 1, 4, 5] {
            let mut case = Case::new(graph.clone(), 17);
            case.x = (0..17 * 8).map(|i| i as f32).collect();
            case.x[8 * 16 + place] = f32::NAN;
            let mut all = Vec::new();
            for simd in every_simd() {
                let network = Network::new(Arc::clone(&case.model), engine(1, simd));
                let outputs = network.logits(&case.batch(), Noise::Off);
                let nan: Vec<usize> = (0..34).filter(|&i| outputs[i].is_nan()).collect();
                assert_eq!(nan, [32], "{place}");
                all.push(bits(&outputs));
            }
            assert!(all.iter().all(|bits| *bits == all[0]), "{place}");
        }
    }
}

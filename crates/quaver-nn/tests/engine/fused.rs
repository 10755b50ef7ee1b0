//! Layers that do the work of those behind them: the same numbers as these alone.

use crate::agreement::{Case, DRAWN, bits, close, engine, every_simd, wide};
use crate::ops::{TOLERANCE, config, convolutions, sizes};
use proptest::prelude::*;
use quaver_nn::graph::Graph;
use quaver_nn::network::{Network, Tap};
use quaver_nn::noise::Noise;
use quaver_nn::op::{Conv2d, Flatten, MaxPool2d, Op, Relu};

const POOL: MaxPool2d = MaxPool2d {
    kernel: 2,
    stride: 2,
};

fn graph(conv: &Conv2d, more: [usize; 2], rectifier: usize) -> Graph {
    // Windows of two by two need two positions each way.
    let side = |axis: usize| conv.kernel[axis] + more[axis] + conv.stride;
    let input = vec![conv.in_channels, side(0), side(1)];
    let relu = || Box::new(Relu { scale: None }) as Box<dyn Op>;
    let mut ops: Vec<Box<dyn Op>> = vec![Box::new(conv.clone()), Box::new(POOL)];
    match rectifier {
        0 => {}
        _ => ops.insert(rectifier, relu()),
    }
    ops.push(Box::new(Flatten {}));
    Graph::sequential(input, ops).unwrap()
}

/// Maximum of each window with the place it came from; not a number wins, the first of equals
/// stays.
fn pooled(planes: &[f32], [height, width]: [usize; 2]) -> Vec<(f32, usize)> {
    let mut out = Vec::new();
    for (p, plane) in planes.chunks_exact(height * width).enumerate() {
        for y in 0..height / 2 {
            for x in 0..width / 2 {
                let at = |i: usize| (2 * y + i / 2) * width + 2 * x + i % 2;
                let wins = |best: usize, i: usize| {
                    let (b, v) = (plane[at(best)], plane[at(i)]);
                    if v > b || v.is_nan() { i } else { best }
                };
                let best = (1..4).fold(0, wins);
                out.push((plane[at(best)], p * height * width + at(best)));
            }
        }
    }
    out
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn against_the_reference(conv in convolutions(), more in [0_usize..6, 0_usize..6],
                             rectifier in 0_usize..3, n in sizes()) {
        let case = Case::new(graph(&conv, more, rectifier), n);
        case.agree(every_simd(), DRAWN, TOLERANCE);
    }

    /// The values between are there when asked for, and lead to the same maxima and gradients.
    #[test]
    fn against_the_layers_alone(conv in convolutions(), more in [0_usize..6, 0_usize..6],
                                rectifier in 0_usize..3, n in sizes()) {
        let case = Case::new(graph(&conv, more, rectifier), n);
        let plane: [usize; 2] = case.model.graph.shape(1)[1..].try_into().unwrap();
        for simd in every_simd() {
            let network = Network::new(case.model.clone(), engine(1, simd));
            let batch = case.batch();
            let between = network.outputs(&batch, Noise::Off, &[Tap::Layer("0")]).unwrap().remove(0);
            let outputs = network.logits(&batch, Noise::Off);
            let maxima = pooled(&between, plane);
            let rectify = |v: f32| if rectifier > 0 && v <= 0.0 { 0.0 } else { v };
            for (output, (best, _)) in outputs.iter().zip(&maxima) {
                prop_assert_eq!(*output, rectify(*best));
            }
            let ones = |_: usize, _: usize, _: &[&[f32]], up: &mut [&mut [f32]]| up[0].fill(1.0);
            let (_, gradient) = network.vjp(&batch, &[Noise::Off], &[Tap::Logits], &ones).unwrap();
            let size = between.len() / n;
            let routed = |row: usize, _: usize, _: &[&[f32]], up: &mut [&mut [f32]]| {
                let of_row = |(_, place): &&(f32, usize)| *place / size == row;
                for (best, place) in maxima.iter().filter(of_row) {
                    up[0][place % size] = if rectifier > 0 && *best <= 0.0 { 0.0 } else { 1.0 };
                }
            };
            let (_, expected) = network.vjp(&batch, &[Noise::Off], &[Tap::Layer("0")], &routed).unwrap();
            close("gradient", &bits(&gradient), &wide(&expected), TOLERANCE);
        }
    }
}

/// Rows of a window that no tile holds, and more outputs than weights stay in cache.
#[test]
fn many_channels_against_the_reference() {
    let conv = Conv2d {
        in_channels: 136,
        out_channels: 24,
        kernel: [2, 3],
        stride: 1,
        padding: 1,
        bias: true,
        quantizer: None,
    };
    Case::new(graph(&conv, [3, 2], 1), 19).agree(every_simd(), DRAWN, TOLERANCE);
}

#[test]
fn what_is_not_a_number_stays_visible() {
    let conv = Conv2d {
        in_channels: 1,
        out_channels: 7,
        kernel: [1, 1],
        stride: 1,
        padding: 0,
        bias: false,
        quantizer: None,
    };
    for rectifier in 0..3 {
        let mut case = Case::new(graph(&conv, [2, 2], rectifier), 17);
        // One in each place of a window, a window an example, and ordinary examples after them.
        let size = case.x.len() / 17;
        for example in 0..4 {
            case.x[example * size + (example / 2) * 4 + example % 2] = f32::NAN;
        }
        for simd in every_simd() {
            let network = Network::new(case.model.clone(), engine(1, simd));
            let outputs = network.logits(&case.batch(), Noise::Off);
            for (row, outputs) in outputs.chunks_exact(outputs.len() / 17).enumerate() {
                let lost = outputs.iter().step_by(4).any(|v| v.is_nan() != (row < 4));
                assert!(!lost, "{simd:?}, rectifier {rectifier}, example {row}");
            }
        }
    }
}

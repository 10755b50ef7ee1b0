//! The residual network of 20 layers for CIFAR-10 (He et al., "Deep Residual Learning for Image
//! Recognition", 2016, section 4.2), built from the ops here: against the reference, with
//! dropout, and there and back as ONNX.

use crate::agreement::{Case, DRAWN, bits, engine};
use quaver_nn::Simd;
use quaver_nn::format::onnx::{Options, read, to_bytes};
use quaver_nn::graph::Graph;
use quaver_nn::network::Network;
use quaver_nn::noise::Noise;
use quaver_nn::op::{Add, AveragePool2d, BatchNorm, Conv2d, Dense, Dropout, Flatten, Op, Relu};
use std::sync::Arc;

/// Of the largest magnitude, after twenty layers.
const TOLERANCE: f64 = 1e-4;

struct Builder(Graph);

impl Builder {
    fn push(&mut self, op: impl Op + 'static, inputs: &[usize]) -> usize {
        let name = self.0.nodes().len().to_string();
        self.0.push(name, Box::new(op), inputs.to_vec()).unwrap()
    }

    /// A convolution and its normalization.
    fn conv(&mut self, x: usize, [from, to]: [usize; 2], side: usize, stride: usize) -> usize {
        let conv = Conv2d {
            in_channels: from,
            out_channels: to,
            kernel: [side, side],
            stride,
            padding: side / 2,
            bias: false,
            quantizer: None,
        };
        let conv = self.push(conv, &[x]);
        self.push(BatchNorm::new(to, true), &[conv])
    }

    fn block(&mut self, x: usize, [from, to]: [usize; 2], stride: usize) -> usize {
        let first = self.conv(x, [from, to], 3, stride);
        let first = self.push(Relu::default(), &[first]);
        let second = self.conv(first, [to, to], 3, 1);
        let short = match from == to {
            true => x,
            false => self.conv(x, [from, to], 1, stride),
        };
        let sum = self.push(Add {}, &[second, short]);
        self.push(Relu::default(), &[sum])
    }
}

fn resnet20() -> Graph {
    let mut build = Builder(Graph::new(vec![3, 32, 32]).unwrap());
    let stem = build.conv(0, [3, 16], 3, 1);
    let mut x = build.push(Relu::default(), &[stem]);
    let mut from = 16;
    for to in [16, 32, 64] {
        for _ in 0..3 {
            let stride = if from == to { 1 } else { 2 };
            x = build.block(x, [from, to], stride);
            from = to;
        }
    }
    let pool = AveragePool2d {
        kernel: [8, 8],
        stride: [1, 1],
        padding: [0; 4],
        count_padding: false,
    };
    let pool = build.push(pool, &[x]);
    let flat = build.push(Flatten {}, &[pool]);
    let drop = build.push(Dropout { p: 0.5 }, &[flat]);
    let dense = Dense {
        in_features: 64,
        out_features: 10,
        bias: true,
        quantizer: None,
    };
    build.push(dense, &[drop]);
    build.0
}

#[test]
fn outputs_and_gradient_are_the_references() {
    let case = Case::new(resnet20(), 2);
    for noise in [Noise::Off, DRAWN] {
        let results = case.run(&engine(1, Simd::best()), noise);
        case.agree_without_training(&results, noise, TOLERANCE);
    }
}

#[test]
fn it_comes_back_from_onnx() {
    let case = Case::new(resnet20(), 3);
    let imported = read(to_bytes(&case.model).unwrap(), &Options::default()).unwrap();
    let again = imported.model;
    assert_eq!(again.graph.to_json(), case.model.graph.to_json());
    assert_eq!(again.params, case.model.params);
    let outputs = |model| {
        let network = Network::new(model, engine(2, Simd::best()));
        bits(&network.logits(&case.batch(), DRAWN))
    };
    assert_eq!(outputs(Arc::new(again)), outputs(Arc::clone(&case.model)));
}

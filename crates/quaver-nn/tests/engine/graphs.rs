//! Small graphs that several tests share.

use quaver_nn::graph::Graph;
use quaver_nn::op::{Add, BatchNorm, Conv2d, Dense, Dropout, Flatten, MaxPool2d, Op, Relu};
use quaver_nn::quantizer::Quantization;

pub(crate) fn dense(in_features: usize, out_features: usize) -> Box<dyn Op> {
    Box::new(Dense {
        in_features,
        out_features,
        bias: true,
        quantizer: None,
    })
}

pub(crate) fn conv(in_channels: usize, out_channels: usize, side: usize) -> Box<dyn Op> {
    Box::new(Conv2d {
        in_channels,
        out_channels,
        kernel: [side, side],
        stride: 1,
        padding: side / 2,
        bias: true,
        quantizer: None,
    })
}

/// A quantizer by name, `none` being none.
pub(crate) fn quantization(name: &str) -> Option<Quantization> {
    let config = match name {
        "none" => return None,
        "k-bit" => serde_json::json!({ "bits": 2 }),
        "linear" => serde_json::json!({ "step": 0.125, "min": -0.25, "max": 0.3 }),
        _ => serde_json::json!({}),
    };
    Some(Quantization::from_config(name, config).unwrap())
}

/// A small network of every smooth op: convolution, pooling, normalization, a residual branch,
/// dropout, dense layers. `(2, 6, 6)` to 3 outputs.
pub(crate) fn residual() -> Graph {
    let mut graph = Graph::new(vec![2, 6, 6]).unwrap();
    let mut push = |name: &str, op: Box<dyn Op>, inputs: &[usize]| {
        graph.push(name.into(), op, inputs.to_vec()).unwrap()
    };
    let stem = push("stem", conv(2, 4, 3), &[0]);
    let pool = push(
        "pool",
        Box::new(MaxPool2d {
            kernel: 2,
            stride: 2,
        }),
        &[stem],
    );
    let norm = push("norm", Box::new(BatchNorm::new(4, true)), &[pool]);
    let relu = push("relu", Box::new(Relu { scale: Some(0.8) }), &[norm]);
    let branch = push("branch", conv(4, 4, 3), &[relu]);
    let norm = push("branch_norm", Box::new(BatchNorm::new(4, false)), &[branch]);
    let drop = push("branch_drop", Box::new(Dropout { p: 0.3 }), &[norm]);
    let skip = push("skip", conv(4, 4, 1), &[relu]);
    let sum = push("sum", Box::new(Add {}), &[drop, skip]);
    let double = push("double", Box::new(Add {}), &[sum, sum]);
    let flat = push("flat", Box::new(Flatten {}), &[double]);
    let hidden = push("hidden", dense(36, 9), &[flat]);
    let drop = push("drop", Box::new(Dropout { p: 0.5 }), &[hidden]);
    push("out", dense(9, 3), &[drop]);
    graph
}

/// A chain with stochastic weights, dropout and normalization. `(1, 6, 6)` to 5 outputs.
pub(crate) fn stochastic() -> Graph {
    let ops: Vec<Box<dyn Op>> = vec![
        conv(1, 3, 3),
        Box::new(MaxPool2d {
            kernel: 2,
            stride: 2,
        }),
        Box::new(BatchNorm::new(3, true)),
        Box::new(Relu::default()),
        Box::new(Flatten {}),
        Box::new(Dense {
            in_features: 27,
            out_features: 21,
            bias: false,
            quantizer: quantization("stochastic-sign"),
        }),
        Box::new(BatchNorm::new(21, true)),
        Box::new(Dropout { p: 0.4 }),
        dense(21, 5),
    ];
    Graph::sequential(vec![1, 6, 6], ops).unwrap()
}

//! The graphs of the networks that PyTorch trained.

use quaver_nn::arch::{DropoutPlacement, Precision, Spec, Topology};
use quaver_nn::graph::Graph;
use quaver_nn::op::{
    BatchNorm, Conv2d, Dense, Dropout, Flatten, MaxPool2d, Op, Quantize, Relu, ZeroPad2d,
};

fn precision(topology: &str) -> Precision {
    Topology::find(topology).unwrap().precision().unwrap()
}

/// LeNet-5 of the program's own.
pub(crate) fn lenet5(topology: &str) -> Graph {
    let spec = Spec {
        arch: "lenet5".into(),
        precision: precision(topology),
        dropout: 0.5,
        dropout_placement: DropoutPlacement::Dense,
        input: vec![1, 28, 28],
        n_classes: 10,
    };
    spec.graph().unwrap()
}

/// `cleverhans-cnn` with a quarter of the program's filters.
pub(crate) fn cleverhans_cnn() -> Graph {
    let conv = |in_channels, out_channels, side, stride| -> Box<dyn Op> {
        Box::new(Conv2d {
            in_channels,
            out_channels,
            kernel: [side, side],
            stride,
            padding: 0,
            bias: false,
            quantizer: None,
        })
    };
    let ops: Vec<Box<dyn Op>> = vec![
        Box::new(ZeroPad2d {
            padding: [3, 3, 3, 3],
        }),
        conv(1, 16, 8, 2),
        Box::new(Relu::default()),
        conv(16, 32, 6, 2),
        Box::new(Relu::default()),
        conv(32, 32, 5, 1),
        Box::new(Relu::default()),
        Box::new(Flatten {}),
        Box::new(Dropout { p: 0.5 }),
        Box::new(Dense {
            in_features: 32,
            out_features: 10,
            bias: false,
            quantizer: None,
        }),
    ];
    Graph::sequential(vec![1, 28, 28], ops).unwrap()
}

/// The activation, in quantized networks behind batch norm.
fn activation(precision: &Precision, channels: usize) -> Vec<Box<dyn Op>> {
    let activation: Box<dyn Op> = match &precision.activations {
        Some(quantizer) => Box::new(Quantize {
            quantizer: quantizer.clone(),
        }),
        None => Box::new(Relu::default()),
    };
    match precision.weights {
        Some(_) => vec![Box::new(BatchNorm::new(channels, true)), activation],
        None => vec![activation],
    }
}

/// What `make.py` trains: LeNet-5 with fewer channels and one hidden dense layer.
pub(crate) fn small(topology: &str) -> Graph {
    let precision = precision(topology);
    let normalized = precision.weights.is_some();
    let conv = |in_channels, out_channels, padding, hidden: bool| -> Box<dyn Op> {
        Box::new(Conv2d {
            in_channels,
            out_channels,
            kernel: [5, 5],
            stride: 1,
            padding,
            bias: !normalized,
            quantizer: precision.weights.clone().filter(|_| hidden),
        })
    };
    let dense = |in_features, out_features, hidden: bool| -> Box<dyn Op> {
        Box::new(Dense {
            in_features,
            out_features,
            bias: !hidden || !normalized,
            quantizer: precision.weights.clone().filter(|_| hidden),
        })
    };
    let pool = || -> Box<dyn Op> {
        Box::new(MaxPool2d {
            kernel: 2,
            stride: 2,
        })
    };
    let activate = |channels| activation(&precision, channels);
    let mut ops = vec![conv(1, 4, 2, false), pool()];
    ops.extend(activate(4));
    ops.extend([conv(4, 8, 0, true), pool()]);
    ops.extend(activate(8));
    ops.extend([Box::new(Flatten {}) as Box<dyn Op>, dense(200, 16, true)]);
    ops.extend(activate(16));
    ops.extend([
        Box::new(Dropout { p: 0.5 }) as Box<dyn Op>,
        dense(16, 10, false),
    ]);
    Graph::sequential(vec![1, 28, 28], ops).unwrap()
}

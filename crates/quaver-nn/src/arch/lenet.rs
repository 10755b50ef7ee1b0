//! LeNet-5 (LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998) in
//! its rectified form, and the wider LeNet of the Caffe examples.

use super::{Architecture, Builder, Convolution, DropoutPlacement, NetworkError, Place};
use crate::op::{Flatten, MaxPool2d};

const PAPER: &str = "Gradient-Based Learning Applied to Document Recognition (1998)";

pub(super) const LENET5: Architecture = Architecture {
    name: "lenet5",
    title: "conv 6, conv 16, dense 120, dense 84",
    paper: PAPER,
    parameters: &[],
    smallest: 20,
    of_weights: |_| Vec::new(),
    build: |builder, _| lenet(builder, ([6, 16], 2, true), &[120, 84]),
};

pub(super) const LENET_CAFFE: Architecture = Architecture {
    name: "lenet-caffe",
    title: "conv 20, conv 50, dense 500",
    paper: PAPER,
    parameters: &[],
    smallest: 20,
    of_weights: |_| Vec::new(),
    build: |builder, _| lenet(builder, ([20, 50], 0, false), &[500]),
};

/// Two 5×5 convolutions (channels, padding of the first, whether an activation follows in full
/// precision) with pooling, then dense layers with dropout. Where there is batch normalization or
/// a quantizer an activation always follows.
fn lenet(
    builder: &mut Builder<'_>,
    (channels, padding, rectified): ([usize; 2], usize, bool),
    hidden: &[usize],
) -> Result<usize, NetworkError> {
    let normalized = builder.normalized();
    let activated = rectified || normalized || builder.spec.precision.activations.is_some();
    let mut x = Builder::IMAGES;
    for (i, channels) in channels.into_iter().enumerate() {
        let (padding, place) = match i {
            0 => (padding, Place::Outer),
            _ => (0, Place::Hidden),
        };
        let conv = Convolution {
            channels,
            kernel: 5,
            stride: 1,
            padding,
            bias: !normalized,
        };
        x = builder.conv(x, conv, place)?;
        let pool = MaxPool2d {
            kernel: 2,
            stride: 2,
        };
        x = builder.op(pool, &[x])?;
        if activated {
            x = activate(builder, x)?;
        }
    }
    x = builder.op(Flatten {}, &[x])?;
    for &features in hidden {
        x = builder.dense(x, features, Place::Hidden)?;
        x = activate(builder, x)?;
        if builder.spec.dropout_placement == DropoutPlacement::Dense {
            x = builder.dropout(x)?;
        }
    }
    Ok(builder.dense(x, builder.spec.n_classes, Place::Outer)?)
}

/// Batch normalization, where there is one, and the activation.
fn activate(builder: &mut Builder<'_>, x: usize) -> Result<usize, NetworkError> {
    let x = match builder.normalized() {
        true => builder.normalize(x)?,
        false => x,
    };
    Ok(builder.activate(x)?)
}

#[cfg(test)]
mod tests {
    use crate::arch::{DropoutPlacement, Precision, Spec, Topology};
    use crate::graph::Graph;

    fn graph(arch: &str, precision: Precision, dropout: f64) -> Graph {
        let spec = Spec {
            arch: arch.into(),
            precision,
            dropout,
            dropout_placement: DropoutPlacement::Dense,
            input: vec![1, 28, 28],
            n_classes: 10,
        };
        spec.graph().unwrap()
    }

    #[test]
    fn the_convolutions_of_caffe_are_linear_in_full_precision() {
        let ops = |topology: &str| {
            let precision = Topology::find(topology).unwrap().precision().unwrap();
            let graph = graph("lenet-caffe", precision, 0.5);
            let names = graph.nodes().iter().map(|node| node.op.name());
            names.take(5).collect::<Vec<_>>()
        };
        let plain = ["conv2d", "max_pool2d", "conv2d", "max_pool2d", "flatten"];
        assert_eq!(ops("full-precision"), plain);
        let quantized = ["conv2d", "max_pool2d", "batch_norm", "quantize", "conv2d"];
        assert_eq!(ops("bnn"), quantized);
    }

    #[test]
    fn names_do_not_shift_at_no_dropout() {
        let names = |dropout| {
            let graph = graph("lenet5", Precision::default(), dropout);
            let nodes = graph.nodes().iter();
            nodes
                .map(|node| (node.name.clone(), node.op.name()))
                .collect::<Vec<_>>()
        };
        assert_eq!(names(0.0), names(0.5));
        assert_eq!(names(0.5)[13], ("13".into(), "dense"));
    }
}

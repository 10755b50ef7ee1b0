//! LeNet-5 (LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998) in
//! its rectified form, and the wider LeNet of the Caffe examples.

use super::{Architecture, Builder};
use crate::op::{Flatten, MaxPool2d, Op};

pub(super) const LENET5: Architecture = Architecture {
    name: "lenet5",
    title: "conv 6, conv 16, dense 120, dense 84",
    ops: |builder| lenet(builder, ([6, 16], 2, true), &[120, 84]),
};

pub(super) const LENET_CAFFE: Architecture = Architecture {
    name: "lenet-caffe",
    title: "conv 20, conv 50, dense 500",
    ops: |builder| lenet(builder, ([20, 50], 0, false), &[500]),
};

/// Two 5×5 convolutions (channels, padding of the first, whether an activation follows in full
/// precision) with pooling, then dense layers with dropout. Where there is batch normalization or
/// a quantizer an activation always follows.
fn lenet(
    builder: &Builder<'_>,
    (channels, padding, rectified): ([usize; 2], usize, bool),
    hidden: &[usize],
) -> Vec<Box<dyn Op>> {
    let (input, precision) = (&builder.spec.input, &builder.spec.precision);
    let activated = rectified || precision.normalized() || precision.activations.is_some();
    let mut ops: Vec<Box<dyn Op>> = Vec::new();
    let mut from = input[0];
    let (mut height, mut width) = (input[1] + 2 * padding, input[2] + 2 * padding);
    for (i, to) in channels.into_iter().enumerate() {
        ops.push(builder.conv([from, to, 5], 1, if i == 0 { padding } else { 0 }, i == 0));
        ops.push(Box::new(MaxPool2d {
            kernel: 2,
            stride: 2,
        }));
        if activated {
            builder.activate(to, &mut ops);
        }
        (height, width) = ((height - 4) / 2, (width - 4) / 2);
        from = to;
    }
    ops.push(Box::new(Flatten {}));
    from *= height * width;
    for &to in hidden {
        ops.push(builder.dense(from, to, false));
        builder.activate(to, &mut ops);
        if builder.spec.dropout_placement == super::DropoutPlacement::Dense {
            ops.push(builder.dropout());
        }
        from = to;
    }
    ops.push(builder.dense(from, builder.spec.n_classes, true));
    ops
}

//! The convolutional network of the CleverHans tutorials, as the paper's code and Galloway et
//! al., "Attacking Binarized Neural Networks", 2018, use it.

use super::{Architecture, Builder, DropoutPlacement};
use crate::op::{BatchNorm, Conv2d, Dense, Flatten, Op, Quantize, Relu, ZeroPad2d};

pub(super) const CLEVERHANS_CNN: Architecture = Architecture {
    name: "cleverhans-cnn",
    title: "conv 8×8/2 64, conv 6×6/2 128, conv 5×5 128",
    ops: |builder| cnn(builder, None),
};

pub(super) const CLEVERHANS_CNN_SCALED: Architecture = Architecture {
    name: "cleverhans-cnn-scaled",
    title: "the same with trainable scales on the activations",
    ops: |builder| cnn(builder, Some(0.05)),
};

const FILTERS: usize = 64;

/// Zeros before and after an axis so that `n / stride` (rounded up) positions fit.
fn same(n: usize, kernel: usize, stride: usize) -> (usize, usize) {
    let total = ((n.div_ceil(stride) - 1) * stride + kernel).saturating_sub(n);
    (total / 2, total - total / 2)
}

/// The first and the last layer stay in full precision; the convolutions between them normalize
/// their input first, and quantize it where activations are.
fn cnn(builder: &Builder<'_>, scale: Option<f64>) -> Vec<Box<dyn Op>> {
    let precision = &builder.spec.precision;
    let input = &builder.spec.input;
    let (top, bottom) = same(input[1], 8, 2);
    let (left, right) = same(input[2], 8, 2);
    let mut ops: Vec<Box<dyn Op>> = vec![Box::new(ZeroPad2d {
        padding: [left, right, top, bottom],
    })];
    let mut from = input[0];
    let mut side = [input[1] + top + bottom, input[2] + left + right];
    let filters = builder.spec.filters.unwrap_or(FILTERS);
    let layers = [(filters, 8, 2), (2 * filters, 6, 2), (2 * filters, 5, 1)];
    for (i, (to, kernel, stride)) in layers.into_iter().enumerate() {
        if i > 0 && precision.normalized() {
            ops.push(Box::new(BatchNorm::new(from, false)));
            if let Some(quantizer) = &precision.activations {
                ops.push(Box::new(Quantize {
                    quantizer: quantizer.clone(),
                }));
            }
        }
        let quantizer = builder.quantizer(i == 0);
        ops.push(Box::new(Conv2d {
            in_channels: from,
            out_channels: to,
            kernel: [kernel, kernel],
            stride,
            padding: 0,
            bias: false,
            quantizer,
        }));
        ops.push(Box::new(Relu { scale }));
        if builder.spec.dropout_placement == DropoutPlacement::All && i < 2 {
            ops.push(builder.dropout());
        }
        side = side.map(|n| (n.saturating_sub(kernel)) / stride + 1);
        from = to;
    }
    ops.push(Box::new(Flatten {}));
    ops.push(builder.dropout());
    let quantizer = builder.quantizer(true);
    let in_features = from * side[0] * side[1];
    let out_features = builder.spec.n_classes;
    ops.push(Box::new(Dense {
        in_features,
        out_features,
        bias: false,
        quantizer,
    }));
    ops
}

//! The convolutional network of the CleverHans tutorials, as the paper's code and Galloway et
//! al., "Attacking Binarized Neural Networks", 2018, use it.

use super::{Architecture, Builder, Convolution, DropoutPlacement, NetworkError, Place};
use crate::op::{BatchNorm, Dense, Flatten, Quantize, Relu, ZeroPad2d, size};
use crate::spec::{Allowed, Parameter, Values};
use serde::Deserialize;

const PAPER: &str = "Attacking Binarized Neural Networks (2018)";

pub(super) const CLEVERHANS_CNN: Architecture = Architecture {
    name: "cleverhans-cnn",
    title: "conv 8×8/2 64, conv 6×6/2 128, conv 5×5 128",
    paper: PAPER,
    parameters: &[FILTERS],
    smallest: 27,
    of_weights: filters,
    build: |builder, values| cnn(builder, values, None),
};

pub(super) const CLEVERHANS_CNN_SCALED: Architecture = Architecture {
    name: "cleverhans-cnn-scaled",
    title: "the same with trainable scales on the activations",
    build: |builder, values| cnn(builder, values, Some(0.05)),
    ..CLEVERHANS_CNN
};

const FILTERS: Parameter = Parameter {
    name: "filters",
    default: "64",
    allowed: Allowed::Integer(1, 4096),
    about: "filters of the first convolution; the others have twice as many",
};

#[derive(Deserialize)]
struct Params {
    filters: usize,
}

/// The first convolution is the only one of 8 by 8.
fn filters(shapes: &[&[usize]]) -> Vec<(&'static str, usize)> {
    let of = |shape: &&[usize]| match **shape {
        [filters, _, 8, 8] => Some((FILTERS.name, filters)),
        _ => None,
    };
    shapes.iter().find_map(of).into_iter().collect()
}

/// Zeros before and after an axis so that `n / stride` (rounded up) positions fit.
fn same(n: usize, kernel: usize, stride: usize) -> (usize, usize) {
    let total = ((n.div_ceil(stride) - 1) * stride + kernel).saturating_sub(n);
    (total / 2, total - total / 2)
}

/// The first and the last layer stay in full precision; the convolutions between them normalize
/// their input first, and quantize it where activations are.
fn cnn(
    builder: &mut Builder<'_>,
    values: &Values,
    scale: Option<f64>,
) -> Result<usize, NetworkError> {
    let Params { filters } = values.read()?;
    let (top, bottom) = same(builder.spec.input[1], 8, 2);
    let (left, right) = same(builder.spec.input[2], 8, 2);
    let padding = [left, right, top, bottom];
    let mut x = builder.op(ZeroPad2d { padding }, &[Builder::IMAGES])?;
    let layers = [(filters, 8, 2), (2 * filters, 6, 2), (2 * filters, 5, 1)];
    for (i, (channels, kernel, stride)) in layers.into_iter().enumerate() {
        if i > 0 && builder.normalized() {
            let channels = builder.shape(x)[0];
            x = builder.op(BatchNorm::new(channels, false), &[x])?;
            if let Some(quantizer) = builder.spec.precision.activations.clone() {
                x = builder.op(Quantize { quantizer }, &[x])?;
            }
        }
        let conv = Convolution {
            channels,
            kernel,
            stride,
            padding: 0,
            bias: false,
        };
        let place = if i == 0 { Place::Outer } else { Place::Hidden };
        x = builder.conv(x, conv, place)?;
        x = builder.op(Relu { scale }, &[x])?;
        if builder.spec.dropout_placement == DropoutPlacement::All && i < 2 {
            x = builder.dropout(x)?;
        }
    }
    x = builder.op(Flatten {}, &[x])?;
    x = builder.dropout(x)?;
    let dense = Dense {
        in_features: size(builder.shape(x)),
        out_features: builder.spec.n_classes,
        bias: false,
        quantizer: builder.quantizer(Place::Outer),
    };
    Ok(builder.op(dense, &[x])?)
}

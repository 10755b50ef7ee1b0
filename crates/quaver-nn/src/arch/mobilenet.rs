//! A small network of depthwise separable convolutions, after Howard et al., "MobileNets:
//! Efficient Convolutional Neural Networks for Mobile Vision Applications", 2017.

use super::{Architecture, Builder, Convolution, NetworkError, Place};
use crate::graph::GraphError;
use crate::spec::{Allowed, Parameter, Values};
use serde::Deserialize;

pub(super) const MOBILENET: Architecture = Architecture {
    name: "mobilenet",
    title: "conv 16/2, then depthwise separable convolutions to 32, 64/2, 64, 128/2, 128 channels",
    paper: "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications (2017)",
    parameters: &[WIDTH],
    smallest: 8,
    of_weights: |_| Vec::new(),
    build: mobilenet,
};

const WIDTH: Parameter = Parameter {
    name: "width",
    default: "16",
    allowed: Allowed::Integer(1, 256),
    about: "channels of the first convolution; the others have up to eight times as many",
};

#[derive(Deserialize)]
struct Params {
    width: usize,
}

/// Channels, in widths, and stride of each separable convolution.
const BLOCKS: [(usize, usize); 5] = [(2, 1), (4, 2), (4, 1), (8, 2), (8, 1)];

/// Every convolution is normalized, in full precision too. A third of the paper's depth, for images
/// of a tenth of its size.
fn mobilenet(builder: &mut Builder<'_>, values: &Values) -> Result<usize, NetworkError> {
    let Params { width } = values.read()?;
    let first = convolution(width, 3, 2);
    let mut x = builder.conv(Builder::IMAGES, first, Place::Outer)?;
    x = settled(builder, x)?;
    for (widths, stride) in BLOCKS {
        x = builder.depthwise(x, 3, stride, 1)?;
        x = settled(builder, x)?;
        let pointwise = convolution(widths * width, 1, 1);
        x = builder.conv(x, pointwise, Place::Hidden)?;
        x = settled(builder, x)?;
    }
    Ok(builder.classify_means(x)?)
}

/// Batch normalization and the activation.
fn settled(builder: &mut Builder<'_>, x: usize) -> Result<usize, GraphError> {
    let x = builder.normalize(x)?;
    builder.activate(x)
}

const fn convolution(channels: usize, kernel: usize, stride: usize) -> Convolution {
    Convolution {
        channels,
        kernel,
        stride,
        padding: kernel / 2,
        bias: false,
    }
}

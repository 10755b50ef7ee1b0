//! The residual networks for small images of He et al., "Deep Residual Learning for Image
//! Recognition", 2016, section 4.2.

use super::{Architecture, Builder, Convolution, NetworkError, Place};
use crate::graph::GraphError;
use crate::spec::{Allowed, Parameter, SpecError, Values};
use serde::Deserialize;

pub(super) const RESNET: Architecture = Architecture {
    name: "resnet",
    title: "conv 16, then three stages of residual blocks of 16, 32 and 64 channels",
    paper: "Deep Residual Learning for Image Recognition (2016)",
    parameters: &[DEPTH, WIDTH],
    smallest: 8,
    of_weights: |_| Vec::new(),
    build: resnet,
};

const DEPTH: Parameter = Parameter {
    name: "depth",
    default: "20",
    allowed: Allowed::Integer(8, 110),
    about: "layers with weights, 6n + 2",
};

const WIDTH: Parameter = Parameter {
    name: "width",
    default: "16",
    allowed: Allowed::Integer(1, 256),
    about: "channels of the first stage; each further one has twice as many",
};

#[derive(Deserialize)]
struct Params {
    depth: usize,
    width: usize,
}

/// Every convolution is normalized, in full precision too, and the activation comes behind the
/// sum. Where the shape changes, a convolution of 1 by 1 stands on the shortcut (the paper's
/// option B).
fn resnet(builder: &mut Builder<'_>, values: &Values) -> Result<usize, NetworkError> {
    let Params { depth, width } = values.read()?;
    if depth % 6 != 2 {
        let error = SpecError::OutOfRange {
            name: DEPTH.name.into(),
            got: depth.to_string(),
            allowed: "6n + 2, such as 8, 14 or 20".into(),
        };
        return Err(error.into());
    }
    let mut x = normalized(builder, Builder::IMAGES, (width, 3, 1), Place::Outer)?;
    x = builder.activate(x)?;
    for stage in 0..3 {
        for block in 0..(depth - 2) / 6 {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            x = residual(builder, x, width << stage, stride)?;
        }
    }
    Ok(builder.classify_means(x)?)
}

/// Two convolutions of 3 by 3, and the shortcut around them.
fn residual(
    builder: &mut Builder<'_>,
    x: usize,
    channels: usize,
    stride: usize,
) -> Result<usize, GraphError> {
    let mut y = normalized(builder, x, (channels, 3, stride), Place::Hidden)?;
    y = builder.activate(y)?;
    y = normalized(builder, y, (channels, 3, 1), Place::Hidden)?;
    let shortcut = match builder.shape(x) == builder.shape(y) {
        true => x,
        false => normalized(builder, x, (channels, 1, stride), Place::Hidden)?,
    };
    let sum = builder.sum(y, shortcut)?;
    builder.activate(sum)
}

/// A convolution (channels, kernel, stride) that keeps the size of an image at stride 1, and batch
/// normalization.
fn normalized(
    builder: &mut Builder<'_>,
    x: usize,
    (channels, kernel, stride): (usize, usize, usize),
    place: Place,
) -> Result<usize, GraphError> {
    let conv = Convolution {
        channels,
        kernel,
        stride,
        padding: kernel / 2,
        bias: false,
    };
    let x = builder.conv(x, conv, place)?;
    builder.normalize(x)
}

#[cfg(test)]
mod tests {
    use crate::arch::{DropoutPlacement, Spec, Topology};

    fn spec(arch: &str) -> Spec {
        Spec {
            arch: arch.into(),
            precision: Topology::find("bnn").unwrap().precision().unwrap(),
            dropout: 0.0,
            dropout_placement: DropoutPlacement::Dense,
            input: vec![3, 32, 32],
            n_classes: 10,
        }
    }

    #[test]
    fn has_the_layers_of_the_paper() {
        let graph = spec("resnet").graph().unwrap();
        let count = |name| {
            let nodes = graph.nodes().iter();
            nodes.filter(|node| node.op.name() == name).count()
        };
        // 19 of its 20 layers are convolutions, and two shortcuts change the shape.
        let counts = ["conv2d", "batch_norm", "add", "quantize", "dense"].map(count);
        assert_eq!(counts, [21, 21, 9, 19, 1]);
        let quantized = |i: usize| graph.nodes()[i].op.config()["quantizer"].is_object();
        assert!(!quantized(0) && quantized(3) && !quantized(graph.nodes().len() - 1));
        let weights: usize = graph.params()[0][0].shape.iter().product();
        assert_eq!(weights, 16 * 3 * 9);
    }

    #[test]
    fn other_depths_are_refused() {
        let error = spec("resnet(depth=18)").graph().unwrap_err();
        assert!(error.to_string().contains("6n + 2"), "{error}");
    }
}

//! [`Builder`]: what the architectures are written with. Each call adds a node behind a value and
//! returns the new node's value, so that branches are built like chains.

use super::{DropoutPlacement, Spec};
use crate::graph::{Graph, GraphError};
use crate::op::{
    Add, AveragePool2d, BatchNorm, Conv2d, Dense, Dropout, Flatten, GroupedConv2d, Op, Quantize,
    Relu, ZeroPad2d, size,
};
use crate::quantizer::Quantization;

/// Whether a layer is the first or the last one, which mostly stay in full precision, or hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// First or last.
    Outer,
    /// Between them.
    Hidden,
}

/// A convolution with a square kernel.
#[derive(Clone, Copy, Debug)]
pub struct Convolution {
    /// Output channels.
    pub channels: usize,
    /// Height and width of the kernel, in pixels.
    pub kernel: usize,
    /// Distance between positions, in pixels.
    pub stride: usize,
    /// Zeros on every side, in pixels.
    pub padding: usize,
    /// Whether a bias is added.
    pub bias: bool,
}

/// A graph in the making, and the network it is to be. Nodes are named by their numbers, as in
/// PyTorch's `nn.Sequential`.
#[derive(Debug)]
pub struct Builder<'a> {
    /// The network.
    pub spec: &'a Spec,
    graph: Graph,
}

impl<'a> Builder<'a> {
    /// The value that holds the images.
    pub const IMAGES: usize = 0;

    pub(super) fn new(spec: &'a Spec) -> Result<Self, GraphError> {
        let graph = Graph::new(spec.input.clone())?;
        Ok(Self { spec, graph })
    }

    pub(super) fn graph(self) -> Graph {
        self.graph
    }

    /// Shape of a value: `[channels, height, width]` or `[features]`.
    pub fn shape(&self, value: usize) -> &[usize] {
        self.graph.shape(value)
    }

    /// Whether the layers are normalized.
    pub fn normalized(&self) -> bool {
        self.spec.precision.normalized()
    }

    /// Quantizer of the weights of a layer at `place`.
    pub fn quantizer(&self, place: Place) -> Option<Quantization> {
        let precision = &self.spec.precision;
        let weights = precision.weights.clone();
        weights.filter(|_| place == Place::Hidden || precision.first_and_last)
    }

    /// Adds `op`, which reads `inputs`.
    ///
    /// # Errors
    /// When it refuses them.
    pub fn op(&mut self, op: impl Op + 'static, inputs: &[usize]) -> Result<usize, GraphError> {
        let name = self.graph.nodes().len().to_string();
        self.graph.push(name, Box::new(op), inputs.to_vec())
    }

    /// Adds a convolution of `x`.
    ///
    /// # Errors
    /// As [`Builder::op`].
    pub fn conv(&mut self, x: usize, of: Convolution, place: Place) -> Result<usize, GraphError> {
        let conv = Conv2d {
            in_channels: self.shape(x)[0],
            out_channels: of.channels,
            kernel: [of.kernel; 2],
            stride: of.stride,
            padding: of.padding,
            bias: of.bias,
            quantizer: self.quantizer(place),
        };
        self.op(conv, &[x])
    }

    /// Adds a convolution of each channel of `x` by itself, without bias.
    ///
    /// # Errors
    /// As [`Builder::op`].
    pub fn depthwise(
        &mut self,
        x: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> Result<usize, GraphError> {
        let channels = self.shape(x)[0];
        let padded = self.op(
            ZeroPad2d {
                padding: [padding; 4],
            },
            &[x],
        )?;
        let conv = GroupedConv2d {
            in_channels: channels,
            out_channels: channels,
            kernel: [kernel; 2],
            stride: [stride; 2],
            dilation: [1; 2],
            groups: channels,
            bias: false,
            quantizer: self.quantizer(Place::Hidden),
        };
        self.op(conv, &[padded])
    }

    /// Adds a dense layer over the features of `x`. Hidden ones have no bias before batch
    /// normalization.
    ///
    /// # Errors
    /// As [`Builder::op`].
    pub fn dense(&mut self, x: usize, out: usize, place: Place) -> Result<usize, GraphError> {
        let dense = Dense {
            in_features: size(self.shape(x)),
            out_features: out,
            bias: place == Place::Outer || !self.normalized(),
            quantizer: self.quantizer(place),
        };
        self.op(dense, &[x])
    }

    /// Adds batch normalization of `x`, with a trained factor.
    ///
    /// # Errors
    /// As [`Builder::op`].
    pub fn normalize(&mut self, x: usize) -> Result<usize, GraphError> {
        let channels = self.shape(x)[0];
        self.op(BatchNorm::new(channels, true), &[x])
    }

    /// Adds the activation, and dropout behind it where dropout stands everywhere.
    ///
    /// # Errors
    /// As [`Builder::op`].
    pub fn activate(&mut self, x: usize) -> Result<usize, GraphError> {
        let activated = match self.spec.precision.activations.clone() {
            Some(quantizer) => self.op(Quantize { quantizer }, &[x]),
            None => self.op(Relu::default(), &[x]),
        }?;
        match self.spec.dropout_placement {
            DropoutPlacement::Dense => Ok(activated),
            DropoutPlacement::All => self.dropout(activated),
        }
    }

    /// Adds dropout.
    ///
    /// # Errors
    /// As [`Builder::op`].
    pub fn dropout(&mut self, x: usize) -> Result<usize, GraphError> {
        let p = self.spec.dropout;
        self.op(Dropout { p }, &[x])
    }

    /// Adds the sum of two values of one shape.
    ///
    /// # Errors
    /// As [`Builder::op`].
    pub fn sum(&mut self, a: usize, b: usize) -> Result<usize, GraphError> {
        self.op(Add {}, &[a, b])
    }

    /// Adds the mean over all positions of each channel, dropout, and the last dense layer: the
    /// logits.
    ///
    /// # Errors
    /// As [`Builder::op`].
    pub fn classify_means(&mut self, x: usize) -> Result<usize, GraphError> {
        let whole = [self.shape(x)[1], self.shape(x)[2]];
        let pool = AveragePool2d {
            kernel: whole,
            stride: whole,
            padding: [0; 4],
            count_padding: false,
        };
        let means = self.op(pool, &[x])?;
        let flat = self.op(Flatten {}, &[means])?;
        let kept = self.dropout(flat)?;
        self.dense(kept, self.spec.n_classes, Place::Outer)
    }
}

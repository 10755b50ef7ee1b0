//! Ops: what a node of a graph computes. One op a file.
//!
//! An [`Op`] is the description that a model file holds. At a given input shape it becomes
//! a [`Layer`], which works on chunks in the engine's lane layout
//! `[block][channel][y][x]` of [`Lanes`].

mod activation;
mod add;
mod affine;
mod average_pool2d;
mod batch_norm;
mod concat;
mod conv2d;
mod conv_plan;
mod dense;
mod dropout;
mod flatten;
mod grouped_conv2d;
mod max_pool2d;
mod pad;
mod pointwise;
mod quantize;
mod rearrange;
pub(crate) mod weights;
mod window_max2d;
mod zero_pad2d;

pub use activation::Relu;
pub use add::Add;
pub use affine::Affine;
pub use average_pool2d::AveragePool2d;
pub use batch_norm::BatchNorm;
pub use concat::Concat;
pub use conv2d::Conv2d;
pub(crate) use conv2d::ConvLayer;
pub use dense::Dense;
pub use dropout::Dropout;
pub use flatten::Flatten;
pub use grouped_conv2d::GroupedConv2d;
pub use max_pool2d::MaxPool2d;
pub use pointwise::{Function, Pointwise};
pub use quantize::Quantize;
pub use rearrange::Rearrange;
pub use window_max2d::WindowMax2d;
pub use zero_pad2d::ZeroPad2d;

use crate::kernel::{Lanes, Simd};
use crate::noise::{Draw, LayerDraw};
use serde_json::Value;
use std::fmt::Debug;

/// Blocks of a chunk at most: a layer may plan its work for each number of them.
pub(crate) const MAX_BLOCKS: usize = 4;

/// Shape of one example: `[channels, height, width]` or `[features]`.
pub type Shape = Vec<usize>;

/// What about an op is random while noise is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stochastic {
    /// Nothing.
    No,
    /// Something drawn for each example.
    PerExample,
    /// Something drawn once for each pass.
    PerPass,
}

/// How a parameter starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// The same value everywhere.
    Constant(f32),
    /// Uniform in ±bound.
    Uniform(f32),
    /// Normal with this deviation, cut at two deviations.
    TruncatedNormal(f32),
}

/// A parameter or statistic of an op.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Name within the op, as PyTorch names it.
    pub name: &'static str,
    /// Shape as PyTorch stores it.
    pub shape: Vec<usize>,
    /// Whether the optimizer moves it (running statistics are not moved).
    pub trainable: bool,
    /// Range it is clipped to after each optimizer step.
    pub clip: Option<(f32, f32)>,
    /// How it starts.
    pub init: Init,
}

/// An op was described wrongly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpError {
    /// The input does not fit.
    #[error("{op} takes {allowed}, got {got}")]
    Shape {
        /// Name of the op.
        op: &'static str,
        /// Shapes given.
        got: String,
        /// Shapes taken.
        allowed: String,
    },
    /// A setting is out of range.
    #[error("{op}: {name} must be {allowed}, got {got}")]
    Setting {
        /// Name of the op.
        op: &'static str,
        /// Name of the setting.
        name: &'static str,
        /// Value given.
        got: String,
        /// Values taken.
        allowed: &'static str,
    },
    /// There is no such op or quantizer.
    #[error("unknown {kind} {got:?}, there are {allowed}")]
    Unknown {
        /// `op` or `quantizer`.
        kind: &'static str,
        /// Name given.
        got: String,
        /// Names there are.
        allowed: String,
    },
    /// The description does not parse.
    #[error("{op}: {reason}")]
    Config {
        /// Name of the op.
        op: String,
        /// What is wrong.
        reason: String,
    },
}

/// What a node computes, apart from the values of its parameters.
pub trait Op: OpObject + Debug + Send + Sync {
    /// Name in model files.
    fn name(&self) -> &'static str;
    /// Output shape.
    ///
    /// # Errors
    /// When the inputs do not fit.
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, OpError>;
    /// Parameters at these input shapes, in PyTorch's order.
    fn params(&self, _inputs: &[Shape]) -> Vec<Param> {
        Vec::new()
    }
    /// What is random about it.
    fn stochastic(&self) -> Stochastic {
        Stochastic::No
    }
    /// The op at given input shapes, which [`Op::shape`] has accepted.
    fn layer(&self, inputs: &[Shape]) -> Box<dyn Layer>;
}

/// What every op has by being plain, copyable settings.
pub trait OpObject {
    /// Settings in model files; [`from_config`] reads them back.
    fn config(&self) -> Value;
    /// A copy.
    fn boxed(&self) -> Box<dyn Op>;
    /// Itself, for recognizing ops in tests and in packing.
    fn as_any(&self) -> &dyn std::any::Any;
}

impl<O: Op + Clone + serde::Serialize + 'static> OpObject for O {
    fn config(&self) -> Value {
        serde_json::json!(self)
    }
    fn boxed(&self) -> Box<dyn Op> {
        Box::new(self.clone())
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// What a layer derives from its parameters for one draw, before any chunk is run.
#[derive(Clone, Debug, Default)]
pub struct Prepared {
    /// Weights as used: quantized, sampled.
    pub effective: Vec<f32>,
    /// The same packed for the forward product.
    pub(crate) forward: Vec<f32>,
    /// The same packed for the input gradient.
    pub(crate) backward: Vec<f32>,
    /// The same packed for the input gradient by what is not zero.
    pub(crate) routed: Vec<Lanes>,
    /// Per-channel numbers of a normalization.
    pub(crate) channel: batch_norm::Channels,
    /// Added to each output channel.
    pub(crate) bias: Vec<f32>,
    /// Binary weights as bits, packed for the forward product of bits.
    pub(crate) bits: Vec<u64>,
    /// The draw, for noise drawn per example.
    pub(crate) draw: Option<LayerDraw>,
    /// What a dropout that only masks leaves to the layers behind it; `None` while noise is off.
    pub(crate) factor: Option<f32>,
}

/// What [`Layer::prepare`] is given.
#[derive(Clone, Copy, Debug)]
pub struct Prepare<'a> {
    /// Values of the op's parameters.
    pub params: &'a [Vec<f32>],
    /// The layer's stream, `None` while noise is off.
    pub draw: Option<LayerDraw>,
    /// Instruction set.
    pub simd: Simd,
    /// Whether an input gradient will be asked for.
    pub input_gradient: bool,
}

/// One chunk on its way forward.
pub struct Forward<'a> {
    /// Instruction set.
    pub simd: Simd,
    /// Blocks in the chunk.
    pub blocks: usize,
    /// Ids of the examples in the lanes, `blocks` arrays of sixteen.
    pub ids: &'a [[u64; 16]],
    /// What the layer's sums are multiplied by: the factor of a dropout that only masks, else 1.
    pub factor: f32,
    /// Inputs, each `blocks * size`.
    pub inputs: &'a [&'a [Lanes]],
    /// Output, `blocks * size`, overwritten.
    pub output: &'a mut [Lanes],
    /// What the way back will need, `blocks * saved`; empty if there is none.
    pub saved: &'a mut [u64],
    /// Memory of the worker's own.
    pub scratch: &'a mut Vec<Lanes>,
}

/// One chunk on its way back.
pub struct Backward<'a> {
    /// Instruction set.
    pub simd: Simd,
    /// Blocks in the chunk.
    pub blocks: usize,
    /// Examples in the chunk; lanes behind them are unused.
    pub examples: usize,
    /// Ids of the examples in the lanes.
    pub ids: &'a [[u64; 16]],
    /// As in [`Forward`].
    pub factor: f32,
    /// Inputs as the forward pass saw them.
    pub inputs: &'a [&'a [Lanes]],
    /// Output of the forward pass.
    pub output: &'a [Lanes],
    /// What the forward pass saved.
    pub saved: &'a [u64],
    /// Gradient with respect to the output; zero in unused lanes.
    pub upstream: &'a [Lanes],
    /// Gradients with respect to the inputs, overwritten where asked for.
    pub input_gradients: &'a mut [Option<&'a mut [Lanes]>],
    /// Gradients with respect to the parameters, summed over the chunk, overwritten.
    pub param_gradients: Option<&'a mut [Vec<f32>]>,
    /// With `param_gradients`: what [`Layer::join`] will need of the chunk, `blocks * gathered`.
    pub gathered: &'a mut [Lanes],
    /// Memory of the worker's own.
    pub scratch: &'a mut Vec<Lanes>,
}

/// The first `size` lanes of a worker's memory, whatever they hold.
pub(crate) fn scratch_of(memory: &mut Vec<Lanes>, size: usize) -> &mut [Lanes] {
    memory.resize(memory.len().max(size), Lanes::ZERO);
    &mut memory[..size]
}

/// An op at fixed shapes, working on chunks.
pub trait Layer: Send + Sync {
    /// Words a block's forward pass saves for the way back, beside its output.
    fn saved(&self) -> usize {
        0
    }
    /// Derives what chunks need from the parameters.
    fn prepare(&self, _args: Prepare<'_>, _into: &mut Prepared) {}
    /// Output from inputs.
    fn forward(&self, prepared: &Prepared, chunk: Forward<'_>);
    /// Input and parameter gradients from the upstream gradient.
    fn backward(&self, prepared: &Prepared, chunk: Backward<'_>);
    /// Numbers of sixteen examples that a block leaves for [`Layer::join`]: what the gradient of
    /// the first parameter is made of, where that is less than the gradient. 0: the chunk's
    /// gradient itself is left.
    fn gathered(&self) -> usize {
        0
    }
    /// Rows of the first parameter's gradient from row `first` on, over all chunks of a batch.
    fn join(&self, _simd: Simd, _chunks: &[&[Lanes]], _first: usize, _rows: &mut [f32]) {}
    /// Turns the gradient with respect to a piece of the first parameter as used (quantized)
    /// into one with respect to it as stored, once a batch: surrogates need not be linear.
    fn surrogate(&self, _latent: &[f32], _gradient: &mut [f32]) {}
    /// Multiply-adds of the forward pass for one example.
    fn products(&self) -> u64 {
        0
    }
    /// Statistics that couple the examples of a batch, if the op has any.
    fn coupling(&self) -> Option<&dyn Coupling> {
        None
    }
}

/// Batch statistics: a barrier on the way forward and on the way back.
pub trait Coupling: Send + Sync {
    /// Statistics of one chunk's input.
    fn forward_part(&self, chunk: &Part<'_>) -> Vec<f64>;
    /// Merges the chunks' statistics in order, leaves what `forward` needs in `prepared` and
    /// moves the running statistics in `params`.
    fn forward_join(&self, parts: &[Vec<f64>], params: &mut [Vec<f32>], prepared: &mut Prepared);
    /// Statistics of one chunk's upstream gradient.
    fn backward_part(&self, chunk: &Part<'_>, prepared: &Prepared) -> Vec<f64>;
    /// Merges them, leaves what `backward` needs in `prepared` and writes the gradients of
    /// the parameters.
    fn backward_join(
        &self,
        parts: &[Vec<f64>],
        params: &[Vec<f32>],
        prepared: &mut Prepared,
        gradients: &mut [Vec<f32>],
    );
}

/// What [`Coupling`] sees of a chunk.
pub struct Part<'a> {
    /// Instruction set.
    pub simd: Simd,
    /// Examples in the chunk; lanes behind them are unused.
    pub examples: usize,
    /// Input of the layer.
    pub input: &'a [Lanes],
    /// Gradient with respect to its output (empty on the way forward).
    pub upstream: &'a [Lanes],
}

type Build = fn(Value) -> Result<Box<dyn Op>, OpError>;

/// Every op a model file may name.
const REGISTRY: &[(&str, Build)] = &[
    ("add", parse::<Add>),
    ("affine", parse::<Affine>),
    ("average_pool2d", parse::<AveragePool2d>),
    ("batch_norm", parse::<BatchNorm>),
    ("concat", parse::<Concat>),
    ("conv2d", parse::<Conv2d>),
    ("dense", parse::<Dense>),
    ("dropout", parse::<Dropout>),
    ("flatten", parse::<Flatten>),
    ("grouped_conv2d", parse::<GroupedConv2d>),
    ("max_pool2d", parse::<MaxPool2d>),
    ("pointwise", parse::<Pointwise>),
    ("quantize", parse::<Quantize>),
    ("rearrange", parse::<Rearrange>),
    ("relu", parse::<Relu>),
    ("window_max2d", parse::<WindowMax2d>),
    ("zero_pad2d", parse::<ZeroPad2d>),
];

/// Settings that are checked before an op exists.
trait Checked: Op + serde::de::DeserializeOwned + 'static {
    fn check(&self) -> Result<(), OpError> {
        Ok(())
    }
}

fn parse<O: Checked>(config: Value) -> Result<Box<dyn Op>, OpError> {
    let op: O = serde_json::from_value(config).map_err(|e| OpError::Config {
        op: std::any::type_name::<O>()
            .rsplit("::")
            .next()
            .unwrap_or_default()
            .into(),
        reason: e.to_string(),
    })?;
    op.check()?;
    Ok(Box::new(op))
}

/// The op called `name` with `config` as [`OpObject::config`] wrote it.
///
/// # Errors
/// For an unknown name, unknown settings, or settings out of range.
pub fn from_config(name: &str, config: Value) -> Result<Box<dyn Op>, OpError> {
    let entry = REGISTRY.iter().find(|(known, _)| *known == name);
    let (_, build) = entry.ok_or_else(|| OpError::Unknown {
        kind: "op",
        got: name.into(),
        allowed: REGISTRY
            .iter()
            .map(|(known, _)| *known)
            .collect::<Vec<_>>()
            .join(", "),
    })?;
    build(config)
}

/// The stream of the layer called `name` under `draw`.
pub(crate) fn layer_draw(draw: Option<Draw>, name: &str) -> Option<LayerDraw> {
    draw.map(|draw| draw.of_layer(name))
}

pub(crate) fn size(shape: &[usize]) -> usize {
    shape.iter().product()
}

pub(crate) fn shapes_text(shapes: &[Shape]) -> String {
    let one = |s: &Shape| {
        format!(
            "({})",
            s.iter()
                .map(usize::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        )
    };
    shapes.iter().map(one).collect::<Vec<_>>().join(" and ")
}

/// The one input shape, if it has `rank` axes.
fn single<'a>(
    op: &'static str,
    inputs: &'a [Shape],
    rank: Option<usize>,
    allowed: &str,
) -> Result<&'a Shape, OpError> {
    match inputs {
        [shape] if rank.is_none_or(|rank| shape.len() == rank) => Ok(shape),
        _ => Err(OpError::Shape {
            op,
            got: shapes_text(inputs),
            allowed: allowed.into(),
        }),
    }
}

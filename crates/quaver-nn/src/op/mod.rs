//! Ops: what a node of a graph computes. One op a file.
//!
//! An [`Op`] is the description that a model file holds. At a given input shape it becomes a
//! layer, which runs.

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
mod layer;
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

pub use crate::op_error::OpError;
pub(crate) use layer::{Backward, Coupling, Forward, Layer, MAX_BLOCKS, Part, Prepare, scratch_of};

use crate::noise::Randomness;
use serde_json::Value;
use std::fmt::Debug;

/// Shape of one example: `[channels, height, width]` or `[features]`.
pub type Shape = Vec<usize>;

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
    fn stochastic(&self) -> Randomness {
        Randomness::None
    }
    /// The op at given input shapes, which [`Op::shape`] has accepted.
    fn layer(&self, inputs: &[Shape]) -> BuiltLayer;
}

/// An op made ready to run, which the engine alone can.
pub struct BuiltLayer(Box<dyn Layer>);

impl BuiltLayer {
    pub(crate) fn new(layer: impl Layer + 'static) -> Self {
        Self(Box::new(layer))
    }

    pub(crate) fn into_box(self) -> Box<dyn Layer> {
        self.0
    }
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

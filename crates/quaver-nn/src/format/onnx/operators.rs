//! All operators of ONNX that are read, by name: what each computes of constants, and the layers it
//! becomes where an input depends on the network's.

use super::error::Reason;
use super::fold::{Fold, elementwise, pick, reduce, shape};
use super::node::Node;
use super::steps::{choose, dequantize_linear, negated};
use super::translator::Translator;
use super::value::Value;
use crate::op::Function;

/// One operator.
pub(super) struct Operator {
    pub(super) name: &'static str,
    /// Where all inputs are constants; `None`: refused.
    pub(super) fold: Option<Fold>,
    /// Elsewhere; `None`: refused.
    pub(super) layer: Option<Layer>,
}

/// Adds the layers of a node on these inputs.
type Layer = fn(&mut Translator<'_>, &Node<'_>, &[Option<&Value>]) -> Result<Value, Reason>;

const fn folded(name: &'static str, fold: Fold) -> Operator {
    Operator {
        name,
        fold: Some(fold),
        layer: None,
    }
}

const fn layer(name: &'static str, layer: Layer) -> Operator {
    Operator {
        name,
        fold: None,
        layer: Some(layer),
    }
}

const fn both(name: &'static str, fold: Fold, layer: Layer) -> Operator {
    Operator {
        name,
        fold: Some(fold),
        layer: Some(layer),
    }
}

/// By name, in alphabetical order.
#[rustfmt::skip]
pub(super) const OPERATORS: &[Operator] = &[
    folded("Abs", Fold::Each(f32::abs)),
    both("Add", Fold::Pairs(Some(|a, b| a + b), Some(i64::checked_add)), |t, n, i| t.arithmetic(n, i)),
    layer("AveragePool", |t, n, i| t.pool(n, i)),
    layer("BatchNormalization", |t, n, i| t.normalization(n, i)),
    both("Cast", Fold::Whole(shape::cast), |_, _, i| same(i)),
    folded("Ceil", Fold::Each(f32::ceil)),
    both("Clip", Fold::Elements(elementwise::clip), |t, n, i| t.clip(n, i)),
    both("Concat", Fold::Whole(pick::concat), |t, n, i| t.concat(n, i)),
    folded("Constant", Fold::Whole(shape::constant)),
    folded("ConstantOfShape", Fold::Whole(shape::constant_of_shape)),
    layer("Conv", |t, n, i| t.convolution(n, i)),
    both("DequantizeLinear", Fold::Scaled(elementwise::linear), |_, _, i| dequantize_linear(i)),
    both("Div", Fold::Pairs(Some(|a, b| a / b), Some(i64::checked_div)), |t, n, i| t.arithmetic(n, i)),
    layer("Dropout", |t, n, i| t.dropout(n, i)),
    folded("Equal", Fold::Truth(|a, b| a == b, Some(|a, b| Some(i64::from(a == b))))),
    folded("Expand", Fold::Whole(shape::expand)),
    both("Flatten", Fold::Whole(shape::axes), |t, n, i| t.flatten(n, i)),
    both("Floor", Fold::Each(f32::floor), |t, n, i| t.round(n, i)),
    folded("Gather", Fold::Whole(pick::gather)),
    layer("Gemm", |t, n, i| t.gemm(n, i)),
    layer("GlobalAveragePool", |t, n, i| t.pool(n, i)),
    layer("GlobalMaxPool", |t, n, i| t.pool(n, i)),
    both("Greater", Fold::Truth(|a, b| a > b, None), |t, n, i| t.compare(n, i)),
    both("GreaterOrEqual", Fold::Truth(|a, b| a >= b, None), |t, n, i| t.compare(n, i)),
    both("Identity", Fold::Whole(shape::identity), |_, _, i| same(i)),
    layer("LeakyRelu", |t, n, i| t.leaky_rectifier(n, i)),
    both("Less", Fold::Truth(|a, b| a < b, None), |t, n, i| t.compare(n, i)),
    both("LessOrEqual", Fold::Truth(|a, b| a <= b, None), |t, n, i| t.compare(n, i)),
    layer("LogSoftmax", |t, n, i| t.softmax(n, i)),
    layer("MatMul", |t, n, i| t.product(n, i)),
    both("Max", Fold::Pairs(Some(f32::max), None), |t, n, i| t.clip(n, i)),
    layer("MaxPool", |t, n, i| t.pool(n, i)),
    both("Min", Fold::Pairs(Some(f32::min), None), |t, n, i| t.clip(n, i)),
    folded("Mod", Fold::Pairs(None, Some(i64::checked_rem_euclid))),
    both("Mul", Fold::Pairs(Some(|a, b| a * b), Some(i64::checked_mul)), |t, n, i| t.arithmetic(n, i)),
    both("Neg", Fold::Each(|v| -v), |t, n, i| t.negate(n, i)),
    both("Not", Fold::Elements(elementwise::not), |_, _, i| negated(i)),
    layer("Pad", |t, n, i| t.pad(n, i)),
    folded("Pow", Fold::Pairs(Some(libm::powf), None)),
    both("QuantizeLinear", Fold::Scaled(elementwise::linear), |t, n, i| t.quantize_linear(n, i)),
    folded("Reciprocal", Fold::Each(|v| 1.0 / v)),
    both("ReduceMax", Fold::Whole(reduce::reduce), |t, n, i| t.reduce(n, i)),
    both("ReduceMean", Fold::Whole(reduce::reduce), |t, n, i| t.reduce(n, i)),
    folded("ReduceMin", Fold::Whole(reduce::reduce)),
    folded("ReduceSum", Fold::Whole(reduce::reduce)),
    both("Relu", Fold::Each(|v| v.max(0.0)), |t, n, i| t.rectifier(n, i)),
    both("Reshape", Fold::Whole(shape::reshape), |t, n, i| t.reshape(n, i)),
    both("Round", Fold::Each(f32::round_ties_even), |t, n, i| t.round(n, i)),
    both("Shape", Fold::Whole(shape::shape), |t, n, i| t.sizes(n, i)),
    layer("Sigmoid", |t, n, i| t.function(n, i, Function::Sigmoid)),
    both("Sign", Fold::Each(|v| if v == 0.0 { 0.0 } else { v.signum() }), |t, n, i| t.sign(n, i)),
    both("Slice", Fold::Whole(pick::slice), |t, n, i| t.strided(n, i)),
    layer("Softmax", |t, n, i| t.softmax(n, i)),
    folded("Sqrt", Fold::Each(f32::sqrt)),
    both("Squeeze", Fold::Whole(shape::axes), |t, n, i| t.axes(n, i)),
    both("Sub", Fold::Pairs(Some(|a, b| a - b), Some(i64::checked_sub)), |t, n, i| t.arithmetic(n, i)),
    both("Tanh", Fold::Each(libm::tanhf), |t, n, i| t.function(n, i, Function::Tanh)),
    both("Transpose", Fold::Whole(shape::transpose), |t, n, i| t.transpose(n, i)),
    both("Unsqueeze", Fold::Whole(shape::axes), |t, n, i| t.axes(n, i)),
    both("Where", Fold::Elements(elementwise::choose), |_, _, i| choose(i)),
];

/// A node that changes nothing.
fn same(inputs: &[Option<&Value>]) -> Result<Value, Reason> {
    inputs[0].cloned().ok_or("it reads nothing".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_stand_once_and_in_order() {
        assert!(OPERATORS.is_sorted_by(|a, b| a.name < b.name));
    }
}

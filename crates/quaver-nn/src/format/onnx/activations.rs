//! Activation functions.

use super::error::Reason;
use super::layers::decimal;
use super::node::Node;
use super::translator::Translator;
use super::value::{Activation, Rounded, Value};
use crate::op::{Dropout, Function, Pointwise, Relu};

impl Translator<'_> {
    pub(super) fn rectifier(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
    ) -> Result<Value, Reason> {
        match inputs {
            [Some(Value::Rounded(rounded))] => return Ok(clipped(rounded, 0.0, f64::INFINITY)),
            [Some(Value::Step(step))] => return Ok(Value::Step(step.map(|v| v.max(0.0)))),
            _ => {}
        }
        let x = self.activation(node.name(), inputs, 0)?;
        let value = self
            .build
            .push(node.name(), Relu::default(), &[x.value], Vec::new());
        Ok(Value::Activation(x.at(value?)))
    }

    /// A function of each number.
    pub(super) fn function(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
        function: Function,
    ) -> Result<Value, Reason> {
        let x = self.activation(node.name(), inputs, 0)?;
        let value = self.pointwise(node.name(), function, &x)?;
        Ok(Value::Activation(x.at(value)))
    }

    pub(super) fn leaky_rectifier(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
    ) -> Result<Value, Reason> {
        let slope = decimal(node.float("alpha", 0.01)?);
        self.function(node, inputs, Function::LeakyRelu { slope })
    }

    pub(super) fn dropout(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
    ) -> Result<Value, Reason> {
        let x = self.activation(node.name(), inputs, 0)?;
        let ratio = match Self::optional(inputs, 1, "ratio")? {
            Some(ratio) => ratio.array.scalar().ok_or("a ratio of one number")?,
            None => node.float("ratio", 0.5)?,
        };
        let p = decimal(ratio);
        let value = self
            .build
            .push(node.name(), Dropout { p }, &[x.value], Vec::new());
        Ok(Value::Activation(x.at(value?)))
    }

    pub(super) fn softmax(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
    ) -> Result<Value, Reason> {
        let x = self.activation(node.name(), inputs, 0)?;
        let axis = node.int("axis", if node.opset < 13 { 1 } else { -1 })?;
        if x.shape.len() != 1 || ![1, -1].contains(&axis) {
            return Err("only a softmax over classes, at the end, is understood".into());
        }
        Ok(Value::Probabilities(x))
    }

    fn pointwise(
        &mut self,
        from: &str,
        function: Function,
        x: &Activation,
    ) -> Result<usize, Reason> {
        let op = Pointwise { function };
        self.build.push(from, op, &[x.value], Vec::new())
    }

    /// Between bounds, or on one side of a constant.
    pub(super) fn clip(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
    ) -> Result<Value, Reason> {
        let bound = |i: usize, name: &str, none: f32| -> Result<f32, Reason> {
            match Self::optional(inputs, i, name)? {
                Some(bound) => bound
                    .array
                    .scalar()
                    .ok_or(format!("a {name} of one number")),
                None => node.float(name, none),
            }
        };
        let (value, low, high) = match (node.op(), inputs) {
            ("Clip", [value, ..]) => (
                value,
                bound(1, "min", f32::MIN)?,
                bound(2, "max", f32::MAX)?,
            ),
            (op, [value, Some(Value::Constant(c))] | [Some(Value::Constant(c)), value]) => {
                let c = c.array.scalar().ok_or("a bound of one number is needed")?;
                let (low, high) = if op == "Max" {
                    (c, f32::MAX)
                } else {
                    (f32::MIN, c)
                };
                (value, low, high)
            }
            _ => return Err("a bound that is a constant is needed".into()),
        };
        let value = match value.ok_or("it reads nothing")? {
            Value::Rounded(rounded) => return Ok(clipped(rounded, decimal(low), decimal(high))),
            Value::Step(step) => return Ok(Value::Step(step.map(|v| v.max(low).min(high)))),
            other => other,
        };
        let x = self.materialize(node.name(), value)?;
        let (min, max) = (decimal(low), decimal(high));
        let value = if low == 0.0 && high == f32::MAX {
            let op = Relu::default();
            self.build.push(node.name(), op, &[x.value], Vec::new())
        } else {
            self.pointwise(node.name(), Function::Clip { min, max }, &x)
        };
        Ok(Value::Activation(x.at(value?)))
    }
}

/// A rounded activation with another clip after it.
fn clipped(rounded: &Rounded, low: f64, high: f64) -> Value {
    let mut rounded = rounded.clone();
    let free = rounded.scale * f64::from(1_u32 << 24);
    let (a, b) = rounded.clip.unwrap_or((-free, free));
    rounded.clip = Some((a.max(low), b.min(high)));
    Value::Rounded(rounded)
}

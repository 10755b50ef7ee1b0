//! Arithmetic of activations with constants and with each other.

use super::array::Array;
use super::constant::{Constant, broadcast};
use super::error::Reason;
use super::layers::decimal;
use super::node::Node;
use super::translator::Translator;
use super::value::{Activation, Step, Value};
use crate::op::{Add, Affine, Dense};

impl Translator<'_> {
    pub(super) fn arithmetic(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
    ) -> Result<Value, Reason> {
        let (value, constant, is_second) = match inputs {
            [Some(value), Some(Value::Constant(constant))] => (*value, constant, true),
            [Some(Value::Constant(constant)), Some(value)] => (*value, constant, false),
            [Some(a), Some(b)] if node.op() == "Add" => return self.sum(node, a, b),
            [Some(a), Some(b)] if node.op() == "Sub" => return self.difference(node, a, b),
            _ => return Err("of two activations only sum and difference are built here".into()),
        };
        if let Some(c) = constant.array.scalar()
            && let Some(known) = by_number(node.op(), value, c, is_second)
        {
            return Ok(known);
        }
        let x = self.materialize(node.name(), value)?;
        self.shifted(node, &x, constant, is_second)
            .map(Value::Activation)
    }

    /// Arithmetic of `x` with one constant, or one for each channel.
    fn shifted(
        &mut self,
        node: &Node<'_>,
        x: &Activation,
        constant: &Constant,
        is_second: bool,
    ) -> Result<Activation, Reason> {
        let by = self.by_channel(x, &constant.array)?;
        let by = by.into_iter().map(decimal);
        let (scale, shift): (Vec<f64>, Vec<f64>) = match (node.op(), is_second) {
            ("Add", _) => by.map(|c| (1.0, c)).unzip(),
            ("Mul", _) => by.map(|c| (c, 0.0)).unzip(),
            ("Sub", true) => by.map(|c| (1.0, -c)).unzip(),
            ("Sub", false) => by.map(|c| (-1.0, c)).unzip(),
            (_, true) => by.map(|c| (1.0 / c, 0.0)).unzip(),
            (_, false) => return Err("a constant divided by activations".into()),
        };
        let dense = self.build.made_by::<Dense>(x.value);
        if let Some((layer, op)) = dense.filter(|(_, op)| !op.bias && node.op() == "Add") {
            let (read, from) = (layer.inputs[0], layer.from.clone());
            let bias = match shift.len() {
                1 => vec![shift[0] as f32; op.out_features],
                _ => shift.iter().map(|&s| s as f32).collect(),
            };
            let params = vec![layer.params[0].clone(), bias];
            let op = Dense {
                bias: true,
                ..op.clone()
            };
            return Ok(x.at(self.build.push(&from, op, &[read], params)?));
        }
        let op = Affine { scale, shift };
        let value = self.build.push(node.name(), op, &[x.value], Vec::new())?;
        Ok(x.at(value))
    }

    /// The numbers of `constant` for each channel of `x`, or one for all.
    fn by_channel(&self, x: &Activation, constant: &Array) -> Result<Vec<f32>, Reason> {
        if let Some(one) = constant.scalar() {
            return Ok(vec![one]);
        }
        let mut shape = vec![1];
        shape.extend(&x.shape);
        let all = broadcast(constant, &shape)?.as_floats();
        let stored = &self.build.shapes[x.value];
        let positions: usize = stored[1..].iter().product();
        let mut channels = vec![None; stored[0]];
        for (value, at) in all.into_iter().zip(x.order()) {
            let channel = channels[at / positions].get_or_insert(value);
            if *channel != value {
                return Err(
                    "a constant that differs between positions; one for each channel is needed"
                        .into(),
                );
            }
        }
        Ok(channels.into_iter().flatten().collect())
    }

    /// The sum of two activations.
    fn sum(&mut self, node: &Node<'_>, a: &Value, b: &Value) -> Result<Value, Reason> {
        for (residue, other) in [(a, b), (b, a)] {
            if let Value::Residue { kept, taken } = residue
                && self.materialize(node.name(), other)? == *taken
            {
                return Ok((**kept).clone());
            }
        }
        if let Some(step) = joined(a, b, |a, b| a + b) {
            return Ok(step);
        }
        let a = self.materialize(node.name(), a)?;
        let b = self.materialize(node.name(), b)?;
        self.added(node.name(), &a, &b).map(Value::Activation)
    }

    pub(super) fn added(
        &mut self,
        from: &str,
        a: &Activation,
        b: &Activation,
    ) -> Result<Activation, Reason> {
        if a.shape != b.shape {
            return Err(format!(
                "it adds {:?} and {:?}; only equal shapes are added here",
                a.shape, b.shape
            ));
        }
        let [kept, other] = [a, b].map(|x| &self.build.shapes[x.value]);
        let (a, b) = match a.at(0) == b.at(0) && kept == other {
            true => (a.clone(), b.clone()),
            false => (
                self.arranged(from, a, a.shape.clone())?,
                self.arranged(from, b, b.shape.clone())?,
            ),
        };
        let both = [a.value, b.value];
        Ok(a.at(self.build.push(from, Add {}, &both, Vec::new())?))
    }

    /// `a - b`, which `x + (q(x) - x)` undoes: the straight-through form of a quantizer.
    fn difference(&mut self, node: &Node<'_>, a: &Value, b: &Value) -> Result<Value, Reason> {
        if let Some(step) = joined(a, b, |a, b| a - b) {
            return Ok(step);
        }
        let taken = self.materialize(node.name(), b)?;
        if matches!(a, Value::Activation(a) if *a == taken) {
            return Ok(Value::Constant(Array::floats(vec![], vec![0.0]).into()));
        }
        let kept = Box::new(a.clone());
        Ok(Value::Residue { kept, taken })
    }

    pub(super) fn negate(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
    ) -> Result<Value, Reason> {
        let x = inputs[0].ok_or("it reads nothing")?;
        if let Value::Step(step) = x {
            return Ok(Value::Step(step.map(|v| -v)));
        }
        let x = self.materialize(node.name(), x)?;
        let negated = self.scaled(node.name(), &x, -1.0, 0.0)?;
        Ok(Value::Activation(negated))
    }
}

/// Two signs of the same activation as one.
fn joined(a: &Value, b: &Value, f: impl Fn(f32, f32) -> f32) -> Option<Value> {
    match (a, b) {
        (Value::Step(a), Value::Step(b)) if a.of == b.of => Some(Value::Step(Step {
            of: a.of.clone(),
            low: f(a.low, b.low),
            high: f(a.high, b.high),
        })),
        _ => None,
    }
}

/// Arithmetic of a quantizer on its way, or of zero, with one number.
fn by_number(op: &str, value: &Value, c: f32, is_second: bool) -> Option<Value> {
    let f = |v: f32| match (op, is_second) {
        ("Add", _) => v + c,
        ("Mul", _) => v * c,
        ("Sub", true) => v - c,
        ("Sub", false) => c - v,
        (_, true) => v / c,
        (_, false) => c / v,
    };
    let by = decimal(c);
    match (value, op) {
        (Value::Step(step), _) => Some(Value::Step(step.map(f))),
        (_, "Add") if c == 0.0 => Some(value.clone()),
        (Value::Rounded(rounded), "Add") => Some(Value::Rounded(rounded.line(1.0, by))),
        (Value::Rounded(rounded), "Sub") if is_second => {
            Some(Value::Rounded(rounded.line(1.0, -by)))
        }
        (Value::Rounded(rounded), "Mul") if c > 0.0 => Some(Value::Rounded(rounded.line(by, 0.0))),
        (Value::Rounded(rounded), "Div") if is_second && c > 0.0 => {
            Some(Value::Rounded(rounded.line(1.0 / by, 0.0)))
        }
        _ => None,
    }
}

//! Activation functions, and what only moves elements.

use super::array::Array;
use super::error::Reason;
use super::fold::reshaped_by;
use super::layers::decimal;
use super::node::Node;
use super::translate::Translator;
use super::value::{Activation, Rounded, Value};
use crate::op::{Concat, Dropout, Function, Pointwise, Relu};

impl Translator<'_> {
    pub(super) fn activate(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
    ) -> Result<Value, Reason> {
        if node.op() == "Clip" {
            return self.clip(node, inputs);
        }
        if let ("Relu", [Some(Value::Rounded(rounded))]) = (node.op(), inputs) {
            return Ok(clipped(rounded, 0.0, f64::INFINITY));
        }
        let x = self.activation(node.name(), inputs, 0)?;
        let (from, read) = (node.name(), [x.value]);
        let value = match node.op() {
            "Relu" => self.build.push(from, Relu::default(), &read, Vec::new()),
            "Sigmoid" => self.pointwise(from, Function::Sigmoid, &x),
            "Tanh" => self.pointwise(from, Function::Tanh, &x),
            "LeakyRelu" => {
                let slope = decimal(node.float("alpha", 0.01)?);
                self.pointwise(from, Function::LeakyRelu { slope }, &x)
            }
            "Dropout" => {
                let ratio = match Self::optional(inputs, 1, "ratio")? {
                    Some(ratio) => ratio.array.scalar().ok_or("a ratio of one number")?,
                    None => node.float("ratio", 0.5)?,
                };
                let p = decimal(ratio);
                self.build.push(from, Dropout { p }, &read, Vec::new())
            }
            "Softmax" | "LogSoftmax" => {
                let axis = node.int("axis", if node.opset < 13 { 1 } else { -1 })?;
                if x.shape.len() != 1 || ![1, -1].contains(&axis) {
                    return Err("only a softmax over classes, at the end, is understood".into());
                }
                return Ok(Value::Probabilities(x));
            }
            _ => {
                return Err("there is no such activation here; Clip of a line would be one".into());
            }
        };
        Ok(Value::Activation(x.at(value?)))
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

    fn clip(&mut self, node: &Node<'_>, inputs: &[Option<&Value>]) -> Result<Value, Reason> {
        let bound = |i: usize, name: &str, none: f32| -> Result<f32, Reason> {
            match Self::optional(inputs, i, name)? {
                Some(bound) => bound
                    .array
                    .scalar()
                    .ok_or(format!("a {name} of one number")),
                None => node.float(name, none),
            }
        };
        let (low, high) = (bound(1, "min", f32::MIN)?, bound(2, "max", f32::MAX)?);
        if let Some(Value::Rounded(rounded)) = inputs.first().copied().flatten() {
            return Ok(clipped(rounded, decimal(low), decimal(high)));
        }
        let x = self.activation(node.name(), inputs, 0)?;
        let (min, max) = (decimal(low), decimal(high));
        let value = if low == 0.0 && high == f32::MAX {
            let op = Relu::default();
            self.build.push(node.name(), op, &[x.value], Vec::new())
        } else {
            self.pointwise(node.name(), Function::Clip { min, max }, &x)
        };
        Ok(Value::Activation(x.at(value?)))
    }

    pub(super) fn reshape(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
    ) -> Result<Value, Reason> {
        match node.op() {
            "Pad" => return self.pad(node, inputs),
            "Concat" => return self.concat(node, inputs),
            _ => {}
        }
        let x = self.activation(node.name(), inputs, 0)?;
        if node.op() == "Shape" {
            // 0 asks a reshape to keep the batch axis.
            let sizes = std::iter::once(0).chain(x.shape.iter().map(|&d| d as i64));
            let sizes: Vec<i64> = sizes.collect();
            let array = Array::ints(vec![sizes.len()], sizes);
            return Ok(Value::Constant(array.into()));
        }
        let moved = match node.op() {
            "Transpose" => {
                let rank = x.shape.len() + 1;
                let perm = node.axes("perm", (0..rank).rev().collect())?;
                match &perm[..] {
                    [0, rest @ ..] if rest.iter().all(|p| *p > 0) => {
                        let rest: Vec<usize> = rest.iter().map(|p| p - 1).collect();
                        x.transposed(&rest)
                    }
                    _ => Err("the batch must stay the first axis".into()),
                }
            }
            "Reshape" => {
                let target = Self::constant(inputs, 1, "shape")?.array.as_ints()?;
                let keeps = node.int("allowzero", 0)? == 0;
                x.reshaped(self.example(&x, target, keeps)?)
            }
            _ => {
                // The batch counts as one example.
                let mut shape = vec![usize::MAX];
                shape.extend(&x.shape);
                let axes = Self::optional(inputs, 1, "axes")?;
                match node.op() {
                    "Flatten" if node.int("axis", 1)? == 1 => x.reshaped(vec![x.size()]),
                    "Flatten" => Err("the batch must stay the first axis".into()),
                    _ => match reshaped_by(node, &shape, axes)?.split_first() {
                        Some((&usize::MAX, rest)) => x.reshaped(rest.to_vec()),
                        _ => Err("the batch must stay the first axis".into()),
                    },
                }
            }
        };
        let moved = moved?;
        // Flattened where ONNX flattens, so that layers keep their order.
        match moved.shape.len() {
            1 => self.vector(node.name(), &moved).map(Value::Activation),
            _ => Ok(Value::Activation(moved)),
        }
    }

    /// The shape of one example that a reshape to `target` asks for.
    fn example(&self, x: &Activation, target: &[i64], keeps: bool) -> Result<Vec<usize>, Reason> {
        let merged = || "a reshape that moves the batch axis".to_string();
        let (&batch, rest) = target.split_first().ok_or_else(merged)?;
        let is_batch = [0, -1].contains(&batch) || self.batch == Some(batch);
        let mut shape = Vec::new();
        let mut free = None;
        for (i, &t) in rest.iter().enumerate() {
            shape.push(match t {
                0 if keeps => *x.shape.get(i).ok_or_else(merged)?,
                -1 if batch != -1 && free.is_none() => {
                    free = Some(i);
                    1
                }
                t => usize::try_from(t).map_err(|_| merged())?,
            });
        }
        let known = shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
        let known = known.filter(|&n| n > 0 && is_batch).ok_or_else(merged)?;
        if let Some(free) = free {
            shape[free] = x.size() / known;
        }
        Ok(shape)
    }

    fn pad(&mut self, node: &Node<'_>, inputs: &[Option<&Value>]) -> Result<Value, Reason> {
        let x = self.image(node.name(), inputs)?;
        let pads = match Self::optional(inputs, 1, "pads")? {
            Some(pads) => pads.array.as_ints()?.to_vec(),
            None => node.ints("pads")?.unwrap_or_default(),
        };
        let value = match Self::optional(inputs, 2, "value")? {
            Some(value) => value.array.scalar(),
            None => Some(node.float("value", 0.0)?),
        };
        let mode = node.text("mode")?;
        let [0, 0, top, left, 0, 0, bottom, right] = pads[..] else {
            return Err(format!(
                "pads {pads:?}; only height and width are padded here"
            ));
        };
        if value != Some(0.0) || !["", "constant"].contains(&mode) {
            return Err(format!(
                "{mode} padding with {value:?}; only zeros are padded here"
            ));
        }
        let size = |p: i64| usize::try_from(p).map_err(|_| format!("a padding of {p}"));
        let sides = [size(top)?, size(left)?, size(bottom)?, size(right)?];
        self.padded(node, &x, sides).map(Value::Activation)
    }

    fn concat(&mut self, node: &Node<'_>, inputs: &[Option<&Value>]) -> Result<Value, Reason> {
        let mut parts = Vec::new();
        for i in 0..inputs.len() {
            let x = self.activation(node.name(), inputs, i)?;
            let stored = &self.build.shapes[x.value];
            if !x.is_plain() || *stored != x.shape {
                return Err("it joins values that are kept in another layout here".into());
            }
            parts.push(x.value);
        }
        let rank = self.build.shapes[parts[0]].len() as i64 + 1;
        if ![1, 1 - rank].contains(&node.int("axis", 1)?) {
            return Err("only channels (axis 1) are joined here".into());
        }
        let value = self
            .build
            .push(node.name(), Concat {}, &parts, Vec::new())?;
        let joined = Activation::new(value, &self.build.shapes[value]);
        Ok(Value::Activation(joined))
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

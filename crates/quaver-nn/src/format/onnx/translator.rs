//! [`Translator`]: a graph half way, and how layers ask for their inputs.

use super::builder::Builder;
use super::constant::{Budget, Constant};
use super::error::Reason;
use super::value::{Activation, Value};
use crate::op::{Flatten, Shape};
use crate::quantizer::Surrogate;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A graph half way.
pub(super) struct Translator<'a> {
    /// What the names of the file stand for.
    pub(super) names: BTreeMap<&'a str, Rc<Value>>,
    pub(super) build: Builder,
    pub(super) budget: Budget,
    /// How often names are still to be read, and what their constants took of the budget.
    pub(super) reads: BTreeMap<&'a str, usize>,
    pub(super) taken: BTreeMap<&'a str, usize>,
    pub(super) surrogate: Surrogate,
    /// Size of the batch axis in the file, if it is fixed.
    pub(super) batch: Option<i64>,
    /// What whoever imports should know.
    pub(super) notes: Vec<String>,
}

impl Translator<'_> {
    /// The numbers of a constant input.
    pub(super) fn constant<'v>(
        inputs: &[Option<&'v Value>],
        i: usize,
        what: &str,
    ) -> Result<&'v Constant, Reason> {
        match inputs.get(i).copied().flatten() {
            Some(Value::Constant(constant)) => Ok(constant),
            Some(_) => Err(format!(
                "its {what} depends on the input; only constants can be"
            )),
            None => Err(format!("it has no {what}")),
        }
    }

    /// The same, if it is given.
    pub(super) fn optional<'v>(
        inputs: &[Option<&'v Value>],
        i: usize,
        what: &str,
    ) -> Result<Option<&'v Constant>, Reason> {
        match inputs.get(i).copied().flatten() {
            None => Ok(None),
            Some(_) => Self::constant(inputs, i, what).map(Some),
        }
    }

    /// Input `i` as the output of a layer.
    pub(super) fn activation(
        &mut self,
        from: &str,
        inputs: &[Option<&Value>],
        i: usize,
    ) -> Result<Activation, Reason> {
        let value = inputs.get(i).copied().flatten();
        let value = value.ok_or_else(|| format!("input {i} is missing"))?;
        self.materialize(from, value)
    }

    /// Input 0 as images in the layout of this engine.
    pub(super) fn image(
        &mut self,
        from: &str,
        inputs: &[Option<&Value>],
    ) -> Result<Activation, Reason> {
        let x = self.activation(from, inputs, 0)?;
        let shape = &self.build.shapes[x.value];
        if x.shape.len() == 3 && x.is_plain() && *shape == x.shape {
            return Ok(x);
        }
        if x.shape.len() != 3 {
            return Err(format!(
                "it reads {:?}, kept here as {shape:?}; images of (channels, height, width) are needed",
                x.shape
            ));
        }
        let is_input = |value: &Rc<Value>| matches!(&**value, Value::Activation(a) if a.value == 0);
        let is_only = self.names.values().filter(|value| is_input(value)).count() <= 1;
        let is_last = shape.len() == 1 && x.transposed(&[1, 2, 0]).is_ok_and(|x| x.is_plain());
        let is_first = x.value == 0 && self.build.layers.is_empty();
        if is_first && (x.is_plain() || is_only && is_last) {
            if !x.is_plain() {
                self.notes.push(format!(
                    "its input is flat, channels last; here images are {:?}",
                    x.shape
                ));
            }
            self.build = Builder::new(x.shape.clone());
            return Ok(Activation::new(0, &x.shape));
        }
        self.arranged(from, &x, x.shape.clone())
    }

    /// `x` in ONNX's order, as a value of shape `shape`.
    pub(super) fn arranged(
        &mut self,
        from: &str,
        x: &Activation,
        shape: Shape,
    ) -> Result<Activation, Reason> {
        let value = match x.is_plain() && self.build.shapes[x.value] == shape {
            true => x.value,
            false => {
                let op = x.rearranged(shape.clone());
                self.build.push(from, op, &[x.value], Vec::new())?
            }
        };
        Ok(Activation::new(value, &shape))
    }

    /// `x` as features: a flattened value, perhaps in another order.
    pub(super) fn vector(&mut self, from: &str, x: &Activation) -> Result<Activation, Reason> {
        if x.shape.len() != 1 {
            return Err(format!(
                "it reads {:?}; (batch, features) is needed",
                x.shape
            ));
        }
        let value = match self.build.shapes[x.value].len() {
            1 => x.value,
            _ => self.build.push(from, Flatten {}, &[x.value], Vec::new())?,
        };
        Ok(x.at(value))
    }
}

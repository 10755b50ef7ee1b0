//! [`Node`]: an operator of an ONNX file and its settings.

use super::array::sizes;
use super::array::{self, Array};
use super::error::{OnnxError, Reason};
use super::message::{Attribute, NodeMessage};

/// One operator.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    pub(super) message: &'a NodeMessage,
    /// Version of the operators.
    pub(super) opset: i64,
}

impl<'a> Node<'a> {
    pub(super) fn op(&self) -> &'a str {
        &self.message.op_type
    }

    /// Its name, or that of its output.
    pub(super) fn name(&self) -> &'a str {
        match self.message.name.as_str() {
            "" => self
                .message
                .output
                .first()
                .map_or("unnamed", String::as_str),
            name => name,
        }
    }

    pub(super) fn error(&self, reason: Reason) -> OnnxError {
        OnnxError::Node {
            node: self.name().into(),
            operator: self.op().into(),
            reason,
        }
    }

    fn attribute(&self, name: &str, kind: i32) -> Result<Option<&'a Attribute>, Reason> {
        let known = self.message.attribute.iter().find(|a| a.name == name);
        match known {
            Some(a) if a.kind != kind && a.kind != 0 => Err(format!(
                "attribute {name} is of kind {}, expected {kind}",
                a.kind
            )),
            known => Ok(known),
        }
    }

    pub(super) fn int(&self, name: &str, default: i64) -> Result<i64, Reason> {
        let known = self.attribute(name, Attribute::INT)?;
        Ok(known.map_or(default, |a| a.i))
    }

    pub(super) fn float(&self, name: &str, default: f32) -> Result<f32, Reason> {
        let known = self.attribute(name, Attribute::FLOAT)?;
        Ok(known.map_or(default, |a| a.f))
    }

    pub(super) fn ints(&self, name: &str) -> Result<Option<Vec<i64>>, Reason> {
        let known = self.attribute(name, Attribute::INTS)?;
        Ok(known.map(|a| a.ints.clone()))
    }

    /// Text, or nothing where there is none.
    pub(super) fn text(&self, name: &str) -> Result<&'a str, Reason> {
        let known = self.attribute(name, Attribute::STRING)?;
        let bytes = known.map_or(&[][..], |a| &a.s[..]);
        std::str::from_utf8(bytes).map_err(|_| format!("attribute {name} is no text"))
    }

    pub(super) fn tensor(&self, name: &str) -> Result<Option<Array>, Reason> {
        let known = self.attribute(name, Attribute::TENSOR)?;
        let tensor = known.and_then(|a| a.t.as_deref());
        tensor
            .map(array::read)
            .transpose()
            .map_err(|e| e.to_string())
    }

    /// Sizes or axes, `default` where there are none.
    pub(super) fn axes(&self, name: &str, default: Vec<usize>) -> Result<Vec<usize>, Reason> {
        match self.ints(name)? {
            Some(values) => sizes(&values),
            None => Ok(default),
        }
    }

    /// `N` sizes, `default` where there are none.
    pub(super) fn sizes<const N: usize>(
        &self,
        name: &str,
        default: [usize; N],
    ) -> Result<[usize; N], Reason> {
        let values = self.axes(name, default.to_vec())?;
        let got = format!("{name} is {values:?}, expected {N} numbers (two-dimensional images)");
        values.try_into().map_err(|_| got)
    }

    /// The constant that a Constant node holds.
    pub(super) fn constant(&self) -> Result<Array, Reason> {
        if let Some(array) = self.tensor("value")? {
            return Ok(array);
        }
        let held = &self.message.attribute;
        let Some(a) = held.iter().find(|a| a.name.starts_with("value")) else {
            return Err("it holds no value".into());
        };
        Ok(match a.name.as_str() {
            "value_float" => Array::floats(vec![], vec![a.f]),
            "value_floats" => Array::floats(vec![a.floats.len()], a.floats.clone()),
            "value_int" => Array::ints(vec![], vec![a.i]),
            "value_ints" => Array::ints(vec![a.ints.len()], a.ints.clone()),
            other => return Err(format!("constants of {other} are not read")),
        })
    }
}

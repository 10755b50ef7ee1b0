//! What only moves elements.

use super::array::Array;
use super::error::Reason;
use super::fold::shape::reshaped_by;
use super::node::Node;
use super::translator::Translator;
use super::value::{Activation, Value};
use crate::op::{Concat, Conv2d, WindowMax2d};

/// Why a node that moves the first axis is refused.
const BATCH_MOVES: &str = "the batch must stay the first axis";

impl Translator<'_> {
    /// The batch is 0, which asks a reshape to keep it.
    pub(super) fn sizes(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
    ) -> Result<Value, Reason> {
        let x = self.activation(node.name(), inputs, 0)?;
        let sizes = std::iter::once(0).chain(x.shape.iter().map(|&d| d as i64));
        let sizes: Vec<i64> = sizes.collect();
        let array = Array::ints(vec![sizes.len()], sizes);
        Ok(Value::Constant(array.into()))
    }

    pub(super) fn transpose(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
    ) -> Result<Value, Reason> {
        let x = self.activation(node.name(), inputs, 0)?;
        let rank = x.shape.len() + 1;
        let perm = node.axes("perm", (0..rank).rev().collect())?;
        let moved = match &perm[..] {
            [0, rest @ ..] if rest.iter().all(|p| *p > 0) => {
                let rest: Vec<usize> = rest.iter().map(|p| p - 1).collect();
                x.transposed(&rest)
            }
            _ => Err(BATCH_MOVES.into()),
        };
        self.flat(node, moved?)
    }

    pub(super) fn reshape(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
    ) -> Result<Value, Reason> {
        let x = self.activation(node.name(), inputs, 0)?;
        let target = Self::constant(inputs, 1, "shape")?.array.as_ints()?;
        let keeps = node.int("allowzero", 0)? == 0;
        let shape = self.example(&x, target, keeps)?;
        self.flat(node, x.reshaped(shape)?)
    }

    pub(super) fn flatten(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
    ) -> Result<Value, Reason> {
        let x = self.activation(node.name(), inputs, 0)?;
        if node.int("axis", 1)? != 1 {
            return Err(BATCH_MOVES.into());
        }
        self.flat(node, x.reshaped(vec![x.size()])?)
    }

    /// Axes of one element that come or go.
    pub(super) fn axes(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
    ) -> Result<Value, Reason> {
        let x = self.activation(node.name(), inputs, 0)?;
        // The batch counts as one example.
        let mut shape = vec![usize::MAX];
        shape.extend(&x.shape);
        let axes = Self::optional(inputs, 1, "axes")?;
        match reshaped_by(node, &shape, axes)?.split_first() {
            Some((&usize::MAX, rest)) => self.flat(node, x.reshaped(rest.to_vec())?),
            _ => Err(BATCH_MOVES.into()),
        }
    }

    /// Flattened where ONNX flattens, so that layers keep their order.
    fn flat(&mut self, node: &Node<'_>, moved: Activation) -> Result<Value, Reason> {
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

    pub(super) fn pad(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
    ) -> Result<Value, Reason> {
        let x = self.activation(node.name(), inputs, 0)?;
        let pads = match Self::optional(inputs, 1, "pads")? {
            Some(pads) => pads.array.as_ints()?.to_vec(),
            None => node.ints("pads")?.unwrap_or_default(),
        };
        let value = match Self::optional(inputs, 2, "value")? {
            Some(value) => value.array.scalar(),
            None => Some(node.float("value", 0.0)?),
        };
        let mode = node.text("mode")?;
        let stored = self.build.shapes[x.value].clone();
        // Channels may be last.
        let (x, places) = match x.places(&stored).filter(|places| places.len() == 3) {
            Some(places) => (Activation::new(x.value, &stored), places),
            None => (self.image(node.name(), inputs)?, vec![0, 1, 2]),
        };
        let sizes = pads.iter().map(|&p| usize::try_from(p));
        let sizes: Result<Vec<usize>, _> = sizes.collect();
        let Ok(&[0, a, b, c, 0, d, e, f]) = sizes.as_deref() else {
            return Err(format!(
                "pads {pads:?}; zeros are added to channels, height and width here"
            ));
        };
        if value != Some(0.0) || !["", "constant"].contains(&mode) {
            return Err(format!(
                "{mode} padding with {value:?}; only zeros are padded here"
            ));
        }
        let mut sides = [[0; 2]; 3];
        for (place, side) in places.iter().zip([[a, d], [b, e], [c, f]]) {
            sides[*place] = side;
        }
        let [channels, [top, bottom], [left, right]] = sides;
        let x = match channels {
            [0, 0] => x,
            [before, behind] => self.more_channels(node, &x, before, behind)?,
        };
        let x = match [top, left, bottom, right] {
            [0, 0, 0, 0] => x,
            sides => self.padded(node, &x, sides)?,
        };
        x.transposed(&places).map(Value::Activation)
    }

    /// Channels of zeros around those of `x`, by a convolution that picks the ones there are: the
    /// shortcut without weights of He et al. (2016), option A.
    fn more_channels(
        &mut self,
        node: &Node<'_>,
        x: &Activation,
        before: usize,
        behind: usize,
    ) -> Result<Activation, Reason> {
        let in_channels = x.shape[0];
        let out_channels = before.saturating_add(in_channels).saturating_add(behind);
        self.budget.take(&[in_channels, out_channels])?;
        let mut weights = vec![0.0; in_channels * out_channels];
        (0..in_channels).for_each(|c| weights[(before + c) * in_channels + c] = 1.0);
        let op = Conv2d {
            in_channels,
            out_channels,
            kernel: [1, 1],
            stride: 1,
            padding: 0,
            bias: false,
            quantizer: None,
        };
        let value = self
            .build
            .push(node.name(), op, &[x.value], vec![weights])?;
        Ok(Activation::new(value, &self.build.shapes[value]))
    }

    /// Every s-th row and column: maxima over windows of one pixel.
    pub(super) fn strided(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
    ) -> Result<Value, Reason> {
        let x = self.image(node.name(), inputs)?;
        let list = |i: usize, name: &str| -> Result<Option<Vec<i64>>, Reason> {
            let given = Self::optional(inputs, i, name)?;
            given
                .map(|list| list.array.as_ints().map(<[i64]>::to_vec))
                .transpose()
        };
        let starts = list(1, "starts")?.unwrap_or_default();
        let ends = list(2, "ends")?.unwrap_or_default();
        let axes = list(3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = list(4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
        let mut stride = [1; 2];
        let mut whole = starts.iter().all(|s| *s == 0);
        for ((axis, end), step) in axes.iter().zip(&ends).zip(&steps) {
            let axis = axis.rem_euclid(4) as usize;
            whole &= axis == 0 || usize::try_from(*end).is_ok_and(|end| end >= x.shape[axis - 1]);
            match (axis, usize::try_from(*step)) {
                (_, Ok(1)) => {}
                (2 | 3, Ok(step)) if step > 1 => stride[axis - 2] = step,
                _ => whole = false,
            }
        }
        if !whole || axes.len() != starts.len() || ends.len() != starts.len() {
            return Err("of slices only every s-th row and column of all is built here".into());
        }
        if stride == [1, 1] {
            return Ok(Value::Activation(x));
        }
        let op = WindowMax2d {
            kernel: [1, 1],
            stride,
            dilation: [1, 1],
            padding: [0; 4],
        };
        let value = self.build.push(node.name(), op, &[x.value], Vec::new())?;
        let strided = Activation::new(value, &self.build.shapes[value]);
        Ok(Value::Activation(strided))
    }

    pub(super) fn concat(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
    ) -> Result<Value, Reason> {
        let mut parts = Vec::new();
        for i in 0..inputs.len() {
            parts.push(self.activation(node.name(), inputs, i)?);
        }
        let order = |part: &Activation| part.places(&self.build.shapes[part.value]);
        let first = parts.first().and_then(order);
        let places =
            match first.filter(|first| parts.iter().all(|p| order(p).as_ref() == Some(first))) {
                Some(places) => places,
                None => {
                    for part in &mut parts {
                        *part = self.arranged(node.name(), part, part.shape.clone())?;
                    }
                    (0..parts.first().map_or(0, |part| part.shape.len())).collect()
                }
            };
        let axis = node.int("axis", 1)?.rem_euclid(places.len() as i64 + 1);
        let place = usize::try_from(axis - 1).ok().and_then(|i| places.get(i));
        if place != Some(&0) {
            return Err("only channels are joined here".into());
        }
        let parts: Vec<usize> = parts.iter().map(|part| part.value).collect();
        let value = self
            .build
            .push(node.name(), Concat {}, &parts, Vec::new())?;
        let joined = Activation::new(value, &self.build.shapes[value]);
        joined.transposed(&places).map(Value::Activation)
    }
}

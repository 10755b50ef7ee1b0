//! Elementwise operators on constants.

use super::super::array::{Array, Numbers, kind};
use super::super::constant::{Budget, Constant, broadcast};
use super::super::error::Reason;
use super::super::node::Node;
use super::Constants;

/// The inputs of an elementwise operator, and the shape that they have in common.
pub(in super::super) struct Elements<'a> {
    inputs: Constants<'a>,
    shape: Vec<usize>,
}

impl<'a> Elements<'a> {
    /// Claims the memory of an output. Scales of quantized numbers lie along an axis of their own
    /// (`is_scaled`), so that the first input alone has the shape. `None`: no input is given.
    pub(super) fn new(
        inputs: Constants<'a>,
        is_scaled: bool,
        budget: &mut Budget,
    ) -> Result<Option<Self>, Reason> {
        let mut given = inputs.iter().flatten();
        let Some(first) = given.next() else {
            return Ok(None);
        };
        let mut shape = first.array.shape.clone();
        for constant in given.filter(|_| !is_scaled) {
            shape = common_shape(&shape, &constant.array.shape)?;
        }
        budget.take(&shape)?;
        Ok(Some(Self { inputs, shape }))
    }

    /// How many inputs are given.
    pub(super) fn n_given(&self) -> usize {
        self.inputs.iter().flatten().count()
    }

    fn given(&self, i: usize) -> Option<&'a Constant> {
        self.inputs.get(i).copied().flatten()
    }

    /// Input `i` in the common shape.
    pub(super) fn of(&self, i: usize) -> Result<Array, Reason> {
        let given = self.given(i);
        let given = given.ok_or_else(|| format!("input {i} is missing"))?;
        broadcast(&given.array, &self.shape)
    }

    /// `numbers` as the output, with the latent values it began with.
    pub(super) fn output(self, numbers: Numbers) -> Constant {
        let is_float = matches!(numbers, Numbers::Float(_));
        let kind = if is_float { kind::FLOAT } else { kind::INT64 };
        // Of one large operand the others are settings: a step, a threshold, a scale.
        let mut large = self.inputs.iter().flatten();
        let mut large = large
            .by_ref()
            .filter(|c| c.array.shape == self.shape && c.array.len() > 1);
        let latent = match (large.next(), large.next()) {
            (Some(one), None) => one
                .latent
                .clone()
                .or_else(|| one.array.is_float().then(|| one.array.clone())),
            _ => None,
        };
        Constant {
            array: Array {
                shape: self.shape,
                numbers,
                kind,
            },
            latent,
            is_fixed: false,
        }
    }
}

fn common_shape(a: &[usize], b: &[usize]) -> Result<Vec<usize>, Reason> {
    let rank = a.len().max(b.len());
    let axis = |shape: &[usize], i: usize| {
        (i + shape.len())
            .checked_sub(rank)
            .map_or(1, |at| shape[at])
    };
    let common = |i: usize| match (axis(a, i), axis(b, i)) {
        (1, n) | (n, 1) => Ok(n),
        (n, m) if n == m => Ok(n),
        (n, m) => Err(format!("axes of {n} and {m} do not broadcast")),
    };
    (0..rank).map(common).collect()
}

/// 1 for 0, else 0.
pub(in super::super) fn not(_: &Node<'_>, x: &Elements<'_>) -> Result<Numbers, Reason> {
    let x = x.of(0)?;
    let flipped = x.as_ints()?.iter().map(|&v| i64::from(v == 0));
    Ok(Numbers::Int(flipped.collect()))
}

/// Between bounds, which are settings in old files and inputs in others.
pub(in super::super) fn clip(node: &Node<'_>, x: &Elements<'_>) -> Result<Numbers, Reason> {
    let bound = |i: usize, name: &str, none: f32| -> Result<f32, Reason> {
        match x.given(i) {
            Some(bound) => bound.array.scalar().ok_or("a bound of one number".into()),
            None if x.n_given() == 1 => node.float(name, none),
            None => Ok(none),
        }
    };
    let (low, high) = (bound(1, "min", f32::MIN)?, bound(2, "max", f32::MAX)?);
    let clipped = x.of(0)?.as_floats().into_iter();
    Ok(Numbers::Float(
        clipped.map(|v| v.max(low).min(high)).collect(),
    ))
}

/// One of two numbers, by a truth.
pub(in super::super) fn choose(_: &Node<'_>, x: &Elements<'_>) -> Result<Numbers, Reason> {
    let (condition, a, b) = (x.of(0)?, x.of(1)?.as_floats(), x.of(2)?.as_floats());
    let chosen = condition.as_ints()?.iter().zip(a.iter().zip(&b));
    let chosen = chosen.map(|(&c, (a, b))| if c != 0 { *a } else { *b });
    Ok(Numbers::Float(chosen.collect()))
}

/// Integers from numbers, or numbers from integers, with one scale or one for each channel.
pub(in super::super) fn linear(
    node: &Node<'_>,
    elements: &Elements<'_>,
) -> Result<Numbers, Reason> {
    let get = |i: usize| elements.given(i).map(|c| &c.array);
    let (x, scale) = (get(0).ok_or("no numbers")?, get(1).ok_or("no scale")?);
    let spread = |a: &Array| -> Result<Array, Reason> {
        if a.len() == 1 {
            return broadcast(&a.clone().reshaped(vec![])?, &x.shape);
        }
        let axis = usize::try_from(node.int("axis", 1)?).unwrap_or(0);
        let mut shape = vec![1; x.shape.len()];
        *shape.get_mut(axis).ok_or("an axis that is not there")? = a.len();
        broadcast(&a.clone().reshaped(shape)?, &x.shape)
    };
    let scale = spread(scale)?.as_floats();
    let zero = match get(2) {
        Some(zero) => spread(zero)?.as_floats(),
        None => vec![0.0; x.len()],
    };
    let triples = x.as_floats().into_iter().zip(scale.into_iter().zip(zero));
    if node.op() == "DequantizeLinear" {
        return Ok(Numbers::Float(
            triples.map(|(x, (s, z))| (x - z) * s).collect(),
        ));
    }
    let (low, high) = get(2)
        .and_then(Array::integer_range)
        .unwrap_or((0.0, 255.0));
    let level = |(x, (s, z)): (f32, (f32, f32))| ((x / s).round_ties_even() + z).clamp(low, high);
    Ok(Numbers::Float(triples.map(level).collect()))
}

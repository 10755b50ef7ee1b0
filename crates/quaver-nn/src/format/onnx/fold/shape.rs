//! Constants whose numbers stay and whose shape changes, and constants made of shapes.

use super::super::array::{Array, Numbers, kind, sizes};
use super::super::constant::{Budget, Constant, broadcast};
use super::super::error::Reason;
use super::super::node::Node;
use super::{Constants, input};

/// The same constant.
pub(in super::super) fn identity(
    _: &Node<'_>,
    inputs: Constants<'_>,
    _: &mut Budget,
) -> Result<Constant, Reason> {
    input(inputs, 0).cloned()
}

/// The same numbers as integers or floats.
pub(in super::super) fn cast(
    node: &Node<'_>,
    inputs: Constants<'_>,
    _: &mut Budget,
) -> Result<Constant, Reason> {
    let from = input(inputs, 0)?;
    let to = node.int("to", i64::from(kind::FLOAT))?;
    let to = i32::try_from(to).unwrap_or_default();
    let mut array = from.array.clone();
    let is_float = [kind::FLOAT, kind::DOUBLE, kind::FLOAT16].contains(&to);
    array.numbers = match array.numbers {
        Numbers::Int(v) if is_float => Numbers::Float(v.iter().map(|&v| v as f32).collect()),
        Numbers::Float(v) if !is_float => Numbers::Int(v.iter().map(|&v| v as i64).collect()),
        same => same,
    };
    array.kind = to;
    let latent = from
        .latent
        .clone()
        .or_else(|| from.array.is_float().then(|| from.array.clone()));
    Ok(Constant {
        array,
        latent,
        is_fixed: false,
    })
}

/// The numbers that the node holds.
pub(in super::super) fn constant(
    node: &Node<'_>,
    _: Constants<'_>,
    _: &mut Budget,
) -> Result<Constant, Reason> {
    Ok(Constant {
        is_fixed: true,
        ..Constant::from(node.constant()?)
    })
}

/// Axes in another order, all reversed unless it is said which.
pub(in super::super) fn transpose(
    node: &Node<'_>,
    inputs: Constants<'_>,
    budget: &mut Budget,
) -> Result<Constant, Reason> {
    let from = input(inputs, 0)?;
    let rank = from.array.shape.len();
    let perm = node.axes("perm", (0..rank).rev().collect())?;
    moved(from, budget, |a| a.transposed(&perm))
}

/// The shape that the second input holds.
pub(in super::super) fn reshape(
    _: &Node<'_>,
    inputs: Constants<'_>,
    budget: &mut Budget,
) -> Result<Constant, Reason> {
    let from = input(inputs, 0)?;
    let target = input(inputs, 1)?.array.as_ints()?;
    let shape = reshaped(&from.array.shape, target)?;
    moved(from, budget, |a| a.clone().reshaped(shape.clone()))
}

/// Axes of one element that come or go, or all from one axis on as one.
pub(in super::super) fn axes(
    node: &Node<'_>,
    inputs: Constants<'_>,
    budget: &mut Budget,
) -> Result<Constant, Reason> {
    let from = input(inputs, 0)?;
    let shape = reshaped_by(node, &from.array.shape, inputs.get(1).copied().flatten())?;
    moved(from, budget, |a| a.clone().reshaped(shape.clone()))
}

/// Moves values and latent values alike.
fn moved(
    from: &Constant,
    budget: &mut Budget,
    by: impl Fn(&Array) -> Result<Array, Reason>,
) -> Result<Constant, Reason> {
    budget.take(&from.array.shape)?;
    let latent = from.latent.as_ref().map(&by).transpose()?;
    let array = by(&from.array)?;
    Ok(Constant {
        array,
        latent,
        is_fixed: from.is_fixed,
    })
}

/// The shape that `target` asks of an array of `shape`: 0 keeps an axis, -1 is what is left.
fn reshaped(shape: &[usize], target: &[i64]) -> Result<Vec<usize>, Reason> {
    let total = shape.iter().product::<usize>();
    let mut out = Vec::with_capacity(target.len());
    for (i, &t) in target.iter().enumerate() {
        out.push(match t {
            0 => *shape
                .get(i)
                .ok_or("a kept axis that the input does not have")?,
            -1 => 1,
            t => usize::try_from(t).map_err(|_| format!("an axis of size {t}"))?,
        });
    }
    let known = out.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
    let known = known.ok_or("a shape beyond all memory")?;
    if let Some(free) = target.iter().position(|&t| t == -1) {
        if known == 0 || !total.is_multiple_of(known) {
            return Err(format!("{shape:?} does not reshape to {target:?}"));
        }
        out[free] = total / known;
    }
    Ok(out)
}

/// The shape after Squeeze, Unsqueeze or Flatten.
pub(in super::super) fn reshaped_by(
    node: &Node<'_>,
    shape: &[usize],
    axes: Option<&Constant>,
) -> Result<Vec<usize>, Reason> {
    let listed = match axes {
        Some(axes) => axes.array.as_ints()?.to_vec(),
        None => node.ints("axes")?.unwrap_or_default(),
    };
    let place = |axis: i64, rank: usize| -> Result<usize, Reason> {
        let at = if axis < 0 { axis + rank as i64 } else { axis };
        let at = usize::try_from(at).ok().filter(|&at| at < rank.max(1));
        at.ok_or_else(|| format!("axis {axis} of {rank}"))
    };
    match node.op() {
        "Flatten" => {
            let axis = node.int("axis", 1)?;
            let at = place(axis, shape.len() + 1)?;
            Ok(vec![
                shape[..at].iter().product(),
                shape[at..].iter().product(),
            ])
        }
        "Squeeze" => {
            let mut gone = vec![listed.is_empty(); shape.len()];
            for axis in listed {
                gone[place(axis, shape.len())?] = true;
            }
            let kept = shape.iter().zip(gone);
            Ok(kept
                .filter(|(d, gone)| !(*gone && **d == 1))
                .map(|(d, _)| *d)
                .collect())
        }
        _ => {
            let rank = shape.len() + listed.len();
            let mut new = vec![false; rank];
            for axis in listed {
                new[place(axis, rank)?] = true;
            }
            let mut old = shape.iter();
            let axis = |new: &bool| if *new { Some(1) } else { old.next().copied() };
            Ok(new.iter().filter_map(axis).collect())
        }
    }
}

/// Sizes of the axes.
pub(in super::super) fn shape(
    _: &Node<'_>,
    inputs: Constants<'_>,
    _: &mut Budget,
) -> Result<Constant, Reason> {
    let shape = &input(inputs, 0)?.array.shape;
    let sizes = shape.iter().map(|&d| d as i64).collect();
    Ok(Array::ints(vec![shape.len()], sizes).into())
}

/// Repeated to a shape. To that of a batch of any size it need not grow: what reads it does.
pub(in super::super) fn expand(
    _: &Node<'_>,
    inputs: Constants<'_>,
    budget: &mut Budget,
) -> Result<Constant, Reason> {
    let from = &input(inputs, 0)?.array;
    let shape = sizes(input(inputs, 1)?.array.as_ints()?)?;
    if let [0, _, ..] = shape[..] {
        return Ok(from.clone().into());
    }
    budget.take(&shape)?;
    Ok(broadcast(from, &shape)?.into())
}

/// One number everywhere, 0 unless it is said which.
pub(in super::super) fn constant_of_shape(
    node: &Node<'_>,
    inputs: Constants<'_>,
    budget: &mut Budget,
) -> Result<Constant, Reason> {
    let shape = example(sizes(input(inputs, 0)?.array.as_ints()?)?);
    budget.take(&shape)?;
    let n = shape.iter().product();
    let filled = match node.tensor("value")? {
        Some(Array {
            numbers: Numbers::Int(v),
            ..
        }) => Array::ints(shape, vec![*v.first().ok_or("an empty value")?; n]),
        Some(value) => {
            let value = value.scalar().ok_or("a value of one number is needed")?;
            Array::floats(shape, vec![value; n])
        }
        None => Array::floats(shape, vec![0.0; n]),
    };
    Ok(filled.into())
}

/// The shape of a constant for every example: one number for a batch of any size, whose axis
/// shapes here have as 0.
fn example(shape: Vec<usize>) -> Vec<usize> {
    match shape[..] {
        [0, _, ..] => vec![1; shape.len()],
        _ => shape,
    }
}

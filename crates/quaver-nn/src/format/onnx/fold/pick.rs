//! Some numbers of constants: elements, slices, vectors joined.

use super::super::array::Array;
use super::super::constant::{Budget, Constant};
use super::super::error::Reason;
use super::super::node::Node;
use super::{Constants, input};

/// Elements of a vector.
pub(in super::super) fn gather(
    node: &Node<'_>,
    inputs: Constants<'_>,
    budget: &mut Budget,
) -> Result<Constant, Reason> {
    let (from, which) = (&input(inputs, 0)?.array, &input(inputs, 1)?.array);
    if node.int("axis", 0)? != 0 || from.shape.len() != 1 {
        return Err("gathering along one axis of a vector is computed, no more".into());
    }
    budget.take(&which.shape)?;
    let n = from.shape[0] as i64;
    let place = |&i: &i64| {
        let at = if i < 0 { i + n } else { i };
        let inside = (0..n).contains(&at);
        inside
            .then_some(at as usize)
            .ok_or_else(|| format!("element {i} of {n}"))
    };
    let places = which
        .as_ints()?
        .iter()
        .map(place)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(from.gathered(which.shape.clone(), &places).into())
}

/// Slicing along the axes that are named, with any step.
pub(in super::super) fn slice(
    _: &Node<'_>,
    inputs: Constants<'_>,
    budget: &mut Budget,
) -> Result<Constant, Reason> {
    let list = |i: usize| -> Result<Option<&[i64]>, Reason> {
        let given = inputs.get(i).copied().flatten();
        given.map(|constant| constant.array.as_ints()).transpose()
    };
    let from = &input(inputs, 0)?.array;
    let (starts, ends) = (list(1)?.ok_or("no starts")?, list(2)?.ok_or("no ends")?);
    let rank = from.shape.len();
    let all: Vec<i64> = (0..starts.len() as i64).collect();
    let (axes, ones) = (list(3)?.unwrap_or(&all), vec![1; starts.len()]);
    let steps = list(4)?.unwrap_or(&ones);
    if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() {
        return Err("starts, ends, axes and steps of different lengths".into());
    }
    let mut picked: Vec<Vec<usize>> = from.shape.iter().map(|&n| (0..n).collect()).collect();
    for i in 0..starts.len() {
        let axis = if axes[i] < 0 {
            axes[i] + rank as i64
        } else {
            axes[i]
        };
        let axis = usize::try_from(axis).ok().filter(|&axis| axis < rank);
        let axis = axis.ok_or_else(|| format!("axis {} of {rank}", axes[i]))?;
        picked[axis] = steps_of(from.shape[axis], starts[i], ends[i], steps[i])?;
    }
    let shape: Vec<usize> = picked.iter().map(Vec::len).collect();
    budget.take(&shape)?;
    let mut places = vec![0];
    for (axis, picked) in picked.iter().enumerate() {
        let n = from.shape[axis];
        let grown = places
            .iter()
            .flat_map(|at| picked.iter().map(move |p| at * n + p));
        places = grown.collect();
    }
    Ok(from.gathered(shape, &places).into())
}

/// Places from `start` to `end` of an axis of `n`, by steps; negative bounds count from its end.
fn steps_of(n: usize, start: i64, end: i64, step: i64) -> Result<Vec<usize>, Reason> {
    if step == 0 {
        return Err("a step of 0".into());
    }
    let n = n as i64;
    let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
    let bound = |v: i64| if v < 0 { v.saturating_add(n) } else { v }.clamp(low, high);
    let (mut at, end) = (bound(start), bound(end));
    let mut places = Vec::new();
    while (step > 0 && at < end) || (step < 0 && at > end) {
        places.push(at as usize);
        at = at.saturating_add(step);
    }
    Ok(places)
}

/// Vectors of integers one after the other.
pub(in super::super) fn concat(
    node: &Node<'_>,
    inputs: Constants<'_>,
    budget: &mut Budget,
) -> Result<Constant, Reason> {
    let mut out: Vec<i64> = Vec::new();
    for constant in inputs.iter().flatten() {
        if constant.array.shape.len() != 1 || node.int("axis", 0)? > 0 {
            return Err("joining vectors of integers is computed, no more".into());
        }
        budget.take(&constant.array.shape)?;
        out.extend(constant.array.as_ints()?);
    }
    Ok(Array::ints(vec![out.len()], out).into())
}

//! Sums, means, largest and smallest numbers of constants.

use super::super::array::{Array, indices, row_major};
use super::super::constant::{Budget, Constant, broadcast};
use super::super::error::Reason;
use super::super::node::Node;
use super::{Constants, input};

/// Sums, means and largest or smallest numbers along axes, all of them unless some are named.
pub(in super::super) fn reduce(
    node: &Node<'_>,
    inputs: Constants<'_>,
    budget: &mut Budget,
) -> Result<Constant, Reason> {
    let from = &input(inputs, 0)?.array;
    let rank = from.shape.len();
    let named = match inputs.get(1).copied().flatten() {
        Some(axes) => axes.array.as_ints()?.to_vec(),
        None => node.ints("axes")?.unwrap_or_default(),
    };
    let is_reduced = |i: usize| {
        let is_named = |a: &i64| a.rem_euclid(rank.max(1) as i64) == i as i64;
        named.is_empty() || named.iter().any(is_named)
    };
    let shape: Vec<usize> = from
        .shape
        .iter()
        .enumerate()
        .map(|(i, &n)| if is_reduced(i) { 1 } else { n })
        .collect();
    budget.take(&from.shape)?;
    let numbers = reduced(node.op(), from, &shape)?;
    let kept = shape
        .iter()
        .enumerate()
        .filter(|(i, _)| !is_reduced(*i))
        .map(|(_, n)| *n);
    let shape = match node.int("keepdims", 1)? {
        0 => kept.collect(),
        _ => shape.clone(),
    };
    Ok(Array::floats(shape, numbers).into())
}

/// What `op` makes of the numbers that fall together in `shape`, which has 1 for each axis that goes.
fn reduced(op: &str, from: &Array, shape: &[usize]) -> Result<Vec<f32>, Reason> {
    let places = indices(shape, &row_major(shape), 0);
    let place = broadcast(
        &Array::ints(shape.to_vec(), places.iter().map(|&p| p as i64).collect()),
        &from.shape,
    )?;
    let count = from.len() / places.len().max(1);
    let mut out = vec![None; places.len()];
    for (v, at) in from.as_floats().into_iter().zip(place.as_ints()?) {
        let (v, so_far) = (f64::from(v), &mut out[*at as usize]);
        *so_far = Some(match (*so_far, op) {
            (None, _) => v,
            (Some(a), "ReduceMax") => v.max(a),
            (Some(a), "ReduceMin") => v.min(a),
            (Some(a), _) => v + a,
        });
    }
    let divisor = if op == "ReduceMean" {
        count as f64
    } else {
        1.0
    };
    let numbers = out.into_iter().map(|v| (v.unwrap_or(0.0) / divisor) as f32);
    Ok(numbers.collect())
}

//! Nodes whose inputs are all constants, computed while importing: exporters leave quantizers of
//! weights, paddings and shapes as such subgraphs.

use super::array::{Array, Numbers, indices, kind, row_major};
use super::error::Reason;
use super::node::Node;

/// A constant, and the latent values it was quantized from.
#[derive(Clone, Debug)]
pub(super) struct Constant {
    pub(super) array: Array,
    /// What a chain of elementwise operators began with, in the shape of `array`.
    pub(super) latent: Option<Array>,
    /// Whether a Constant node holds it, which no training moves, and not a parameter.
    pub(super) is_fixed: bool,
}

impl From<Array> for Constant {
    fn from(array: Array) -> Self {
        Self {
            array,
            latent: None,
            is_fixed: false,
        }
    }
}

/// Numbers that computed constants may have.
#[derive(Debug)]
pub(super) struct Budget {
    /// At the same time.
    live: usize,
    /// In all.
    all: usize,
}

impl Budget {
    /// Long chains compute many constants of which few live at a time.
    const CHAIN: usize = 64;

    pub(super) fn new(live: usize) -> Self {
        let all = live.saturating_mul(Self::CHAIN);
        Self { live, all }
    }

    /// Claims memory for a constant of `shape`.
    pub(super) fn take(&mut self, shape: &[usize]) -> Result<(), Reason> {
        let count = shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
        let left = count.and_then(|n| Some((self.live.checked_sub(n)?, self.all.checked_sub(n)?)));
        let (live, all) = left.ok_or_else(|| {
            format!(
                "computing a constant of shape {shape:?} takes more memory than the file explains"
            )
        })?;
        (self.live, self.all) = (live, all);
        Ok(())
    }

    /// Numbers that may still live.
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// Gives back what a constant took that nothing reads any more.
    pub(super) fn give(&mut self, numbers: usize) {
        self.live += numbers;
    }
}

/// The output of `node` on constants. `None`: no operator that is computed here.
pub(super) fn fold(
    node: &Node<'_>,
    inputs: &[Option<&Constant>],
    budget: &mut Budget,
) -> Result<Option<Constant>, Reason> {
    let get = |i: usize| -> Result<&Constant, Reason> {
        let given = inputs.get(i).copied().flatten();
        given.ok_or_else(|| format!("input {i} is missing"))
    };
    let array = |i: usize| get(i).map(|constant| &constant.array);
    let shaped = match node.op() {
        "Identity" => return get(0).map(|constant| Some(constant.clone())),
        "Cast" => Some(cast(get(0)?, node.int("to", i64::from(kind::FLOAT))?)),
        "Transpose" => {
            let rank = array(0)?.shape.len();
            let perm = node.axes("perm", (0..rank).rev().collect())?;
            Some(moved(get(0)?, budget, |a| a.transposed(&perm))?)
        }
        "Reshape" => {
            let shape = reshape(&array(0)?.shape, array(1)?.as_ints()?)?;
            Some(moved(get(0)?, budget, |a| {
                a.clone().reshaped(shape.clone())
            })?)
        }
        "Squeeze" | "Unsqueeze" | "Flatten" => {
            let shape = reshaped_by(node, &array(0)?.shape, inputs.get(1).copied().flatten())?;
            Some(moved(get(0)?, budget, |a| {
                a.clone().reshaped(shape.clone())
            })?)
        }
        _ => None,
    };
    if shaped.is_some() {
        return Ok(shaped);
    }
    let plain = match node.op() {
        "Shape" => {
            let shape = &array(0)?.shape;
            let sizes = shape.iter().map(|&d| d as i64).collect();
            Some(Array::ints(vec![shape.len()], sizes))
        }
        "Expand" => {
            // To the shape of a batch of any size it need not grow: what reads it does.
            let shape = sizes(array(1)?.as_ints()?)?;
            match shape[..] {
                [0, _, ..] => Some(array(0)?.clone()),
                _ => {
                    budget.take(&shape)?;
                    Some(broadcast(array(0)?, &shape)?)
                }
            }
        }
        "ReduceMean" | "ReduceSum" | "ReduceMax" | "ReduceMin" => Some(reduce(
            node,
            array(0)?,
            inputs.get(1).copied().flatten(),
            budget,
        )?),
        "Gather" => Some(gather(node, array(0)?, array(1)?, budget)?),
        "Slice" => Some(slice(inputs, budget)?),
        "Concat" => Some(concat(node, inputs, budget)?),
        "ConstantOfShape" => {
            let shape = example(sizes(array(0)?.as_ints()?)?);
            budget.take(&shape)?;
            let n = shape.iter().product();
            Some(match node.tensor("value")? {
                Some(Array {
                    numbers: Numbers::Int(v),
                    ..
                }) => Array::ints(shape, vec![*v.first().ok_or("an empty value")?; n]),
                Some(value) => {
                    let value = value.scalar().ok_or("a value of one number is needed")?;
                    Array::floats(shape, vec![value; n])
                }
                None => Array::floats(shape, vec![0.0; n]),
            })
        }
        _ => None,
    };
    match plain {
        Some(array) => Ok(Some(array.into())),
        None => super::elementwise::fold(node, inputs, budget),
    }
}

/// The shape of a constant for every example: one number for a batch of any size, whose axis
/// shapes here have as 0.
fn example(shape: Vec<usize>) -> Vec<usize> {
    match shape[..] {
        [0, _, ..] => vec![1; shape.len()],
        _ => shape,
    }
}

fn cast(from: &Constant, to: i64) -> Constant {
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
    Constant {
        array,
        latent,
        is_fixed: false,
    }
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

pub(super) fn sizes(values: &[i64]) -> Result<Vec<usize>, Reason> {
    let size = |&v: &i64| usize::try_from(v).map_err(|_| format!("an axis of size {v}"));
    values.iter().map(size).collect()
}

/// The shape that `target` asks of an array of `shape`: 0 keeps an axis, -1 is what is left.
pub(super) fn reshape(shape: &[usize], target: &[i64]) -> Result<Vec<usize>, Reason> {
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
pub(super) fn reshaped_by(
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

fn gather(
    node: &Node<'_>,
    from: &Array,
    which: &Array,
    budget: &mut Budget,
) -> Result<Array, Reason> {
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
    Ok(from.gathered(which.shape.clone(), &places))
}

/// Sums, means and largest or smallest numbers along axes, all of them unless some are named.
fn reduce(
    node: &Node<'_>,
    from: &Array,
    axes: Option<&Constant>,
    budget: &mut Budget,
) -> Result<Array, Reason> {
    let rank = from.shape.len();
    let named = match axes {
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
    let places = indices(&shape, &row_major(&shape), 0);
    let place = broadcast(
        &Array::ints(shape.clone(), places.iter().map(|&p| p as i64).collect()),
        &from.shape,
    )?;
    let (op, count) = (node.op(), from.len() / places.len().max(1));
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
    let kept = shape
        .iter()
        .enumerate()
        .filter(|(i, _)| !is_reduced(*i))
        .map(|(_, n)| *n);
    let shape = match node.int("keepdims", 1)? {
        0 => kept.collect(),
        _ => shape.clone(),
    };
    Ok(Array::floats(shape, numbers.collect()))
}

/// Slicing along the axes that are named, with any step.
fn slice(inputs: &[Option<&Constant>], budget: &mut Budget) -> Result<Array, Reason> {
    let list = |i: usize| -> Result<Option<&[i64]>, Reason> {
        let given = inputs.get(i).copied().flatten();
        given.map(|constant| constant.array.as_ints()).transpose()
    };
    let from = &inputs
        .first()
        .copied()
        .flatten()
        .ok_or("no data to slice")?
        .array;
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
        let n = from.shape[axis] as i64;
        let step = steps[i];
        if step == 0 {
            return Err("a step of 0".into());
        }
        let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
        let bound = |v: i64| if v < 0 { v.saturating_add(n) } else { v }.clamp(low, high);
        let (mut at, end) = (bound(starts[i]), bound(ends[i]));
        picked[axis].clear();
        while (step > 0 && at < end) || (step < 0 && at > end) {
            picked[axis].push(at as usize);
            at = at.saturating_add(step);
        }
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
    Ok(from.gathered(shape, &places))
}

fn concat(
    node: &Node<'_>,
    inputs: &[Option<&Constant>],
    budget: &mut Budget,
) -> Result<Array, Reason> {
    let mut out: Vec<i64> = Vec::new();
    for constant in inputs.iter().flatten() {
        if constant.array.shape.len() != 1 || node.int("axis", 0)? > 0 {
            return Err("joining vectors of integers is computed, no more".into());
        }
        budget.take(&constant.array.shape)?;
        out.extend(constant.array.as_ints()?);
    }
    Ok(Array::ints(vec![out.len()], out))
}

/// Numbers of `from` repeated to `shape` by the rules of broadcasting.
pub(super) fn broadcast(from: &Array, shape: &[usize]) -> Result<Array, Reason> {
    if from.shape == shape {
        return Ok(from.clone());
    }
    let lacking = shape.len().checked_sub(from.shape.len());
    let lacking = lacking.ok_or_else(|| format!("{:?} is not part of {shape:?}", from.shape))?;
    let mut stride = vec![0; shape.len()];
    let mut step = 1;
    for (i, &n) in from.shape.iter().enumerate().rev() {
        match n {
            1 => {}
            n if n == shape[lacking + i] => stride[lacking + i] = step,
            _ => return Err(format!("{:?} does not broadcast to {shape:?}", from.shape)),
        }
        step *= n;
    }
    Ok(from.gathered(shape.to_vec(), &indices(shape, &stride, 0)))
}

//! Elementwise operators on constants.

use super::array::{Array, Numbers, kind};
use super::error::Reason;
use super::fold::{Budget, Constant, broadcast};
use super::node::Node;

/// The output of an elementwise `node` on constants, with the latent values it began with.
/// `None`: no operator that is computed here.
pub(super) fn fold(
    node: &Node<'_>,
    inputs: &[Option<&Constant>],
    budget: &mut Budget,
) -> Result<Option<Constant>, Reason> {
    let given: Vec<&Constant> = inputs.iter().flatten().copied().collect();
    let Some(first) = given.first() else {
        return Ok(None);
    };
    let mut shape = first.array.shape.clone();
    // Scales of quantized numbers lie along an axis of their own.
    for constant in given
        .iter()
        .filter(|_| !node.op().ends_with("uantizeLinear"))
    {
        shape = common_shape(&shape, &constant.array.shape)?;
    }
    budget.take(&shape)?;
    let of = |i: usize| -> Result<Array, Reason> {
        let given = inputs.get(i).copied().flatten();
        broadcast(
            &given.ok_or_else(|| format!("input {i} is missing"))?.array,
            &shape,
        )
    };
    let Some(numbers) = (match given.len() {
        1 => unary(node, &first.array)?,
        2 => binary(node, &of(0)?, &of(1)?)?,
        _ => None,
    })
    .or(several(node, inputs, &of)?) else {
        return Ok(None);
    };
    let is_float = matches!(numbers, Numbers::Float(_));
    let kind = if is_float { kind::FLOAT } else { kind::INT64 };
    // Of one large operand the others are settings: a step, a threshold, a scale.
    let mut large = given
        .iter()
        .filter(|constant| constant.array.shape == shape && constant.array.len() > 1);
    let latent = match (large.next(), large.next()) {
        (Some(one), None) => one
            .latent
            .clone()
            .or_else(|| one.array.is_float().then(|| one.array.clone())),
        _ => None,
    };
    Ok(Some(Constant {
        array: Array {
            shape,
            numbers,
            kind,
        },
        latent,
        is_fixed: false,
    }))
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

fn unary(node: &Node<'_>, x: &Array) -> Result<Option<Numbers>, Reason> {
    let f: fn(f32) -> f32 = match node.op() {
        "Neg" => |v| -v,
        "Abs" => f32::abs,
        "Round" => f32::round_ties_even,
        "Floor" => f32::floor,
        "Ceil" => f32::ceil,
        "Sqrt" => f32::sqrt,
        "Reciprocal" => |v| 1.0 / v,
        "Tanh" => libm::tanhf,
        "Relu" => |v| v.max(0.0),
        "Sign" => |v| if v == 0.0 { 0.0 } else { v.signum() },
        "Not" => {
            let flipped = x.as_ints()?.iter().map(|&v| i64::from(v == 0));
            return Ok(Some(Numbers::Int(flipped.collect())));
        }
        "Clip" => {
            let (low, high) = (node.float("min", f32::MIN)?, node.float("max", f32::MAX)?);
            let clipped = x.as_floats().iter().map(|v| v.max(low).min(high)).collect();
            return Ok(Some(Numbers::Float(clipped)));
        }
        _ => return Ok(None),
    };
    Ok(Some(Numbers::Float(
        x.as_floats().into_iter().map(f).collect(),
    )))
}

fn binary(node: &Node<'_>, a: &Array, b: &Array) -> Result<Option<Numbers>, Reason> {
    if let (Numbers::Int(a), Numbers::Int(b)) = (&a.numbers, &b.numbers) {
        let f: fn(i64, i64) -> Option<i64> = match node.op() {
            "Add" => i64::checked_add,
            "Sub" => i64::checked_sub,
            "Mul" => i64::checked_mul,
            "Div" => i64::checked_div,
            "Mod" => i64::checked_rem_euclid,
            "Equal" => |a, b| Some(i64::from(a == b)),
            _ => return Ok(None),
        };
        let all = a.iter().zip(b).map(|(&a, &b)| f(a, b)).collect();
        let all: Option<Vec<i64>> = all;
        return all
            .map(|all| Some(Numbers::Int(all)))
            .ok_or("integers overflow".into());
    }
    let (a, b) = (a.as_floats(), b.as_floats());
    let pairs = a.iter().zip(&b);
    let compare: Option<fn(&f32, &f32) -> bool> = match node.op() {
        "GreaterOrEqual" => Some(|a, b| a >= b),
        "Greater" => Some(|a, b| a > b),
        "LessOrEqual" => Some(|a, b| a <= b),
        "Less" => Some(|a, b| a < b),
        "Equal" => Some(|a, b| a == b),
        _ => None,
    };
    if let Some(compare) = compare {
        let all = pairs.map(|(a, b)| i64::from(compare(a, b))).collect();
        return Ok(Some(Numbers::Int(all)));
    }
    let f: fn(f32, f32) -> f32 = match node.op() {
        "Add" => |a, b| a + b,
        "Sub" => |a, b| a - b,
        "Mul" => |a, b| a * b,
        "Div" => |a, b| a / b,
        "Max" => f32::max,
        "Min" => f32::min,
        "Pow" => libm::powf,
        _ => return Ok(None),
    };
    Ok(Some(Numbers::Float(
        pairs.map(|(a, b)| f(*a, *b)).collect(),
    )))
}

/// Operators with a number of inputs of their own.
fn several(
    node: &Node<'_>,
    inputs: &[Option<&Constant>],
    of: &dyn Fn(usize) -> Result<Array, Reason>,
) -> Result<Option<Numbers>, Reason> {
    let bound = |i: usize, none: f32| -> Result<f32, Reason> {
        match inputs.get(i).copied().flatten() {
            Some(bound) => bound.array.scalar().ok_or("a bound of one number".into()),
            None => Ok(none),
        }
    };
    match node.op() {
        "Where" => {
            let (condition, a, b) = (of(0)?, of(1)?.as_floats(), of(2)?.as_floats());
            let chosen = condition.as_ints()?.iter().zip(a.iter().zip(&b));
            let chosen = chosen.map(|(&c, (a, b))| if c != 0 { *a } else { *b });
            Ok(Some(Numbers::Float(chosen.collect())))
        }
        "Clip" => {
            let (low, high) = (bound(1, f32::MIN)?, bound(2, f32::MAX)?);
            let clipped = of(0)?.as_floats().into_iter();
            Ok(Some(Numbers::Float(
                clipped.map(|v| v.max(low).min(high)).collect(),
            )))
        }
        "QuantizeLinear" | "DequantizeLinear" => linear(node, inputs).map(Some),
        _ => Ok(None),
    }
}

/// Integers from numbers, or numbers from integers, with one scale or one for each channel.
fn linear(node: &Node<'_>, inputs: &[Option<&Constant>]) -> Result<Numbers, Reason> {
    let get = |i: usize| inputs.get(i).copied().flatten().map(|c| &c.array);
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

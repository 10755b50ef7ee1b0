//! Nodes whose inputs are all constants, computed while importing: exporters leave quantizers of
//! weights, paddings and shapes as such subgraphs.

pub(super) mod elementwise;
pub(super) mod pick;
pub(super) mod reduce;
pub(super) mod shape;

use super::array::{Array, Numbers};
use super::constant::{Budget, Constant};
use super::error::Reason;
use super::node::Node;
use elementwise::Elements;

/// Inputs of a node, those that are given.
pub(super) type Constants<'a> = &'a [Option<&'a Constant>];

/// What an operator computes of constants.
#[derive(Clone, Copy)]
pub(super) enum Fold {
    /// A number of each.
    Each(fn(f32) -> f32),
    /// A number of each pair, of floats and of integers, where there is one.
    Pairs(Option<fn(f32, f32) -> f32>, Option<Integers>),
    /// A truth, 0 or 1, of each pair.
    Truth(fn(f32, f32) -> bool, Option<Integers>),
    /// Numbers in the shape that all inputs have in common.
    Elements(fn(&Node<'_>, &Elements<'_>) -> Result<Numbers, Reason>),
    /// Numbers in the shape of the first input.
    Scaled(fn(&Node<'_>, &Elements<'_>) -> Result<Numbers, Reason>),
    /// Anything else.
    Whole(fn(&Node<'_>, Constants<'_>, &mut Budget) -> Result<Constant, Reason>),
}

/// An integer of two, unless it overflows.
type Integers = fn(i64, i64) -> Option<i64>;

impl Fold {
    /// The output of `node` on `inputs`. `None`: not of this kind or number of inputs.
    pub(super) fn output(
        self,
        node: &Node<'_>,
        inputs: Constants<'_>,
        budget: &mut Budget,
    ) -> Result<Option<Constant>, Reason> {
        if let Self::Whole(compute) = self {
            return compute(node, inputs, budget).map(Some);
        }
        let is_scaled = matches!(self, Self::Scaled(_));
        let Some(elements) = Elements::new(inputs, is_scaled, budget)? else {
            return Ok(None);
        };
        let numbers = match (self, elements.n_given()) {
            (Self::Each(f), 1) => {
                let each = elements.of(0)?.as_floats().into_iter().map(f);
                Some(Numbers::Float(each.collect()))
            }
            (Self::Pairs(floats, integers), 2) => {
                let (a, b) = (elements.of(0)?, elements.of(1)?);
                match both_integers(&a, &b) {
                    Some(pairs) => integers.map(|f| of_integers(pairs, f)).transpose()?,
                    None => floats.map(|f| Numbers::Float(of_floats(&a, &b, f))),
                }
            }
            (Self::Truth(floats, integers), 2) => {
                let (a, b) = (elements.of(0)?, elements.of(1)?);
                match both_integers(&a, &b) {
                    Some(pairs) => integers.map(|f| of_integers(pairs, f)).transpose()?,
                    None => Some(Numbers::Int(of_floats(&a, &b, |a, b| {
                        i64::from(floats(a, b))
                    }))),
                }
            }
            (Self::Elements(compute) | Self::Scaled(compute), _) => Some(compute(node, &elements)?),
            _ => None,
        };
        Ok(numbers.map(|numbers| elements.output(numbers)))
    }
}

fn both_integers<'a>(a: &'a Array, b: &'a Array) -> Option<(&'a [i64], &'a [i64])> {
    match (&a.numbers, &b.numbers) {
        (Numbers::Int(a), Numbers::Int(b)) => Some((a, b)),
        _ => None,
    }
}

fn of_integers((a, b): (&[i64], &[i64]), f: Integers) -> Result<Numbers, Reason> {
    let all: Option<Vec<i64>> = a.iter().zip(b).map(|(&a, &b)| f(a, b)).collect();
    all.map(Numbers::Int).ok_or("integers overflow".into())
}

fn of_floats<T>(a: &Array, b: &Array, f: impl Fn(f32, f32) -> T) -> Vec<T> {
    let pairs = a.as_floats().into_iter().zip(b.as_floats());
    pairs.map(|(a, b)| f(a, b)).collect()
}

/// Input `i`, which must be given.
fn input<'a>(inputs: Constants<'a>, i: usize) -> Result<&'a Constant, Reason> {
    let given = inputs.get(i).copied().flatten();
    given.ok_or_else(|| format!("input {i} is missing"))
}

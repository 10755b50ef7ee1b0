//! [`Signs`]: which layers of a graph add up nothing but −1, 0 and 1.
//!
//! Such sums are whole numbers below 2²⁴ and exact in any order, on floats and on bits alike,
//! as long as nothing else enters them. So a bias is added to the whole sum, and a dropout
//! between a sign and such layers only masks: its factor 1 / (1 − p) multiplies their sums.

use crate::graph::Graph;
use crate::op::{
    Conv2d, Dense, Dropout, Flatten, GroupedConv2d, MaxPool2d, Op, Quantize, ZeroPad2d,
};
use crate::quantizer::Quantization;

/// Inputs that a sum may have and stay exact in 32-bit floats.
const MAX_INPUTS: usize = 1 << 24;

/// What a value consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trits {
    /// Any numbers.
    No,
    /// −1 and 1.
    Signs,
    /// −1, 0 and 1.
    WithZeros,
}

/// What is binary in a graph.
#[derive(Clone, Debug)]
pub(crate) struct Signs {
    /// By value.
    pub(crate) trits: Vec<Trits>,
    /// By node: whether its sums are exact.
    pub(crate) products: Vec<bool>,
    /// By node: whether it is a dropout that only masks.
    pub(crate) masks: Vec<bool>,
    /// By node: the dropout whose factor multiplies its sums.
    pub(crate) factors: Vec<Option<usize>>,
}

fn is<O: 'static>(op: &dyn Op) -> bool {
    op.as_any().is::<O>()
}

/// The quantizer of the weights of a layer that has one.
fn quantizer(op: &dyn Op) -> Option<&Quantization> {
    let op = op.as_any();
    let dense = op.downcast_ref::<Dense>().map(|op| &op.quantizer);
    let conv = op.downcast_ref::<Conv2d>().map(|op| &op.quantizer);
    let grouped = op.downcast_ref::<GroupedConv2d>().map(|op| &op.quantizer);
    dense.or(conv).or(grouped)?.as_ref()
}

/// Whether each weight is used as its sign and in no other way.
pub(crate) fn are_signs(op: &dyn Op) -> bool {
    let quantizer = quantizer(op).map(Quantization::get);
    quantizer.is_some_and(|quantizer| quantizer.is_binary() && !quantizer.is_stochastic())
}

/// The quantizer of the weights, and the number of inputs of an output.
pub(crate) fn weights(op: &dyn Op) -> Option<(&Quantization, usize)> {
    if let Some(dense) = op.as_any().downcast_ref::<Dense>() {
        return Some((dense.quantizer.as_ref()?, dense.in_features));
    }
    let conv = op.as_any().downcast_ref::<Conv2d>()?;
    let inputs = conv.in_channels * conv.kernel[0] * conv.kernel[1];
    Some((conv.quantizer.as_ref()?, inputs))
}

fn is_product(op: &dyn Op) -> bool {
    weights(op).is_some_and(|(quantizer, n)| quantizer.get().is_binary() && n <= MAX_INPUTS)
}

/// Whether it gives on what it gets: −1, 0 and 1 stay, and a common factor too.
fn passes_on(op: &dyn Op) -> bool {
    is::<Flatten>(op) || is::<MaxPool2d>(op) || is::<ZeroPad2d>(op)
}

impl Signs {
    pub(crate) fn of(graph: &Graph) -> Self {
        let nodes = graph.nodes();
        let only_products = only_products(graph);
        let mut trits = vec![Trits::No];
        let mut pending: Vec<Option<usize>> = vec![None];
        let mut signs = Self {
            trits: Vec::new(),
            products: vec![false; nodes.len()],
            masks: vec![false; nodes.len()],
            factors: vec![None; nodes.len()],
        };
        for (i, node) in nodes.iter().enumerate() {
            let op = &*node.op;
            let from = node.inputs.first().copied().unwrap_or(0);
            let dropout = op.as_any().downcast_ref::<Dropout>();
            let (value, factor) = match trits[from] {
                _ if is_sign(op) => (Trits::Signs, None),
                Trits::No => (Trits::No, None),
                _ if is::<ZeroPad2d>(op) => (Trits::WithZeros, pending[from]),
                known if passes_on(op) => (known, pending[from]),
                known if dropout.is_some_and(|dropout| dropout.p == 0.0) => (known, pending[from]),
                _ if dropout.is_some() && pending[from].is_none() && only_products[i + 1] => {
                    signs.masks[i] = true;
                    (Trits::WithZeros, Some(i))
                }
                _ if is_product(op) => {
                    signs.products[i] = true;
                    signs.factors[i] = pending[from];
                    (Trits::No, None)
                }
                _ => (Trits::No, None),
            };
            trits.push(value);
            pending.push(factor);
        }
        Self { trits, ..signs }
    }
}

/// A quantizer whose values are −1 and 1.
pub(crate) fn is_sign(op: &dyn Op) -> bool {
    let quantize = op.as_any().downcast_ref::<Quantize>();
    quantize.is_some_and(|op| op.quantizer.get().is_binary())
}

/// By value: whether nothing but products with binary weights reads it, passed on or not.
fn only_products(graph: &Graph) -> Vec<bool> {
    let nodes = graph.nodes();
    let mut only = vec![false; nodes.len() + 1];
    for v in (1..nodes.len()).rev() {
        let mut readers = (v..nodes.len())
            .filter(|&i| nodes[i].inputs.contains(&v))
            .peekable();
        only[v] = readers.peek().is_some()
            && readers.all(|i| {
                let op = &*nodes[i].op;
                let idle = op
                    .as_any()
                    .downcast_ref::<Dropout>()
                    .is_some_and(|d| d.p == 0.0);
                is_product(op) || ((passes_on(op) || idle) && only[i + 1])
            });
    }
    only
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::{DropoutPlacement, Spec, Topology};

    /// Names of the products and of the masks of an architecture in a topology.
    fn found(arch: &str, topology: &str, dropout: f64) -> (Vec<String>, Vec<String>) {
        let spec = Spec {
            arch: arch.into(),
            precision: Topology::find(topology).unwrap().precision().unwrap(),
            dropout,
            dropout_placement: DropoutPlacement::Dense,
            input: vec![1, 28, 28],
            n_classes: 10,
        };
        let graph = spec.graph().unwrap();
        let signs = Signs::of(&graph);
        let names = |which: &[bool]| {
            let chosen = graph.nodes().iter().zip(which).filter(|(_, is)| **is);
            chosen.map(|(node, _)| node.name.clone()).collect()
        };
        for (i, factor) in signs.factors.iter().enumerate() {
            assert!(factor.is_none_or(|d| signs.masks[d] && signs.products[i]));
        }
        (names(&signs.products), names(&signs.masks))
    }

    #[test]
    fn finds_hidden_layers_and_the_dropouts_between_them() {
        let strings = |names: &[&str]| names.iter().map(|n| (*n).to_string()).collect::<Vec<_>>();
        // The last dropout stands before float weights and keeps its factor.
        let lenet = (strings(&["4", "9", "13"]), strings(&["12"]));
        assert_eq!(found("lenet5", "bnn", 0.5), lenet);
        assert_eq!(found("lenet5", "rand-bnn", 0.5), lenet);
        assert_eq!(found("lenet5", "bnn", 0.0), (lenet.0, vec![]));
        let cnn = (strings(&["5", "9"]), vec![]);
        assert_eq!(found("cleverhans-cnn", "bnn", 0.5), cnn);
        let none = (vec![], vec![]);
        assert_eq!(found("lenet5", "bnn-weights", 0.5), none);
        assert_eq!(found("lenet5", "quantized-2bit", 0.5), none);
        assert_eq!(found("lenet5", "full-precision", 0.5), none);
    }
}

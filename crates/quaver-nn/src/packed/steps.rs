//! Which node of a graph runs how where signs are kept as bits, forward alone.

use super::layer::BitLayer;
use super::product::{Chain, Product};
use super::simple::{Drop, Flat, Pack};
use super::threshold::{Pool, is_monotone};
use crate::bits::Layout;
use crate::graph::Graph;
use crate::kernel::Simd;
use crate::op::{Dropout, Flatten, Layer, MaxPool2d};
use crate::plan::{Plan, Replaced};
use crate::signs::{Signs, Trits, is_sign};

/// What a node does. Bits are the same numbers as the floats that they stand for.
enum Step {
    /// Floats to floats.
    Float,
    /// What an earlier node has done already.
    Done,
    /// Floats to the bits of their signs.
    Sign(Pack),
    /// Bits to bits with zeros.
    Drop(Drop),
    /// Bits to bits in one axis.
    Flatten(Flat),
    /// Bits, or floats that are packed first, to sums or to signs of later layers.
    Product(Box<Product>),
}

/// The plan of passes forward with signs as bits, and with thresholds that fit `params`; `None`
/// where no layer is faster on bits.
pub(crate) fn plan_on_bits(graph: &Graph, params: &[Vec<Vec<f32>>], simd: Simd) -> Option<Plan> {
    let steps = steps(graph)?.into_iter().enumerate();
    let boxed = |layer: Box<dyn Layer>, is_float| Replaced::By { layer, is_float };
    let replaced = steps.map(|(i, step)| match step {
        Step::Float => Replaced::No,
        Step::Done => Replaced::Done,
        Step::Sign(layer) => boxed(Box::new(layer), false),
        Step::Drop(layer) => boxed(Box::new(layer), false),
        Step::Flatten(layer) => boxed(Box::new(layer), false),
        Step::Product(mut layer) => {
            layer.find_thresholds(graph, params, i, simd);
            let is_float = layer.chain.is_none();
            boxed(layer, is_float)
        }
    });
    Some(Plan::on_bits(graph, replaced.collect()))
}

fn steps(graph: &Graph) -> Option<Vec<Step>> {
    let nodes = graph.nodes();
    let signs = Signs::of(graph);
    let layers = (0..nodes.len()).map(|i| {
        let product = signs.products[i].then_some(&*nodes[i].op)?;
        BitLayer::new(product, graph.shape(nodes[i].inputs[0]), graph.shape(i + 1))
    });
    let layers: Vec<Option<BitLayer>> = layers.collect();
    if layers.iter().all(Option::is_none) {
        return None;
    }
    let bits = as_bits(graph, &signs, &layers);
    let mut steps: Vec<Step> = (0..nodes.len()).map(|_| Step::Float).collect();
    for (i, layer) in layers.into_iter().enumerate() {
        let op = &*nodes[i].op;
        let from = nodes[i].inputs.first().copied().unwrap_or(0);
        let layout = Layout::of(graph.shape(from));
        if let Some(layer) = layer {
            let floats = (!bits[from]).then_some(signs.trits[from]);
            let dropout = signs.factors[i].map(|node| &*nodes[node].op);
            let dropout = dropout.and_then(|op| op.as_any().downcast_ref::<Dropout>());
            let chain = chain(graph, &bits, i);
            let last = chain.as_ref().map_or(i + 1, |chain| chain.value);
            steps[i + 1..last].fill_with(|| Step::Done);
            let product = Product::new(layer, floats, dropout.map(Dropout::factor), chain);
            steps[i] = Step::Product(Box::new(product));
        } else if bits[i + 1] && !matches!(steps[i], Step::Done) {
            steps[i] = match op.as_any().downcast_ref::<Dropout>() {
                _ if is_sign(op) => Step::Sign(Pack(layout)),
                Some(dropout) => Step::Drop(Drop::new(dropout, layout)),
                None => Step::Flatten(Flat(layout)),
            };
        }
    }
    Some(steps)
}

/// Which values are kept as bits: signs, masked or flattened or not, that nothing but layers on
/// bits reads.
fn as_bits(graph: &Graph, signs: &Signs, layers: &[Option<BitLayer>]) -> Vec<bool> {
    let nodes = graph.nodes();
    let gives_on = |i: usize| nodes[i].op.as_any().is::<Flatten>() || signs.masks[i];
    let mut bits = vec![false; nodes.len() + 1];
    for v in (1..nodes.len()).rev() {
        let mut readers = (v..nodes.len())
            .filter(|&i| nodes[i].inputs.contains(&v))
            .peekable();
        bits[v] = signs.trits[v] != Trits::No
            && readers.peek().is_some()
            && readers.all(|i| layers[i].is_some() || (gives_on(i) && bits[i + 1]));
    }
    for i in 0..nodes.len() {
        let comes_as_bits = gives_on(i) && bits[nodes[i].inputs[0]];
        bits[i + 1] &= is_sign(&*nodes[i].op) || comes_as_bits;
    }
    bits
}

/// The chain from product `i` to signs that are kept as bits, if all of it can be done on sums:
/// pooling at most, functions that are monotone, the sign, each read by the next alone.
fn chain(graph: &Graph, bits: &[bool], i: usize) -> Option<Chain> {
    let mut rest = (i + 1..).zip(graph.followers(i)).peekable();
    let pool = rest.next_if(|(_, op)| op.as_any().is::<MaxPool2d>());
    let pool = pool.and_then(|(at, op)| {
        let windows = op.as_any().downcast_ref::<MaxPool2d>()?;
        Some(Pool::new(windows, graph.shape(at), graph.shape(at + 1)))
    });
    let mut monotone = Vec::new();
    while let Some((at, _)) = rest.next_if(|(_, op)| is_monotone(*op)) {
        monotone.push(at);
    }
    let (at, op) = rest.next()?;
    let value = at + 1;
    (is_sign(op) && bits[value]).then(|| Chain {
        monotone,
        value,
        layout: Layout::of(graph.shape(value)),
        pool,
        thresholds: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::{DropoutPlacement, Spec, Topology};

    /// What the nodes of an architecture do, a letter each.
    fn letters(arch: &str, topology: &str) -> Option<String> {
        let spec = Spec {
            arch: arch.into(),
            precision: Topology::find(topology).unwrap().precision().unwrap(),
            dropout: 0.5,
            dropout_placement: DropoutPlacement::Dense,
            input: vec![1, 28, 28],
            n_classes: 10,
        };
        let steps = steps(&spec.graph().unwrap())?;
        let letter = |step: &Step| match step {
            Step::Float => 'f',
            Step::Done => '.',
            Step::Sign(_) => 's',
            Step::Drop(_) => 'd',
            Step::Flatten(_) => '_',
            Step::Product(product) if product.floats.is_some() => '?',
            Step::Product(product) if product.chain.is_some() => 'P',
            Step::Product(_) => 'p',
        };
        Some(steps.iter().map(letter).collect())
    }

    #[test]
    fn signs_stay_bits_from_the_first_to_the_last_binary_layer() {
        // The first and the last layer are floats. Only the last binary layer, whose signs a
        // float layer reads, and what is behind it go back to floats.
        assert_eq!(letters("lenet5", "bnn").unwrap(), "fffsP..._P..dpffff");
        assert_eq!(
            letters("lenet-caffe", "rand-bnn").unwrap(),
            "fffsP..._pffff"
        );
        assert_eq!(
            letters("cleverhans-cnn", "bnn").unwrap(),
            "ffffsP...pffff"[..].to_string()
        );
        assert_eq!(letters("lenet5", "bnn-weights"), None);
        assert_eq!(letters("lenet5", "full-precision"), None);
    }
}

//! [`Packed`]: how each node of a plan runs forward where signs are kept as bits.

use super::bits::{Bits, Layout};
use super::layer::BitLayer;
use super::signs::{Signs, Trits, is_sign};
use super::sum::finish;
use super::threshold::{Chain, Pool, Thresholds, is_monotone};
use crate::graph::Graph;
use crate::kernel::{LANES, Lanes, Simd};
use crate::op::{Dropout, Flatten, MaxPool2d, Prepared, Quantize, scratch_of};
use crate::plan::{Plan, followers};

/// What a node does. Bits are the same numbers as the floats that they stand for.
enum Step {
    /// Floats to floats.
    Float,
    /// What an earlier node has done already.
    Done,
    /// Floats to the bits of their signs.
    Sign(Layout),
    /// Bits to bits with zeros.
    Drop(Layout, u16),
    /// Bits to bits in one axis.
    Flatten(Layout),
    /// Bits, or floats that are packed first, to sums or to signs of later layers.
    Product(Box<Product>),
}

struct Product {
    layer: BitLayer,
    /// What its input consists of if it comes as floats.
    floats: Option<Trits>,
    signs: Option<Chained>,
}

/// The chain from a product's sums to signs.
struct Chained {
    /// Nodes of monotone functions, in order.
    monotone: Vec<usize>,
    /// The value that the signs are.
    value: usize,
    layout: Layout,
    pool: Option<Pool>,
    /// One for each factor that the sums may have.
    thresholds: Vec<Thresholds>,
}

/// How nodes run forward, by node.
pub(crate) struct Packed {
    steps: Vec<Step>,
}

/// One chunk on its way forward through a node that is no float step.
pub(crate) struct BitForward<'a> {
    pub(crate) simd: Simd,
    pub(crate) blocks: usize,
    pub(crate) ids: &'a [[u64; LANES]],
    pub(crate) factor: f32,
    pub(crate) prepared: &'a Prepared,
    /// The values read and written: their numbers, and their floats if they have any.
    pub(crate) values: [usize; 2],
    pub(crate) input: &'a [Lanes],
    pub(crate) output: &'a mut [Lanes],
    pub(crate) scratch: &'a mut Vec<Lanes>,
    pub(crate) bits: &'a mut BitValues,
}

/// Values as bits, by value, and memory of the worker's own.
#[derive(Default)]
pub(crate) struct BitValues {
    values: Vec<Bits>,
    packed: Bits,
    folded: Bits,
}

impl Packed {
    /// The steps of `graph`; `None` where no layer is faster on bits.
    pub(crate) fn new(graph: &Graph) -> Option<Self> {
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
                let signs = chain(graph, &bits, i);
                let last = signs.as_ref().map_or(i + 1, |signs| signs.value);
                steps[i + 1..last]
                    .iter_mut()
                    .for_each(|step| *step = Step::Done);
                steps[i] = Step::Product(Box::new(Product {
                    layer,
                    floats,
                    signs,
                }));
            } else if bits[i + 1] && !matches!(steps[i], Step::Done) {
                steps[i] = match op.as_any().downcast_ref::<Dropout>() {
                    _ if is_sign(op) => Step::Sign(layout),
                    Some(dropout) => Step::Drop(layout, dropout.threshold()),
                    None => Step::Flatten(layout),
                };
            }
        }
        Some(Self { steps })
    }

    /// Finds where signs change, from layers as `prepared` without noise.
    pub(crate) fn find_thresholds(
        &mut self,
        graph: &Graph,
        (plan, prepared): (&Plan, &[Prepared]),
        simd: Simd,
    ) {
        for (i, step) in self.steps.iter_mut().enumerate() {
            let Step::Product(product) = step else {
                continue;
            };
            let (layer, Some(signs)) = (&product.layer, &mut product.signs) else {
                continue;
            };
            let op = |node: usize| &*graph.nodes()[node].op;
            let Some(sign) = op(signs.value - 1).as_any().downcast_ref::<Quantize>() else {
                continue;
            };
            let dropout = plan.signs.factors[i].map(op);
            let dropout = dropout.and_then(|op| op.as_any().downcast_ref::<Dropout>());
            let drawn = dropout.map(Dropout::factor).filter(|factor| *factor != 1.0);
            let channels = layer.output.channels;
            let of_factor = |factor| {
                let one = [vec![channels]];
                let layers = signs.monotone.iter();
                let chain = Chain {
                    layers: layers.map(|&j| (op(j).layer(&one), &prepared[j])).collect(),
                    sign,
                    simd,
                    factor,
                    bias: layer.bias.then_some(&prepared[i].bias),
                };
                chain.thresholds(channels, layer.n_inputs)
            };
            signs.thresholds = [1.0].into_iter().chain(drawn).map(of_factor).collect();
        }
    }

    /// Leaves in `outputs` the values that are floats.
    pub(crate) fn outputs(&self, outputs: &mut [Option<usize>]) {
        for (step, output) in self.steps.iter().zip(outputs) {
            let is_float = match step {
                Step::Float => true,
                Step::Product(product) => product.signs.is_none(),
                _ => false,
            };
            *output = output.filter(|_| is_float);
        }
    }

    /// The layer of node `i`, if its weights are used as bits.
    pub(crate) fn layer(&self, i: usize) -> Option<&BitLayer> {
        match &self.steps[i] {
            Step::Product(product) => Some(&product.layer),
            _ => None,
        }
    }

    /// Whether node `i` is left as it is.
    pub(crate) fn is_float(&self, i: usize) -> bool {
        matches!(self.steps[i], Step::Float)
    }

    /// Runs node `i`, which is no float step.
    pub(crate) fn forward(&self, i: usize, chunk: BitForward<'_>) {
        let [from, to] = chunk.values;
        let BitValues { values, .. } = chunk.bits;
        values.resize_with(values.len().max(self.steps.len() + 1), Bits::default);
        let mut into = std::mem::take(&mut values[to]);
        match &self.steps[i] {
            Step::Float | Step::Done => {}
            Step::Sign(layout) => into.pack(chunk.simd, chunk.input, *layout, false),
            Step::Flatten(layout) => into.flatten(chunk.simd, &values[from], *layout),
            Step::Drop(layout, threshold) => match chunk.prepared.draw {
                Some(draw) => {
                    let drop = (draw, *threshold);
                    into.drop(chunk.simd, &values[from], *layout, drop, chunk.ids);
                }
                None => into.copy(&values[from]),
            },
            Step::Product(product) => {
                values[to] = into;
                return product.forward(chunk);
            }
        }
        values[to] = into;
    }
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
fn chain(graph: &Graph, bits: &[bool], i: usize) -> Option<Chained> {
    let mut rest = (i + 1..).zip(followers(graph, i)).peekable();
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
    (is_sign(op) && bits[value]).then(|| Chained {
        monotone,
        value,
        layout: Layout::of(graph.shape(value)),
        pool,
        thresholds: Vec::new(),
    })
}

impl Product {
    fn forward(&self, chunk: BitForward<'_>) {
        let [from, _] = chunk.values;
        let simd = chunk.simd;
        let BitValues {
            values,
            packed,
            folded,
        } = chunk.bits;
        let x = match self.floats {
            Some(trits) => {
                let zeros = trits == Trits::WithZeros;
                packed.pack(simd, chunk.input, self.layer.input, zeros);
                &*packed
            }
            None => &values[from],
        };
        let weights = &chunk.prepared.bits;
        let Some(signs) = &self.signs else {
            self.layer.sums(simd, weights, (x, folded), chunk.output);
            let bias = self.layer.bias.then_some(&chunk.prepared.bias[..]);
            let positions = self.layer.output.positions;
            return finish(simd, chunk.output, positions, chunk.factor, bias);
        };
        let Layout {
            channels,
            positions,
        } = self.layer.output;
        let sums = scratch_of(chunk.scratch, channels * positions * chunk.blocks);
        self.layer.sums(simd, weights, (x, folded), sums);
        let factor = chunk.factor;
        let known = signs.thresholds.iter().find(|known| known.factor == factor);
        let of_sums = (signs.pool.as_ref(), signs.layout);
        if let Some(thresholds) = known {
            let into = &mut values[signs.value];
            thresholds.signs(simd, (sums, chunk.blocks), of_sums, into);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::{DropoutPlacement, Spec, Topology};

    /// What the nodes of an architecture do, a letter each.
    fn letters(arch: &str, topology: &str) -> Option<String> {
        let spec = Spec {
            filters: None,
            arch: arch.into(),
            precision: Topology::find(topology).unwrap().precision().unwrap(),
            dropout: 0.5,
            dropout_placement: DropoutPlacement::Dense,
            input: vec![1, 28, 28],
            n_classes: 10,
        };
        let packed = Packed::new(&spec.graph().unwrap())?;
        let letter = |step: &Step| match step {
            Step::Float => 'f',
            Step::Done => '.',
            Step::Sign(_) => 's',
            Step::Drop(..) => 'd',
            Step::Flatten(_) => '_',
            Step::Product(product) if product.floats.is_some() => '?',
            Step::Product(product) if product.signs.is_some() => 'P',
            Step::Product(_) => 'p',
        };
        Some(packed.steps.iter().map(letter).collect())
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

//! [`Plan`]: a graph at its shapes, ready to run: layers, buffers and what depends on noise.
//! Knows no lanes.

use crate::graph::Graph;
use crate::op::{Dropout, Layer, Op, Stochastic, size};
use crate::packed::{ExactSum, Packed, Signs};

/// What a run over a chunk keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Only what is still read: forward passes.
    Live,
    /// Every value: gradients follow.
    All,
}

/// Buffers of a run: value -> slot, and sizes of slots in numbers of one example.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots {
    pub(crate) of_value: Vec<usize>,
    pub(crate) sizes: Vec<usize>,
}

impl Slots {
    /// A slot that holds `size`: the best of `free`, or a new one.
    fn take(&mut self, size: usize, free: &mut Vec<usize>) -> usize {
        let fits = |slot: usize| self.sizes[slot].abs_diff(size);
        let best = (0..free.len()).min_by_key(|&i| fits(free[i]));
        match best {
            Some(i) => {
                let slot = free.swap_remove(i);
                self.sizes[slot] = self.sizes[slot].max(size);
                slot
            }
            None => {
                self.sizes.push(size);
                self.sizes.len() - 1
            }
        }
    }

    fn total(&self) -> usize {
        self.sizes.iter().sum()
    }
}

/// A graph at its shapes.
pub(crate) struct Plan {
    pub(crate) names: Vec<String>,
    pub(crate) layers: Vec<Box<dyn Layer>>,
    /// The value each node writes: its own, that of the last node it does the work of, or
    /// none if another does its work.
    pub(crate) outputs: Vec<Option<usize>>,
    /// Values each node reads.
    pub(crate) inputs: Vec<Vec<usize>>,
    /// Numbers of one example in each value; 0 where it is never written.
    pub(crate) sizes: Vec<usize>,
    /// Whether a node's output depends on noise. Those that do not form the prefix.
    pub(crate) noisy: Vec<bool>,
    pub(crate) stochastic: Vec<Stochastic>,
    /// Whether a value depends on a trainable parameter.
    pub(crate) trained: Vec<bool>,
    /// What is binary.
    pub(crate) signs: Signs,
    live: Slots,
    all: Slots,
    pub(crate) gradients: Slots,
}

impl Plan {
    /// The plan that is fastest: some layers do the work of their followers, whose inputs
    /// then never exist.
    pub(crate) fn new(graph: &Graph) -> Self {
        Self::build(graph, true, None)
    }

    /// The plan of passes forward in which `packed` says what is kept as bits.
    pub(crate) fn on_bits(graph: &Graph, packed: &Packed) -> Self {
        Self::build(graph, true, Some(packed))
    }

    /// The plan in which every value exists.
    pub(crate) fn of_all_values(graph: &Graph) -> Self {
        Self::build(graph, false, None)
    }

    fn build(graph: &Graph, fuse: bool, packed: Option<&Packed>) -> Self {
        let nodes = graph.nodes();
        let inputs: Vec<Vec<usize>> = nodes.iter().map(|node| node.inputs.clone()).collect();
        let signs = Signs::of(graph);
        let (layers, mut outputs) = layers(graph, &signs, fuse, packed);
        if let Some(packed) = packed {
            packed.outputs(&mut outputs);
        }
        let mut sizes: Vec<usize> = (0..=nodes.len()).map(|v| size(graph.shape(v))).collect();
        for (v, size) in sizes.iter_mut().enumerate().skip(1) {
            if !outputs.contains(&Some(v)) {
                *size = 0;
            }
        }
        let stochastic: Vec<Stochastic> = nodes.iter().map(|node| node.op.stochastic()).collect();
        let mut noisy = Vec::new();
        let mut trained = vec![false];
        for (i, params) in graph.params().iter().enumerate() {
            let noisy_input = inputs[i].iter().any(|&v| v > 0 && noisy[v - 1]);
            noisy.push(stochastic[i] != Stochastic::No || noisy_input);
            let own = params.iter().any(|param| param.trainable);
            trained.push(own || inputs[i].iter().any(|&v| trained[v]));
        }
        let mut plan = Self {
            names: nodes.iter().map(|node| node.name.clone()).collect(),
            layers,
            outputs,
            signs,
            all: Slots {
                of_value: (0..sizes.len()).collect(),
                sizes: sizes.clone(),
            },
            live: Slots::default(),
            gradients: Slots::default(),
            inputs,
            sizes,
            noisy,
            stochastic,
            trained,
        };
        // Buffers are reused in node order. Where noise precedes layers that do not depend on
        // it, these run earlier than their order says, and each value keeps a buffer of its own.
        if plan.noisy.is_sorted() {
            plan.live = plan.live_slots();
            plan.gradients = plan.gradient_slots();
        } else {
            plan.live = plan.all.clone();
            plan.gradients = plan.all.clone();
        }
        plan
    }

    /// A prefix value that the noisy rest reads: it must survive all passes.
    fn is_boundary(&self, value: usize) -> bool {
        let prefix = value == 0 || !self.noisy[value - 1];
        prefix && (0..self.inputs.len()).any(|i| self.noisy[i] && self.inputs[i].contains(&value))
    }

    fn live_slots(&self) -> Slots {
        let n = self.inputs.len();
        let last_use = |v: usize| (0..n).rev().find(|&i| self.inputs[i].contains(&v));
        let mut slots = Slots::default();
        let mut free = Vec::new();
        slots.of_value = vec![usize::MAX; n + 1];
        slots.of_value[0] = slots.take(self.sizes[0], &mut free);
        for i in 0..n {
            let Some(output) = self.outputs[i] else {
                continue;
            };
            slots.of_value[output] = slots.take(self.sizes[output], &mut free);
            for &v in &self.inputs[i] {
                let slot = slots.of_value[v];
                let done = last_use(v) == Some(i) && !self.is_boundary(v);
                // What is kept as bits has none.
                if slot != usize::MAX && done && !free.contains(&slot) {
                    free.push(slot);
                }
            }
        }
        slots
    }

    fn gradient_slots(&self) -> Slots {
        let n = self.inputs.len();
        let mut slots = Slots {
            of_value: vec![usize::MAX; n + 1],
            sizes: Vec::new(),
        };
        let mut free = Vec::new();
        for i in (0..n).rev() {
            let Some(output) = self.outputs[i] else {
                continue;
            };
            for v in std::iter::once(output).chain(self.inputs[i].iter().copied()) {
                if slots.of_value[v] == usize::MAX {
                    // Gradients at the boundary add up over draws: nothing may reuse them.
                    let pool = if self.is_boundary(v) {
                        &mut Vec::new()
                    } else {
                        &mut free
                    };
                    slots.of_value[v] = slots.take(self.sizes[v], pool);
                }
            }
            if !self.is_boundary(output) {
                free.push(slots.of_value[output]);
            }
        }
        slots
    }

    pub(crate) fn slots(&self, keep: Keep) -> &Slots {
        match keep {
            Keep::Live => &self.live,
            Keep::All => &self.all,
        }
    }

    /// Numbers of one example that a run holds at once.
    pub(crate) fn live_size(&self, keep: Keep) -> usize {
        match keep {
            Keep::Live => self.live.total(),
            Keep::All => self.all.total() + self.gradients.total(),
        }
    }

    /// The output of the node called `name`.
    pub(crate) fn value(&self, name: &str) -> Option<usize> {
        self.names
            .iter()
            .position(|known| known == name)
            .map(|i| i + 1)
    }

    /// The network's output.
    pub(crate) fn output(&self) -> usize {
        self.inputs.len()
    }

    /// What is random at all.
    pub(crate) fn randomness(&self) -> Stochastic {
        let is = |kind| self.stochastic.contains(&kind);
        match (is(Stochastic::PerPass), is(Stochastic::PerExample)) {
            (true, _) => Stochastic::PerPass,
            (_, true) => Stochastic::PerExample,
            _ => Stochastic::No,
        }
    }
}

/// The layer of each node and the value it writes. What `packed` runs on bits is not fused.
fn layers(
    graph: &Graph,
    signs: &Signs,
    fuse: bool,
    packed: Option<&Packed>,
) -> (Vec<Box<dyn Layer>>, Vec<Option<usize>>) {
    let nodes = graph.nodes();
    let mut outputs: Vec<Option<usize>> = (1..=nodes.len()).map(Some).collect();
    let layer = |i: usize| {
        let (op, shapes) = (&nodes[i].op, graph.input_shapes(i));
        let fuse = fuse && packed.is_none_or(|packed| packed.is_float(i));
        let followers = if fuse {
            followers(graph, i)
        } else {
            Vec::new()
        };
        let fused = match op.as_any().downcast_ref::<Dropout>() {
            Some(dropout) if signs.masks[i] => return dropout.mask(),
            _ if signs.products[i] => ExactSum::fuse(op.as_ref(), graph, i, &followers),
            _ => crate::fused::fuse(op.as_ref(), &shapes, &followers),
        };
        let Some((layer, taken)) = fused else {
            return op.layer(&shapes);
        };
        outputs[i] = Some(i + 1 + taken);
        outputs[i + 1..=i + taken].fill(None);
        layer
    };
    let layers = (0..nodes.len()).map(layer).collect();
    (layers, outputs)
}

/// The ops behind node `i`, one after another, as long as each is the only reader of the one
/// before.
pub(crate) fn followers(graph: &Graph, i: usize) -> Vec<&dyn Op> {
    let nodes = graph.nodes();
    let read_once = |v: usize| {
        let inputs = nodes.iter().flat_map(|node| &node.inputs);
        inputs.filter(|&&input| input == v).count() == 1
    };
    let chain = (i + 1..nodes.len()).take_while(|&j| nodes[j].inputs == [j] && read_once(j));
    chain.map(|j| nodes[j].op.as_ref()).collect()
}

//! [`Plan`]: a graph at its shapes, ready to run: layers, buffers and what depends on noise.
//! Knows no lanes.

use crate::exact_sum::ExactSum;
use crate::graph::Graph;
use crate::noise::Randomness;
use crate::op::{Dropout, Layer, size};
use crate::signs::Signs;

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
    /// Layers that are not prepared: of these are made those that run.
    pub(crate) layers: Vec<Box<dyn Layer>>,
    /// The value each node writes: its own, that of the last node it does the work of, or
    /// none if another does its work or it writes bits.
    pub(crate) outputs: Vec<Option<usize>>,
    /// Whether an earlier node does a node's work.
    pub(crate) done: Vec<bool>,
    /// Whether a node runs on bits, or what does its work.
    pub(crate) on_bits: Vec<bool>,
    /// Values each node reads.
    pub(crate) inputs: Vec<Vec<usize>>,
    /// Numbers of one example in each value; 0 where it is never written.
    pub(crate) sizes: Vec<usize>,
    /// Whether a node's output depends on noise. Those that do not form the prefix.
    pub(crate) noisy: Vec<bool>,
    pub(crate) stochastic: Vec<Randomness>,
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
        Self::build(graph, true, Self::as_is(graph))
    }

    /// The plan of passes forward in which some nodes run on bits.
    pub(crate) fn on_bits(graph: &Graph, replaced: Vec<Replaced>) -> Self {
        Self::build(graph, true, replaced)
    }

    /// The plan in which every value exists.
    pub(crate) fn of_all_values(graph: &Graph) -> Self {
        Self::build(graph, false, Self::as_is(graph))
    }

    fn as_is(graph: &Graph) -> Vec<Replaced> {
        graph.nodes().iter().map(|_| Replaced::No).collect()
    }

    fn build(graph: &Graph, fuse: bool, replaced: Vec<Replaced>) -> Self {
        let nodes = graph.nodes();
        let inputs: Vec<Vec<usize>> = nodes.iter().map(|node| node.inputs.clone()).collect();
        let signs = Signs::of(graph);
        let Placed {
            layers,
            outputs,
            done,
            on_bits,
        } = Placed::new(graph, &signs, fuse, replaced);
        let mut sizes: Vec<usize> = (0..=nodes.len()).map(|v| size(graph.shape(v))).collect();
        for (v, size) in sizes.iter_mut().enumerate().skip(1) {
            if !outputs.contains(&Some(v)) {
                *size = 0;
            }
        }
        let stochastic: Vec<Randomness> = nodes.iter().map(|node| node.op.stochastic()).collect();
        let mut noisy = Vec::new();
        let mut trained = vec![false];
        for (i, params) in graph.params().iter().enumerate() {
            let noisy_input = inputs[i].iter().any(|&v| v > 0 && noisy[v - 1]);
            noisy.push(stochastic[i] != Randomness::None || noisy_input);
            let own = params.iter().any(|param| param.trainable);
            trained.push(own || inputs[i].iter().any(|&v| trained[v]));
        }
        let mut plan = Self {
            names: nodes.iter().map(|node| node.name.clone()).collect(),
            layers,
            outputs,
            done,
            on_bits,
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
    pub(crate) fn randomness(&self) -> Randomness {
        let is = |kind| self.stochastic.contains(&kind);
        match (is(Randomness::PerPass), is(Randomness::PerExample)) {
            (true, _) => Randomness::PerPass,
            (_, true) => Randomness::PerExample,
            _ => Randomness::None,
        }
    }
}

/// How a node runs.
pub(crate) enum Replaced {
    /// As its op says.
    No,
    /// Not at all: an earlier node does its work on bits.
    Done,
    /// By another layer, whose output is floats or bits.
    By {
        layer: Box<dyn Layer>,
        is_float: bool,
    },
}

/// What runs at each node.
struct Placed {
    layers: Vec<Box<dyn Layer>>,
    outputs: Vec<Option<usize>>,
    done: Vec<bool>,
    on_bits: Vec<bool>,
}

impl Placed {
    fn new(graph: &Graph, signs: &Signs, fuse: bool, replaced: Vec<Replaced>) -> Self {
        let n = graph.nodes().len();
        let mut placed = Self {
            layers: Vec::with_capacity(n),
            outputs: (1..=n).map(Some).collect(),
            done: vec![false; n],
            on_bits: vec![false; n],
        };
        for (i, replaced) in replaced.into_iter().enumerate() {
            placed.on_bits[i] = !matches!(replaced, Replaced::No);
            let own = || graph.nodes()[i].op.layer(&graph.input_shapes(i)).into_box();
            let layer = match replaced {
                Replaced::By { layer, is_float } => {
                    placed.outputs[i] = placed.outputs[i].filter(|_| is_float);
                    layer
                }
                Replaced::Done => {
                    placed.is_done(i);
                    own()
                }
                Replaced::No => match fused(graph, signs, i, fuse) {
                    Some((layer, taken)) => {
                        (i + 1..=i + taken).for_each(|i| placed.is_done(i));
                        placed.outputs[i] = Some(i + 1 + taken);
                        layer
                    }
                    None => own(),
                },
            };
            placed.layers.push(layer);
        }
        placed
    }

    fn is_done(&mut self, i: usize) {
        self.outputs[i] = None;
        self.done[i] = true;
    }
}

/// A layer that does more or less than node `i` alone says, and how many nodes behind it that is.
fn fused(graph: &Graph, signs: &Signs, i: usize, fuse: bool) -> Option<(Box<dyn Layer>, usize)> {
    let op = graph.nodes()[i].op.as_ref();
    let followers = if fuse { graph.followers(i) } else { Vec::new() };
    match op.as_any().downcast_ref::<Dropout>() {
        Some(dropout) if signs.masks[i] => Some((dropout.mask().into_box(), 0)),
        _ if signs.products[i] => ExactSum::fuse(op, graph, i, &followers),
        _ => crate::fused::fuse(op, &graph.input_shapes(i), &followers),
    }
}

//! An independent interpreter of graphs: float64, plain `(n, c, h, w)` arrays, loops as in the
//! formulas. Dropout masks and stochastic weights come from the engine's own streams.

mod imported;
mod op;
pub(crate) mod quantizer;

use op::{Gradients, Kept, Node};
use quaver_nn::model::Model;
use quaver_nn::noise::Noise;

/// Which statistics batch normalization uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Statistics {
    /// Those of training.
    Running,
    /// The batch's own.
    Batch,
}

/// A model with parameters in float64.
pub(crate) struct Reference<'a> {
    model: &'a Model,
    /// By node and parameter; may be moved, for finite differences.
    pub(crate) params: Vec<Vec<Vec<f64>>>,
}

/// A pass forward.
pub(crate) struct Trace {
    n: usize,
    /// `(n, size)` of the input (0) and of node i's output (i + 1).
    pub(crate) values: Vec<Vec<f64>>,
    kept: Vec<Kept>,
}

/// A pass back.
pub(crate) struct Pulled {
    /// `(n, input size)`.
    pub(crate) input: Vec<f64>,
    /// Summed over the batch, by node and parameter.
    pub(crate) params: Vec<Vec<Vec<f64>>>,
    /// Sums of the magnitudes that `params` sums.
    pub(crate) sizes: Vec<Vec<Vec<f64>>>,
}

fn rows<'a>(values: &[&'a Vec<f64>], n: usize, example: usize) -> Vec<&'a [f64]> {
    let row = |v: &&'a Vec<f64>| &v[example * (v.len() / n)..(example + 1) * (v.len() / n)];
    values.iter().map(row).collect()
}

impl<'a> Reference<'a> {
    pub(crate) fn new(model: &'a Model) -> Self {
        let wide = |p: &Vec<f32>| p.iter().map(|&v| f64::from(v)).collect();
        let node = |node: &Vec<Vec<f32>>| node.iter().map(wide).collect();
        Self {
            model,
            params: model.params.iter().map(node).collect(),
        }
    }

    fn node(&self, i: usize) -> Node<'_> {
        let graph = &self.model.graph;
        Node {
            op: &*graph.nodes()[i].op,
            name: &graph.nodes()[i].name,
            inputs: graph.input_shapes(i),
            output: graph.shape(i + 1),
            params: &self.params[i],
        }
    }

    /// All values under `noise`.
    pub(crate) fn forward(&self, x: &[f64], ids: &[u64], noise: Noise, with: Statistics) -> Trace {
        let n = ids.len();
        let nodes = self.model.graph.nodes();
        let (mut values, mut kept) = (vec![x.to_vec()], Vec::new());
        for i in 0..nodes.len() {
            let node = self.node(i);
            let inputs: Vec<_> = nodes[i].inputs.iter().map(|&v| &values[v]).collect();
            let keep = node.keep(inputs[0], ids, noise, with);
            let output = (0..n).flat_map(|e| node.forward(&keep, &rows(&inputs, n, e), e));
            values.push(output.collect());
            kept.push(keep);
        }
        Trace { n, values, kept }
    }

    /// Pulls `upstream`, the gradient with respect to value `at`, back to input and parameters.
    pub(crate) fn backward(&self, trace: &Trace, at: usize, upstream: &[f64]) -> Pulled {
        let nodes = self.model.graph.nodes();
        let zeros = |values: &[Vec<f64>]| -> Vec<Vec<f64>> {
            values.iter().map(|v| vec![0.0; v.len()]).collect()
        };
        let mut gradients = zeros(&trace.values);
        let mut params: Vec<_> = self.params.iter().map(|node| zeros(node)).collect();
        let mut sizes = params.clone();
        gradients[at].copy_from_slice(upstream);
        for i in (0..at).rev() {
            let node = self.node(i);
            let inputs: Vec<_> = nodes[i].inputs.iter().map(|&v| &trace.values[v]).collect();
            let mut into = Gradients {
                inputs: inputs.iter().map(|v| vec![0.0; v.len()]).collect(),
                params: std::mem::take(&mut params[i]),
                sizes: std::mem::take(&mut sizes[i]),
            };
            for e in 0..trace.n {
                let u = rows(&[&gradients[i + 1]], trace.n, e)[0];
                let inputs = rows(&inputs, trace.n, e);
                node.backward(&trace.kept[i], &inputs, (u, e), &mut into);
            }
            node.settle(&trace.kept[i], inputs[0], &mut into);
            for (&v, more) in nodes[i].inputs.iter().zip(&into.inputs) {
                gradients[v].iter_mut().zip(more).for_each(|(g, m)| *g += m);
            }
            (params[i], sizes[i]) = (into.params, into.sizes);
        }
        let input = gradients.swap_remove(0);
        Pulled {
            input,
            params,
            sizes,
        }
    }

    /// Running mean and variance of node `i` after a step on `trace`: a tenth of the batch's,
    /// its variance unbiased. `None` for other nodes than batch normalization.
    pub(crate) fn running(&self, trace: &Trace, i: usize) -> Option<[Vec<f64>; 2]> {
        let Kept { mean, variance, .. } = &trace.kept[i];
        if mean.is_empty() {
            return None;
        }
        let count = (trace.values[i + 1].len() / mean.len()) as f64;
        let unbiased: Vec<f64> = variance.iter().map(|v| v * count / (count - 1.0)).collect();
        let moved = |old: &[f64], new: &[f64]| {
            let pairs = old.iter().zip(new);
            pairs.map(|(o, n)| 0.9 * o + 0.1 * n).collect()
        };
        let params = &self.params[i];
        Some([moved(&params[2], mean), moved(&params[3], &unbiased)])
    }
}

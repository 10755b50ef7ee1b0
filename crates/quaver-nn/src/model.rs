//! [`Model`]: a graph, its parameters and what is known about them.

use crate::graph::{Graph, GraphError, Node};
use crate::noise::{Draw, Purpose};
use crate::op::{Affine, Dropout, Init, Op, from_config};
use crate::quantizer::{InputGradient, Surrogate, TestWeights};
use crate::signs::are_signs;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Name of the quantizer that draws.
const STOCHASTIC: &str = "stochastic-sign";

/// What a model file says beside graph and parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Info {
    /// Architecture, e.g. `lenet5`.
    pub arch: String,
    /// Topology, e.g. `quantized-2bit`.
    pub topology: String,
    /// Dropout probability.
    pub dropout: f64,
    /// Class names in the order of the outputs.
    pub classes: Vec<String>,
    /// Smallest and largest pixel value.
    pub input_range: [f64; 2],
    /// How it was trained; `None` for imported weights.
    pub training: Option<TrainingRecord>,
    /// Whether weights that are used as their signs are −1 and 1, and bits in files. Outputs and
    /// input gradients are the same; the latent values that training goes on from are gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub packed: bool,
    /// What stands around the network, as specs, the outermost last. It does nothing here: who
    /// runs the model puts it there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wrappers: Vec<String>,
}

impl Default for Info {
    /// Nothing known; pixels in [0, 1].
    fn default() -> Self {
        Self {
            arch: String::new(),
            topology: String::new(),
            dropout: 0.0,
            classes: Vec::new(),
            input_range: [0.0, 1.0],
            training: None,
            packed: false,
            wrappers: Vec::new(),
        }
    }
}

/// How a model was trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingRecord {
    /// Data set.
    pub dataset: String,
    /// SHA-256 of what was learned from: pixels, labels and class names.
    pub fingerprint: String,
    /// Training images.
    pub n: usize,
    /// Epochs finished.
    pub epochs: u32,
    /// Images a step.
    pub batch_size: usize,
    /// Learning rate, before the schedule.
    pub learning_rate: f64,
    /// What was done with a batch: the spec of the training step.
    #[serde(default = "plain_step")]
    pub step: String,
    /// Spec of the optimizer.
    #[serde(default = "plain_optimizer")]
    pub optimizer: String,
    /// Spec of how the learning rate changed.
    #[serde(default = "plain_schedule")]
    pub schedule: String,
    /// Epochs that the schedule was laid out for, where it depends on them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_epochs: Option<u32>,
    /// Specs of the changes of training images, in order.
    #[serde(default)]
    pub augment: Vec<String>,
    /// Seed of starting weights, order and noise.
    pub seed: u64,
    /// Mean loss over the last epoch, in nats.
    pub loss: f64,
    /// Accuracy over the last epoch's training batches, noise on, a fraction.
    pub accuracy: f64,
}

// What files of schema 1 do not say, as there was nothing else.
fn plain_step() -> String {
    "cross-entropy".into()
}
fn plain_optimizer() -> String {
    "adam(beta1=0.9,beta2=0.999,eps=1e-8)".into()
}
fn plain_schedule() -> String {
    "constant(warmup=0)".into()
}

/// A network with parameter values.
#[derive(Clone, Debug)]
pub struct Model {
    /// What is computed.
    pub graph: Graph,
    /// Values of every node's parameters, in the order of [`Graph::params`].
    pub params: Vec<Vec<Vec<f32>>>,
    /// What else is known.
    pub info: Info,
}

impl Model {
    /// A model with starting weights drawn from `seed`.
    pub fn new(graph: Graph, info: Info, seed: u64) -> Self {
        let mut params = Vec::new();
        for (node, specs) in graph.nodes().iter().zip(graph.params()) {
            let mut values = Vec::new();
            for spec in specs {
                let mut value = vec![0.0; spec.shape.iter().product()];
                start(
                    &mut value,
                    spec.init,
                    seed,
                    &format!("{}.{}", node.name, spec.name),
                );
                values.push(value);
            }
            params.push(values);
        }
        Self {
            graph,
            params,
            info,
        }
    }

    /// Name, shape and values of every parameter, in graph order, named as PyTorch does.
    pub fn named_params(&self) -> Vec<(String, Vec<usize>, &[f32])> {
        let mut out = Vec::new();
        for ((node, specs), values) in self
            .graph
            .nodes()
            .iter()
            .zip(self.graph.params())
            .zip(&self.params)
        {
            for (spec, values) in specs.into_iter().zip(values) {
                out.push((
                    format!("{}.{}", node.name, spec.name),
                    spec.shape,
                    values.as_slice(),
                ));
            }
        }
        out
    }

    /// The same network with each weight that is used as its sign reduced to it
    /// ([`Info::packed`]); `None` if there is no such weight. Stochastic weights are none: they
    /// are drawn from their latent values.
    pub fn packed(&self) -> Option<Self> {
        let bits = sign_weights(&self.graph);
        if !bits.contains(&true) {
            return None;
        }
        let mut model = self.clone();
        for (values, _) in model.params.iter_mut().zip(bits).filter(|(_, bits)| *bits) {
            for value in &mut values[0] {
                *value = if *value >= 0.0 { 1.0 } else { -1.0 };
            }
        }
        model.info.packed = true;
        Some(model)
    }

    /// The same network for pixels that are not normalized yet: behind `(x - mean) / std`, a
    /// node called `normalization`, with one mean and deviation or one for each channel.
    ///
    /// # Errors
    /// Those of [`Affine::normalization`], and when a node has that name.
    pub fn normalized(self, mean: &[f64], std: &[f64]) -> Result<Self, GraphError> {
        let channels = self.graph.input_shape()[0];
        let op = Affine::normalization(mean, std, channels).map_err(GraphError::Network)?;
        self.behind("normalization", Box::new(op))
    }

    /// The same network behind `op`, which has no parameters and is called `name`.
    ///
    /// # Errors
    /// As [`Graph::push`].
    pub fn behind(mut self, name: &str, op: Box<dyn Op>) -> Result<Self, GraphError> {
        self.graph = self.graph.behind(name, op)?;
        self.params.insert(0, Vec::new());
        Ok(self)
    }

    /// The same network ending in `op`, which has no parameters and is called `name`.
    ///
    /// # Errors
    /// As [`Graph::push`].
    pub fn ending_in(mut self, name: &str, op: Box<dyn Op>) -> Result<Self, GraphError> {
        let last = self.graph.nodes().len();
        self.graph.push(name.into(), op, vec![last])?;
        self.params.push(Vec::new());
        Ok(self)
    }

    /// The same network with another op, which has no parameters, behind each node that `op`
    /// gives one for. It is called like the node, with `.suffix` added; what read the node reads
    /// it. The other nodes keep their names.
    ///
    /// # Errors
    /// As [`Graph::push`].
    pub fn followed(
        self,
        suffix: &str,
        op: impl Fn(&Node) -> Option<Box<dyn Op>>,
    ) -> Result<Self, GraphError> {
        let mut graph = Graph::new(self.graph.input_shape().clone())?;
        let mut params = Vec::new();
        // By value of the old graph: where it stands now.
        let mut places = vec![0];
        for (node, values) in self.graph.nodes().iter().zip(self.params) {
            let inputs = node.inputs.iter().map(|&value| places[value]).collect();
            let mut place = graph.push(node.name.clone(), node.op.boxed(), inputs)?;
            params.push(values);
            if let Some(op) = op(node) {
                place = graph.push(format!("{}.{suffix}", node.name), op, vec![place])?;
                params.push(Vec::new());
            }
            places.push(place);
        }
        let info = self.info;
        Ok(Self {
            graph,
            params,
            info,
        })
    }

    /// The same network with other surrogate gradients: `of` gives them for the nodes that are
    /// called so. Of stochastic weights, gradients with respect to inputs go through `weights`.
    ///
    /// # Errors
    /// None that a graph of known ops gives.
    pub fn with_surrogates(
        &self,
        of: &[(String, Surrogate)],
        weights: InputGradient,
    ) -> Result<Self, GraphError> {
        self.with_settings(|node, config| {
            let surrogate = of.iter().find(|(name, _)| *name == node.name);
            let quantizer = config.get_mut("quantizer").and_then(|q| q.as_object_mut());
            let Some(quantizer) = quantizer else { return };
            if quantizer["name"] == STOCHASTIC && weights != InputGradient::Sample {
                quantizer.insert("input_gradient".into(), json!(weights));
            }
            if let Some((_, surrogate)) = surrogate {
                quantizer.insert("surrogate".into(), json!(surrogate));
            }
        })
    }

    /// The same network with nothing random outside training: dropout drops nothing, stochastic
    /// weights take their more likely value.
    ///
    /// # Errors
    /// None that a graph of known ops gives.
    pub fn without_noise(&self) -> Result<Self, GraphError> {
        let mut model = self.with_settings(|node, config| {
            if node.op.as_any().is::<Dropout>() {
                config["p"] = json!(0.0);
            }
            let quantizer = config.get_mut("quantizer").and_then(|q| q.as_object_mut());
            let stochastic = quantizer.filter(|quantizer| quantizer["name"] == STOCHASTIC);
            let resampled =
                stochastic.filter(|q| q["test_weights"] == json!(TestWeights::Resample));
            if let Some(quantizer) = resampled {
                quantizer.insert("test_weights".into(), json!(TestWeights::Sign));
            }
        })?;
        model.info.dropout = 0.0;
        Ok(model)
    }

    /// The same network with settings of its ops as `change` leaves them.
    fn with_settings(&self, change: impl Fn(&Node, &mut Value)) -> Result<Self, GraphError> {
        let mut graph = Graph::new(self.graph.input_shape().clone())?;
        for node in self.graph.nodes() {
            let mut config = node.op.config();
            change(node, &mut config);
            let op = from_config(node.op.name(), config).map_err(|source| GraphError::Op {
                node: node.name.clone(),
                source,
            })?;
            graph.push(node.name.clone(), op, node.inputs.clone())?;
        }
        Ok(Self {
            graph,
            params: self.params.clone(),
            info: self.info.clone(),
        })
    }

    /// Number of trainable parameters.
    pub fn n_params(&self) -> usize {
        let trainable = |specs: Vec<crate::op::Param>| {
            let kept = specs.into_iter().filter(|spec| spec.trainable);
            kept.map(|spec| spec.shape.iter().product::<usize>())
                .sum::<usize>()
        };
        self.graph.params().into_iter().map(trainable).sum()
    }
}

/// By node: whether each of its weights, its first parameter, is used as its sign alone.
pub(crate) fn sign_weights(graph: &Graph) -> Vec<bool> {
    let nodes = graph.nodes().iter();
    nodes.map(|node| are_signs(&*node.op)).collect()
}

fn start(out: &mut [f32], init: Init, seed: u64, name: &str) {
    let draw = |pass| {
        Draw {
            seed,
            purpose: Purpose::Init,
            pass,
        }
        .of_layer(name)
    };
    match init {
        Init::Constant(value) => out.fill(value),
        Init::Uniform(bound) => {
            draw(0).uniforms(out);
            out.iter_mut().for_each(|v| *v = (2.0 * *v - 1.0) * bound);
        }
        Init::TruncatedNormal(deviation) => {
            // Box-Muller; whatever lies beyond two deviations is drawn again.
            let mut pending: Vec<usize> = (0..out.len()).collect();
            let mut uniforms = vec![0.0; 2 * out.len()];
            let mut pass = 0;
            while !pending.is_empty() {
                draw(pass).uniforms(&mut uniforms);
                pending.retain(|&i| {
                    let (u, v) = (f64::from(uniforms[2 * i]), f64::from(uniforms[2 * i + 1]));
                    let radius = (-2.0 * libm::log(1.0 - u)).sqrt();
                    let z = radius * libm::cos(2.0 * std::f64::consts::PI * v);
                    out[i] = (z * f64::from(deviation)) as f32;
                    z.abs() > 2.0
                });
                pass += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{Add, Dense, Flatten, Relu};

    #[test]
    fn an_op_stands_behind_every_node_that_asks_for_one() {
        let dense = Dense {
            in_features: 2,
            out_features: 2,
            bias: true,
            quantizer: None,
        };
        let mut graph = Graph::new(vec![2]).unwrap();
        let relu = || Box::new(Relu::default());
        let first = graph.push("first".into(), relu(), vec![0]).unwrap();
        let dense = graph.push("dense".into(), Box::new(dense), vec![first]);
        let sum = vec![first, dense.unwrap()];
        graph.push("sum".into(), Box::new(Add {}), sum).unwrap();
        graph.push("last".into(), relu(), vec![3]).unwrap();
        let model = Model::new(graph, Info::default(), 0);
        let flatten = |node: &Node| {
            let is_relu = node.op.as_any().is::<Relu>();
            is_relu.then(|| Box::new(Flatten {}) as Box<dyn Op>)
        };
        let followed = model.clone().followed("flat", flatten).unwrap();
        let nodes = followed.graph.nodes().iter();
        let nodes: Vec<_> = nodes.map(|n| (&*n.name, &n.inputs[..])).collect();
        let expected = [
            ("first", &[0][..]),
            ("first.flat", &[1]),
            ("dense", &[2]),
            ("sum", &[2, 3]),
            ("last", &[4]),
            ("last.flat", &[5]),
        ];
        assert_eq!(nodes, expected);
        assert_eq!(followed.named_params(), model.named_params());
    }

    #[test]
    fn starting_weights_have_the_asked_spread() {
        let mut weights = vec![0.0; 20_000];
        start(&mut weights, Init::TruncatedNormal(0.2), 1, "w");
        let mean = weights.iter().map(|&w| f64::from(w)).sum::<f64>() / 20_000.0;
        let variance = weights.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.005);
        // A normal cut at two deviations keeps 0.7737 of its variance.
        assert!((variance / 0.04 - 0.7737).abs() < 0.03, "{variance}");
        assert!(weights.iter().all(|w| w.abs() <= 0.4));
        start(&mut weights, Init::Uniform(0.5), 1, "w");
        let variance = weights.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>() / 20_000.0;
        assert!((variance * 12.0 - 1.0).abs() < 0.03);
    }
}

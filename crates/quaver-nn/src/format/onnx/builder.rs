//! [`Builder`]: the layers that an import has found so far.

use super::error::{OnnxError, Reason};
use crate::graph::Graph;
use crate::model::{Info, Model};
use crate::noise::Randomness;
use crate::op::{Op, Shape, from_config};

/// A layer with its numbers.
pub(super) struct Layer {
    pub(super) op: Box<dyn Op>,
    pub(super) inputs: Vec<usize>,
    pub(super) params: Vec<Vec<f32>>,
    /// Node of the ONNX graph it comes from.
    pub(super) from: String,
}

/// Layers in order; some may turn out not to be needed.
pub(super) struct Builder {
    pub(super) layers: Vec<Layer>,
    pub(super) shapes: Vec<Shape>,
}

impl Builder {
    pub(super) fn new(input: Shape) -> Self {
        Self {
            layers: Vec::new(),
            shapes: vec![input],
        }
    }

    /// Adds a layer and returns its output value; of two that compute the same without noise or
    /// parameters the first serves both.
    pub(super) fn push(
        &mut self,
        from: &str,
        op: impl Op,
        inputs: &[usize],
        params: Vec<Vec<f32>>,
    ) -> Result<usize, Reason> {
        // As a model file would name it, so that its settings are checked.
        let op = from_config(op.name(), op.config()).map_err(|e| e.to_string())?;
        let shapes: Vec<Shape> = inputs.iter().map(|&v| self.shapes[v].clone()).collect();
        let shape = op.shape(&shapes).map_err(|e| e.to_string())?;
        // The limits of a value are those of a graph's input.
        Graph::new(shape.clone()).map_err(|e| e.to_string())?;
        for (spec, values) in op.params(&shapes).iter().zip(&params) {
            let expected = spec.shape.iter().product::<usize>();
            if values.len() != expected {
                let (name, got) = (spec.name, values.len());
                return Err(format!("{name} has {got} numbers, expected {expected}"));
            }
        }
        if op.params(&shapes).len() != params.len() {
            return Err(format!("{} takes other parameters", op.name()));
        }
        if params.is_empty() && op.stochastic() == Randomness::None {
            let same = |layer: &Layer| {
                layer.inputs == inputs
                    && layer.op.name() == op.name()
                    && layer.op.config() == op.config()
            };
            if let Some(at) = self.layers.iter().position(same) {
                return Ok(at + 1);
            }
        }
        self.shapes.push(shape);
        self.layers.push(Layer {
            op,
            inputs: inputs.to_vec(),
            params,
            from: from.into(),
        });
        Ok(self.layers.len())
    }

    /// The layer whose output `value` is, if it is a `T`.
    pub(super) fn made_by<T: 'static>(&self, value: usize) -> Option<(&Layer, &T)> {
        let layer = self.layers.get(value.checked_sub(1)?)?;
        layer.op.as_any().downcast_ref().map(|op| (layer, op))
    }

    /// Drops the layers that `output` does not need, so that it becomes the last one.
    pub(super) fn keep(&mut self, output: usize) {
        let mut needed = vec![false; self.shapes.len()];
        needed[output] = true;
        for i in (0..output).rev().filter(|_| output > 0) {
            if needed[i + 1] {
                self.layers[i].inputs.iter().for_each(|&v| needed[v] = true);
            }
        }
        needed[0] = true;
        let mut place = vec![0; needed.len()];
        let mut next = 0;
        for (v, needed) in needed.iter().enumerate() {
            place[v] = next;
            next += usize::from(*needed);
        }
        let (mut at, mut value) = (0, 0);
        self.layers.retain(|_| {
            at += 1;
            needed[at]
        });
        self.shapes.retain(|_| {
            value += 1;
            needed[value - 1]
        });
        for layer in &mut self.layers {
            layer.inputs.iter_mut().for_each(|v| *v = place[*v]);
        }
    }

    /// Puts a layer without parameters before input 0 of layer `at`.
    pub(super) fn insert(&mut self, at: usize, op: Box<dyn Op>) {
        let read = self.layers[at].inputs[0];
        self.make_room(at, op, read);
        self.layers[at + 1].inputs[0] = at + 1;
    }

    /// Puts a layer without parameters behind the input, for all who read it.
    pub(super) fn insert_first(&mut self, op: Box<dyn Op>) {
        self.make_room(0, op, 0);
        for layer in &mut self.layers[1..] {
            let readers = layer.inputs.iter_mut().filter(|v| **v == 0);
            readers.for_each(|v| *v = 1);
        }
    }

    /// Adds layer `at` of the shape of `read`, which nothing reads yet.
    fn make_room(&mut self, at: usize, op: Box<dyn Op>, read: usize) {
        for layer in &mut self.layers {
            let behind = layer.inputs.iter_mut().filter(|v| **v > at);
            behind.for_each(|v| *v += 1);
        }
        let shape = self.shapes[read].clone();
        self.shapes.insert(at + 1, shape);
        let layer = Layer {
            op,
            inputs: vec![read],
            params: Vec::new(),
            from: String::new(),
        };
        self.layers.insert(at, layer);
    }

    /// The model, its layers named "0", "1", … as in PyTorch's `nn.Sequential`, and the node
    /// that each layer comes from.
    pub(super) fn finish(self, info: Info) -> Result<(Model, Vec<String>), OnnxError> {
        let mut graph = Graph::new(self.shapes[0].clone())?;
        let (mut params, mut from) = (Vec::new(), Vec::new());
        for (i, layer) in self.layers.into_iter().enumerate() {
            graph.push(i.to_string(), layer.op, layer.inputs)?;
            params.push(layer.params);
            from.push(layer.from);
        }
        let model = Model {
            graph,
            params,
            info,
        };
        Ok((model, from))
    }
}

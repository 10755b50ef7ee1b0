//! From the nodes of an ONNX graph to layers.

use super::array;
use super::builder::Builder;
use super::constant::{Budget, Constant};
use super::error::{OnnxError, Reason};
use super::message::{GraphMessage, ModelFile, NodeMessage, ValueInfo};
use super::node::Node;
use super::operators::OPERATORS;
use super::translator::Translator;
use super::value::{Activation, Value};
use crate::op::Shape;
use crate::quantizer::Surrogate;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Versions of the operators that are read.
const OPSETS: std::ops::RangeInclusive<i64> = 7..=25;
/// Numbers that computed constants may have beside those of the file.
const FOLDED: usize = 1 << 16;

/// Layers, with the network's output last, and what is to be said about them.
pub(super) struct Translated {
    pub(super) build: Builder,
    pub(super) notes: Vec<String>,
}

/// Translates a whole file of `size` bytes.
pub(super) fn translate(
    file: &ModelFile,
    size: usize,
    surrogate: Surrogate,
) -> Result<Translated, OnnxError> {
    let graph = file.graph.as_ref();
    let graph = graph.ok_or_else(|| OnnxError::NoProtobuf("there is no graph in it".into()))?;
    let set = file.opset_import.iter();
    let opset = set
        .filter(|set| ["", "ai.onnx"].contains(&set.domain.as_str()))
        .map(|set| set.version)
        .next()
        .unwrap_or(1);
    if !OPSETS.contains(&opset) {
        return Err(OnnxError::File {
            what: "opset",
            got: opset.to_string(),
            allowed: "7 to 25; export it anew with opset 17",
        });
    }
    let (mut translator, input) = Translator::new(graph, size, surrogate)?;
    for message in &graph.node {
        let node = Node { message, opset };
        let before = translator.budget.live();
        let value = translator.node(&node).map_err(|e| node.error(e))?;
        // Further outputs, such as a dropout's mask, have no meaning here.
        if let Some(name) = message.output.first() {
            let taken = before - translator.budget.live();
            translator.names.insert(name, Rc::new(value));
            translator.taken.insert(name, taken);
        }
        translator.forget(message);
    }
    translator.finish(graph, input)
}

impl<'a> Translator<'a> {
    fn new(
        graph: &'a GraphMessage,
        size: usize,
        surrogate: Surrogate,
    ) -> Result<(Self, &'a str), OnnxError> {
        let mut names = BTreeMap::new();
        for tensor in &graph.initializer {
            let constant = Constant::from(array::read(tensor)?);
            names.insert(tensor.name.as_str(), Rc::new(Value::Constant(constant)));
        }
        let free = |info: &&ValueInfo| !names.contains_key(info.name.as_str());
        let inputs: Vec<&ValueInfo> = graph.input.iter().filter(free).collect();
        let [input] = inputs[..] else {
            return Err(OnnxError::File {
                what: "number of inputs",
                got: inputs.len().to_string(),
                allowed: "1",
            });
        };
        let (batch, shape) = input_shape(input)?;
        let mut notes = Vec::new();
        let (storage, activation) = stored(&shape, &mut notes).map_err(input_error)?;
        crate::graph::Graph::new(storage.clone())?;
        names.insert(input.name.as_str(), Rc::new(Value::Activation(activation)));
        let read = graph.node.iter().flat_map(|node| &node.input);
        let mut reads = BTreeMap::new();
        for name in read.chain(graph.output.iter().map(|info| &info.name)) {
            *reads.entry(name.as_str()).or_insert(0) += 1;
        }
        let translator = Self {
            names,
            build: Builder::new(storage),
            budget: Budget::new(FOLDED + size),
            reads,
            taken: BTreeMap::new(),
            surrogate,
            batch,
            notes,
        };
        Ok((translator, &input.name))
    }

    /// Drops what `node` was the last to read.
    fn forget(&mut self, node: &'a NodeMessage) {
        for name in &node.input {
            let Some(left) = self.reads.get_mut(name.as_str()) else {
                continue;
            };
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.names.remove(name.as_str());
                self.budget
                    .give(self.taken.remove(name.as_str()).unwrap_or(0));
            }
        }
    }

    fn finish(mut self, graph: &GraphMessage, input: &str) -> Result<Translated, OnnxError> {
        let [output] = &graph.output[..] else {
            return Err(OnnxError::File {
                what: "number of outputs",
                got: graph.output.len().to_string(),
                allowed: "1: the logits or probabilities",
            });
        };
        let wrong = |got: String| OnnxError::File {
            what: "output",
            got,
            allowed: "logits or probabilities of shape (batch, classes), computed from the input",
        };
        let value = self.names.get(output.name.as_str()).cloned();
        let value =
            value.ok_or_else(|| wrong(format!("{:?}, which no node writes", output.name)))?;
        let activation = match &*value {
            Value::Constant(_) => return Err(wrong(format!("a constant ({input:?} is not read)"))),
            Value::Probabilities(of) => {
                self.notes
                    .push("the softmax at its end is left out: outputs here are logits".into());
                of.clone()
            }
            other => self.materialize("output", other).map_err(&wrong)?,
        };
        let logits = self.vector("output", &activation).map_err(&wrong)?;
        if logits.value == 0 || !logits.is_plain() || logits.size() < 2 {
            return Err(wrong(format!("an output of shape {:?}", logits.shape)));
        }
        self.build.keep(logits.value);
        Ok(Translated {
            build: self.build,
            notes: self.notes,
        })
    }

    fn node(&mut self, node: &Node<'a>) -> Result<Value, Reason> {
        if !["", "ai.onnx"].contains(&node.message.domain.as_str()) {
            return Err(format!(
                "operators of {:?} are not known here; export the model with standard operators",
                node.message.domain
            ));
        }
        let mut inputs = Vec::new();
        for name in &node.message.input {
            // An optional input that is not given has no name.
            inputs.push(match name.as_str() {
                "" => None,
                name => {
                    let known = self.names.get(name).cloned();
                    Some(known.ok_or_else(|| format!("it reads {name:?}, which nothing writes"))?)
                }
            });
        }
        let operator = OPERATORS.iter().find(|operator| operator.name == node.op());
        let constants = inputs.iter().map(|input| match input.as_deref() {
            None => Ok(None),
            Some(Value::Constant(constant)) => Ok(Some(constant)),
            Some(_) => Err(()),
        });
        if let Ok(constants) = constants.collect::<Result<Vec<_>, ()>>() {
            let fold = operator.and_then(|operator| operator.fold);
            let folded = fold.map(|fold| fold.output(node, &constants, &mut self.budget));
            return folded
                .transpose()?
                .flatten()
                .map(Value::Constant)
                .ok_or_else(|| {
                    "it is not computed on constants here; simplify the model first".into()
                });
        }
        let inputs: Vec<Option<&Value>> = inputs.iter().map(Option::as_deref).collect();
        match operator.and_then(|operator| operator.layer) {
            Some(layer) => layer(self, node, &inputs),
            None => Err(
                "there is no such layer here; an op in quaver-nn's src/op would be needed".into(),
            ),
        }
    }
}

fn input_error(got: String) -> OnnxError {
    OnnxError::File {
        what: "input",
        got,
        allowed: "float numbers of shape (batch, channels, height, width), (batch, height, width) \
                  or (batch, features), all but the batch fixed",
    }
}

/// How an input of `shape` is kept here: images with channels before height and width.
fn stored(shape: &Shape, notes: &mut Vec<String>) -> Result<(Shape, Activation), Reason> {
    match shape[..] {
        [height, width, channels] if channels <= 4 && height > 4 => {
            notes.push(format!(
                "its images are channels-last {shape:?}; here they are ({channels}, {height}, {width})"
            ));
            let storage = vec![channels, height, width];
            let image = Activation::new(0, &storage).transposed(&[1, 2, 0])?;
            Ok((storage, image))
        }
        // Images without an axis of channels, as Keras has them.
        [height, width] => {
            let storage = vec![1, height, width];
            let image = Activation::new(0, &storage).reshaped(shape.clone())?;
            Ok((storage, image))
        }
        _ => Ok((shape.clone(), Activation::new(0, shape))),
    }
}

/// Size of the batch axis, if fixed, and shape of one example.
fn input_shape(input: &ValueInfo) -> Result<(Option<i64>, Shape), OnnxError> {
    let wrong = input_error;
    let tensor = input.kind.as_ref().and_then(|kind| kind.tensor.as_ref());
    let shape = tensor.and_then(|tensor| tensor.shape.as_ref());
    let shape = shape.ok_or_else(|| wrong("an input without shape".into()))?;
    let sizes: Vec<Option<i64>> = shape.dim.iter().map(|dim| dim.value).collect();
    let [batch, rest @ ..] = &sizes[..] else {
        return Err(wrong("a scalar".into()));
    };
    let size = |d: &Option<i64>| d.and_then(|d| usize::try_from(d).ok()).filter(|&d| d > 0);
    let rest: Option<Vec<usize>> = rest.iter().map(size).collect();
    let rest = rest.filter(|rest| (1..=3).contains(&rest.len()));
    let rest = rest.ok_or_else(|| wrong(format!("axes {sizes:?}")))?;
    Ok((batch.filter(|&b| b > 0), rest))
}

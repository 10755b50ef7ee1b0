//! [`Graph`]: named nodes in topological order, with shape inference.

use crate::op::{Op, OpError, Param, Shape, from_config};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Name of the graph's input among the inputs of nodes.
pub const INPUT: &str = "input";

/// A node: an op and the values it reads.
#[derive(Debug)]
pub struct Node {
    /// Name, unique in the graph; parameters are called `name.weight` and so on.
    pub name: String,
    /// What it computes.
    pub op: Box<dyn Op>,
    /// Values it reads: 0 is the graph's input, `i + 1` the output of node i.
    pub inputs: Vec<usize>,
}

/// A network without parameter values. The last node's output is the network's.
#[derive(Debug)]
pub struct Graph {
    nodes: Vec<Node>,
    shapes: Vec<Shape>,
}

/// A graph was built wrongly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// An op refused its settings or inputs.
    #[error("node {node:?}: {source}")]
    Op {
        /// Name of the node.
        node: String,
        /// Why.
        source: OpError,
    },
    /// The network as a whole was described wrongly.
    #[error(transparent)]
    Network(OpError),
    /// A node reads something that does not come before it.
    #[error("node {node:?} reads {got:?}, which is no earlier node")]
    UnknownInput {
        /// Name of the node.
        node: String,
        /// What it reads.
        got: String,
    },
    /// Two nodes have one name, or a node is called `input`.
    #[error("node name {0:?} is taken")]
    DuplicateName(String),
    /// The input shape or the number of nodes is unusable.
    #[error("{what} must be {allowed}, got {got}")]
    Size {
        /// What is meant.
        what: &'static str,
        /// What was given.
        got: String,
        /// What is possible.
        allowed: &'static str,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeConfig {
    name: String,
    op: String,
    config: Value,
    inputs: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GraphConfig {
    input: Shape,
    nodes: Vec<NodeConfig>,
}

/// Largest number of elements of one value of one example: a model file cannot ask for
/// gigabytes of buffers, and VGG on images of 224 × 224 still fits.
const MAX_SIZE: usize = 1 << 22;

impl Graph {
    /// A graph of no nodes over inputs of `input`.
    ///
    /// # Errors
    /// When the shape is empty, has a zero, or is larger than 2²² elements.
    pub fn new(input: Shape) -> Result<Self, GraphError> {
        check_shape(&input)?;
        Ok(Self {
            nodes: Vec::new(),
            shapes: vec![input],
        })
    }

    /// A chain of ops named "0", "1", … as PyTorch's `nn.Sequential`.
    ///
    /// # Errors
    /// As [`Graph::push`].
    pub fn sequential(input: Shape, ops: Vec<Box<dyn Op>>) -> Result<Self, GraphError> {
        let mut graph = Self::new(input)?;
        for (i, op) in ops.into_iter().enumerate() {
            graph.push(i.to_string(), op, vec![i])?;
        }
        Ok(graph)
    }

    /// Adds a node and returns the number of its output value.
    ///
    /// # Errors
    /// When the name is taken, an input is unknown or the op refuses the shapes.
    pub fn push(
        &mut self,
        name: String,
        op: Box<dyn Op>,
        inputs: Vec<usize>,
    ) -> Result<usize, GraphError> {
        if name == INPUT || name.is_empty() || self.nodes.iter().any(|node| node.name == name) {
            return Err(GraphError::DuplicateName(name));
        }
        if let Some(got) = inputs.iter().find(|&&i| i >= self.shapes.len()) {
            return Err(GraphError::UnknownInput {
                node: name,
                got: got.to_string(),
            });
        }
        let shapes: Vec<Shape> = inputs.iter().map(|&i| self.shapes[i].clone()).collect();
        let shape = op.shape(&shapes).map_err(|source| GraphError::Op {
            node: name.clone(),
            source,
        })?;
        check_shape(&shape)?;
        self.shapes.push(shape);
        self.nodes.push(Node { name, op, inputs });
        Ok(self.nodes.len())
    }

    /// This graph behind `op`, which reads the input and is called `name`; the other nodes keep
    /// their names.
    ///
    /// # Errors
    /// As [`Graph::push`].
    pub fn behind(self, name: &str, op: Box<dyn Op>) -> Result<Self, GraphError> {
        let mut graph = Self::new(self.shapes[0].clone())?;
        graph.push(name.into(), op, vec![0])?;
        for node in self.nodes {
            let inputs = node.inputs.iter().map(|value| value + 1).collect();
            graph.push(node.name, node.op, inputs)?;
        }
        Ok(graph)
    }

    /// Nodes in the order they run.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Shape of value i (0: the input; i + 1: the output of node i).
    pub fn shape(&self, value: usize) -> &Shape {
        &self.shapes[value]
    }

    /// Shape of an input example.
    pub fn input_shape(&self) -> &Shape {
        &self.shapes[0]
    }

    /// Shape of an output.
    pub fn output_shape(&self) -> &Shape {
        &self.shapes[self.shapes.len() - 1]
    }

    /// The ops behind node `i`, one after another, as long as each is the only reader of the one
    /// before.
    pub(crate) fn followers(&self, i: usize) -> Vec<&dyn Op> {
        let nodes = &self.nodes;
        let read_once = |v: usize| {
            let inputs = nodes.iter().flat_map(|node| &node.inputs);
            inputs.filter(|&&input| input == v).count() == 1
        };
        let chain = (i + 1..nodes.len()).take_while(|&j| nodes[j].inputs == [j] && read_once(j));
        chain.map(|j| nodes[j].op.as_ref()).collect()
    }

    /// Shapes node i reads.
    pub fn input_shapes(&self, node: usize) -> Vec<Shape> {
        self.nodes[node]
            .inputs
            .iter()
            .map(|&v| self.shapes[v].clone())
            .collect()
    }

    /// Parameters of every node.
    pub fn params(&self) -> Vec<Vec<Param>> {
        let params = |i: usize| self.nodes[i].op.params(&self.input_shapes(i));
        (0..self.nodes.len()).map(params).collect()
    }

    /// The graph as model files hold it.
    pub fn to_json(&self) -> Value {
        let value_name = |v: usize| match v {
            0 => INPUT.to_string(),
            _ => self.nodes[v - 1].name.clone(),
        };
        let nodes = self.nodes.iter().map(|node| NodeConfig {
            name: node.name.clone(),
            op: node.op.name().into(),
            config: node.op.config(),
            inputs: node.inputs.iter().map(|&v| value_name(v)).collect(),
        });
        serde_json::json!(GraphConfig {
            input: self.shapes[0].clone(),
            nodes: nodes.collect()
        })
    }

    /// Reads [`Graph::to_json`] back.
    ///
    /// # Errors
    /// When it does not parse, or as [`Graph::push`].
    pub fn from_json(value: Value) -> Result<Self, GraphError> {
        let config: GraphConfig = serde_json::from_value(value).map_err(|e| GraphError::Op {
            node: "graph".into(),
            source: OpError::Config {
                op: "graph".into(),
                reason: e.to_string(),
            },
        })?;
        let mut graph = Self::new(config.input)?;
        for node in config.nodes {
            let find = |name: &String| match name.as_str() {
                INPUT => Ok(0),
                _ => {
                    let at = graph.nodes.iter().position(|known| known.name == *name);
                    at.map(|at| at + 1).ok_or_else(|| GraphError::UnknownInput {
                        node: node.name.clone(),
                        got: name.clone(),
                    })
                }
            };
            let inputs = node
                .inputs
                .iter()
                .map(find)
                .collect::<Result<Vec<_>, _>>()?;
            let op = from_config(&node.op, node.config).map_err(|source| GraphError::Op {
                node: node.name.clone(),
                source,
            })?;
            graph.push(node.name, op, inputs)?;
        }
        if graph.nodes.is_empty() {
            let (what, allowed) = ("number of nodes", "at least 1");
            return Err(GraphError::Size {
                what,
                got: "0".into(),
                allowed,
            });
        }
        Ok(graph)
    }
}

impl Clone for Graph {
    fn clone(&self) -> Self {
        let copy = |node: &Node| Node {
            name: node.name.clone(),
            op: node.op.boxed(),
            inputs: node.inputs.clone(),
        };
        Self {
            nodes: self.nodes.iter().map(copy).collect(),
            shapes: self.shapes.clone(),
        }
    }
}

fn check_shape(shape: &[usize]) -> Result<(), GraphError> {
    let size = shape
        .iter()
        .try_fold(1_usize, |n, &axis| n.checked_mul(axis));
    if !shape.is_empty() && size.is_some_and(|n| (1..=MAX_SIZE).contains(&n)) {
        return Ok(());
    }
    let (what, allowed) = ("size of a value", "1 to 2^22 elements");
    Err(GraphError::Size {
        what,
        got: format!("shape {shape:?}"),
        allowed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{Add, Dense, Flatten, Relu};

    fn dense(i: usize, o: usize) -> Box<dyn Op> {
        Box::new(Dense {
            in_features: i,
            out_features: o,
            bias: true,
            quantizer: None,
        })
    }

    #[test]
    fn infers_shapes_and_round_trips() {
        let mut graph = Graph::new(vec![1, 2, 3]).unwrap();
        let flat = graph
            .push("flat".into(), Box::new(Flatten {}), vec![0])
            .unwrap();
        let a = graph.push("a".into(), dense(6, 4), vec![flat]).unwrap();
        let b = graph.push("b".into(), dense(6, 4), vec![flat]).unwrap();
        graph
            .push("sum".into(), Box::new(Add {}), vec![a, b])
            .unwrap();
        assert_eq!(graph.output_shape(), &vec![4]);
        let again = Graph::from_json(graph.to_json()).unwrap();
        assert_eq!(again.to_json(), graph.to_json());
    }

    #[test]
    fn refuses_in_words() {
        let mut graph = Graph::new(vec![4]).unwrap();
        let wrong = graph.push("d".into(), dense(5, 2), vec![0]).unwrap_err();
        assert_eq!(wrong.to_string(), "node \"d\": dense takes (5), got (4)");
        graph
            .push("r".into(), Box::new(Relu::default()), vec![0])
            .unwrap();
        assert!(
            graph
                .push("r".into(), Box::new(Relu::default()), vec![0])
                .is_err()
        );
        assert!(
            graph
                .push("s".into(), Box::new(Relu::default()), vec![2])
                .is_err()
        );
        assert!(Graph::new(vec![1 << 20, 1 << 20]).is_err());
    }
}

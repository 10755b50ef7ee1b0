//! Model files: safetensors whose one metadata key, `quaver`, holds graph and facts as JSON
//! with sorted keys. Tensors are named as PyTorch's `nn.Sequential` names them, so weights
//! move both ways. A checkpoint carries the optimizer's state in further tensors; a packed model
//! has weights that are used as their signs in bits.

use super::bits;
pub use super::error::{FormatError, SCHEMA};
use super::header::read;
use crate::atomic_file;
use crate::graph::{Graph, Node};
use crate::model::{Info, Model, sign_weights};
use crate::op::Param;
use crate::train::State;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

const KEY: &str = "quaver";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    schema: u32,
    graph: Value,
    info: Info,
    /// Optimizer steps, in checkpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step: Option<u64>,
    /// Names of what the optimizer keeps of every parameter, in checkpoints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    state: Vec<String>,
}

impl Metadata {
    /// Names of what the optimizer keeps, each with what stands before the names of its tensors.
    fn states(&self) -> Vec<(String, String)> {
        let of = |name: &String| (name.clone(), prefix(name));
        match self.schema {
            // Of Adam alone, named after it.
            1 => ["mean", "square"]
                .map(|name| (name.into(), format!("adam.{name}/")))
                .into(),
            _ => self.state.iter().map(of).collect(),
        }
    }
}

fn prefix(state: &str) -> String {
    format!("optimizer.{state}/")
}

/// Tensors by name: shape and values.
pub type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// A tensor as it lies in a file.
struct Stored {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    data: Vec<u8>,
}

impl Stored {
    fn floats((name, shape, values): (String, Vec<usize>, &[f32])) -> Self {
        Self {
            name,
            dtype: Dtype::F32,
            shape,
            data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        }
    }

    fn bits((name, shape, values): (String, Vec<usize>, &[f32])) -> Self {
        Self {
            name,
            dtype: Dtype::U8,
            data: bits::write(values, &shape),
            shape: bits::shape(&shape),
        }
    }
}

/// Writes `tensors` and metadata.
fn write(path: &Path, tensors: &[Stored], metadata: Option<String>) -> Result<(), FormatError> {
    let failed = |reason: safetensors::SafeTensorError| FormatError::Safetensors {
        path: path.display().to_string(),
        reason: reason.to_string(),
    };
    let mut views = Vec::new();
    for stored in tensors {
        let view = TensorView::new(stored.dtype, stored.shape.clone(), &stored.data);
        views.push((&stored.name, view.map_err(failed)?));
    }
    let metadata = metadata.map(|text| HashMap::from([(KEY.to_string(), text)]));
    let file = safetensors::serialize(views, metadata).map_err(failed)?;
    atomic_file::write(path, &file).map_err(|source| FormatError::Io {
        path: path.display().to_string(),
        source,
    })
}

/// Writes `model`; with `state` the file is a checkpoint.
///
/// # Errors
/// When the file cannot be written.
pub fn save(path: &Path, model: &Model, state: Option<&State>) -> Result<(), FormatError> {
    let metadata = Metadata {
        schema: SCHEMA,
        graph: model.graph.to_json(),
        info: model.info.clone(),
        step: state.map(|state| state.step),
        state: state.map_or_else(Vec::new, |state| {
            state.values.iter().map(|(name, _)| name.clone()).collect()
        }),
    };
    let as_bits = bit_tensors(&model.graph, &model.info);
    let stored =
        model
            .named_params()
            .into_iter()
            .map(|param| match as_bits.contains_key(&param.0) {
                true => Stored::bits(param),
                false => Stored::floats(param),
            });
    let mut tensors: Vec<Stored> = stored.collect();
    if let Some(state) = state {
        for (state, values) in &state.values {
            let flat = values.iter().flatten();
            for ((name, shape, _), values) in model.named_params().into_iter().zip(flat) {
                let name = format!("{}{name}", prefix(state));
                tensors.push(Stored::floats((name, shape, values)));
            }
        }
    }
    // Through `Value`, whose objects sort their keys.
    write(
        path,
        &tensors,
        Some(serde_json::json!(metadata).to_string()),
    )
}

/// Name and shape of every parameter that files hold as bits.
fn bit_tensors(graph: &Graph, info: &Info) -> BTreeMap<String, Vec<usize>> {
    let nodes = graph.nodes().iter().zip(graph.params());
    let signs = nodes
        .zip(sign_weights(graph))
        .filter(|(_, is)| *is && info.packed);
    let weight = |((node, mut specs), _): ((&Node, Vec<Param>), bool)| {
        let spec = specs.swap_remove(0);
        (format!("{}.{}", node.name, spec.name), spec.shape)
    };
    signs.map(weight).collect()
}

/// Writes the parameters alone, as PyTorch reads them.
///
/// # Errors
/// When the file cannot be written.
pub fn export(path: &Path, model: &Model) -> Result<(), FormatError> {
    let params = model.named_params().into_iter();
    write(path, &params.map(Stored::floats).collect::<Vec<_>>(), None)
}

/// All tensors of a file, those that `as_bits` names out of their bits.
fn tensors(
    path: &Path,
    file: &SafeTensors<'_>,
    as_bits: &BTreeMap<String, Vec<usize>>,
) -> Result<Tensors, FormatError> {
    let mut out = Tensors::new();
    for (name, view) in file.tensors() {
        // A counter of PyTorch's batch norm that nothing here needs.
        if name.ends_with("num_batches_tracked") {
            continue;
        }
        let wrong = |reason: String| FormatError::Tensor {
            path: path.display().to_string(),
            tensor: name.clone(),
            reason,
        };
        if let Some(shape) = as_bits.get(&name) {
            let (expected, got) = (bits::shape(shape), view.shape());
            if (view.dtype(), got) != (Dtype::U8, &expected[..]) {
                let got = format!("{:?} of shape {got:?}", view.dtype());
                return Err(wrong(format!(
                    "expected U8 of shape {expected:?}, got {got}"
                )));
            }
            let values = bits::read(view.data(), shape);
            let values =
                values.ok_or_else(|| wrong("a bit behind the end of a row is 1".into()))?;
            out.insert(name.clone(), (shape.clone(), values));
            continue;
        }
        if view.dtype() != Dtype::F32 {
            return Err(wrong(format!("expected F32, got {:?}", view.dtype())));
        }
        let values: Vec<f32> = view
            .data()
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            return Err(wrong(format!(
                "value {at} is {}, expected a finite number",
                values[at]
            )));
        }
        out.insert(name.clone(), (view.shape().to_vec(), values));
    }
    Ok(out)
}

/// Reads the tensors of a safetensors file that need not be ours.
///
/// # Errors
/// When it is cut short, or a tensor is not float32 or not finite.
pub fn load_tensors(path: &Path) -> Result<Tensors, FormatError> {
    let data = read(path)?;
    let file = SafeTensors::deserialize(&data).map_err(|e| FormatError::Safetensors {
        path: path.display().to_string(),
        reason: e.to_string(),
    })?;
    tensors(path, &file, &BTreeMap::new())
}

/// Takes the values of every parameter of `graph` out of `tensors` by name.
///
/// # Errors
/// When one is missing or has another shape.
pub fn take_params(
    path: &Path,
    graph: &Graph,
    prefix: &str,
    tensors: &mut Tensors,
) -> Result<Vec<Vec<Vec<f32>>>, FormatError> {
    let mut params = Vec::new();
    for (node, specs) in graph.nodes().iter().zip(graph.params()) {
        let mut values = Vec::new();
        for spec in specs {
            let name = format!("{prefix}{}.{}", node.name, spec.name);
            let wrong = |reason| FormatError::Tensor {
                path: path.display().to_string(),
                tensor: name.clone(),
                reason,
            };
            let taken = tensors.remove(&name);
            let (shape, value) = taken.ok_or_else(|| wrong("missing".into()))?;
            if shape != spec.shape {
                return Err(wrong(format!(
                    "expected shape {:?}, got {shape:?}",
                    spec.shape
                )));
            }
            values.push(value);
        }
        params.push(values);
    }
    Ok(params)
}

/// Reads a model, and the optimizer's state if the file is a checkpoint.
///
/// # Errors
/// When the file is cut short, not ours, of another schema, or its tensors do not fit its graph.
pub fn load(path: &Path) -> Result<(Model, Option<State>), FormatError> {
    let name = || path.display().to_string();
    let data = read(path)?;
    let broken = |e: safetensors::SafeTensorError| FormatError::Safetensors {
        path: name(),
        reason: e.to_string(),
    };
    let file = SafeTensors::deserialize(&data).map_err(broken)?;
    let (_, header) = SafeTensors::read_metadata(&data).map_err(broken)?;
    let text = header.metadata().as_ref().and_then(|map| map.get(KEY));
    let text = text.ok_or_else(|| FormatError::NoMetadata { path: name() })?;
    let (graph, metadata) = parse(path, text)?;
    let as_bits = bit_tensors(&graph, &metadata.info);
    let mut tensors = tensors(path, &file, &as_bits)?;
    let params = take_params(path, &graph, "", &mut tensors)?;
    let state = match metadata.step {
        Some(step) => {
            let states = metadata.states().into_iter();
            let values = states.map(|(name, prefix)| {
                Ok((name, take_params(path, &graph, &prefix, &mut tensors)?))
            });
            let values = values.collect::<Result<_, FormatError>>()?;
            Some(State { step, values })
        }
        None => None,
    };
    if let Some(tensor) = tensors.into_keys().next() {
        let reason = "no node of the graph has it".into();
        return Err(FormatError::Tensor {
            path: name(),
            tensor,
            reason,
        });
    }
    let info = metadata.info;
    let model = Model {
        graph,
        params,
        info,
    };
    Ok((model, state))
}

/// The graph that `text` describes, and what else it says.
fn parse(path: &Path, text: &str) -> Result<(Graph, Metadata), FormatError> {
    let name = || path.display().to_string();
    let unparsed = |e: serde_json::Error| FormatError::Metadata {
        path: name(),
        reason: e.to_string(),
    };
    let fields: Map<String, Value> = serde_json::from_str(text).map_err(unparsed)?;
    let schema = fields.get("schema").and_then(Value::as_u64);
    if let Some(got) = schema.filter(|got| !(1..=u64::from(SCHEMA)).contains(got)) {
        return Err(FormatError::Schema { path: name(), got });
    }
    let mut metadata: Metadata = serde_json::from_value(fields.into()).map_err(unparsed)?;
    let graph = std::mem::take(&mut metadata.graph);
    let graph = Graph::from_json(graph).map_err(|source| FormatError::Graph {
        path: name(),
        source,
    })?;
    let (named, outputs) = (metadata.info.classes.len(), graph.output_shape());
    if named > 0 && outputs[..] != [named] {
        let reason = format!("{named} class names for outputs of shape {outputs:?}");
        return Err(FormatError::Metadata {
            path: name(),
            reason,
        });
    }
    Ok((graph, metadata))
}

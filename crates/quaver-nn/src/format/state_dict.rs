//! PyTorch state dicts of any sequential network: tensors whose names are not those of
//! `nn.Sequential` are matched to a graph's layers by shape and order.
//!
//! A module is what stands before the last dot of a name. It fits a layer that has the same
//! parameters in the same shapes; where several fit, they come in the order of their names, numbers
//! read as numbers (safetensors files do not keep the order of a state dict).
//!
//! A bias before batch normalization, which PyTorch's layers have unless told otherwise and graphs
//! here have not, only shifts the mean that is taken off: it is taken off that mean.

use super::error::FormatError;
use super::safetensors::{Tensors, take_params};
use crate::graph::Graph;
use std::collections::BTreeMap;
use std::path::Path;

/// Parameters of a graph taken from a file.
#[derive(Clone, Debug)]
pub struct Matched {
    /// Values, in the order of [`Graph::params`].
    pub params: Vec<Vec<Vec<f32>>>,
    /// `(tensor of the file, parameter of the graph)` in graph order; empty where all names are
    /// the graph's own. A bias goes with the `running_mean` that it is taken off.
    pub mapping: Vec<(String, String)>,
    /// Layers for which several modules fitted whose names differ in more than numbers, so that
    /// their order is a guess.
    pub guessed: Vec<String>,
}

const BIAS: &str = "bias";
const MEAN: &str = "running_mean";

/// Shapes of a module's parameters by name.
type Signature = BTreeMap<String, Vec<usize>>;

/// Takes the parameters of `graph` from `tensors`, of which none may be left; `path` is for
/// messages.
///
/// # Errors
/// [`FormatError::Unmatched`] naming the first layer that nothing fits, or what has no place.
pub fn match_params(
    path: &Path,
    graph: &Graph,
    mut tensors: Tensors,
) -> Result<Matched, FormatError> {
    let unmatched = |reason| FormatError::Unmatched {
        path: path.display().to_string(),
        reason,
    };
    let (mut mapping, mut guessed) = (Vec::new(), Vec::new());
    if !has_own_names(graph, &tensors) {
        (mapping, guessed) = assign(graph, modules(&tensors)).map_err(unmatched)?;
        tensors = renamed(tensors, &mapping);
    }
    Ok(Matched {
        params: take_params(path, graph, "", &mut tensors)?,
        mapping,
        guessed,
    })
}

type Mapping = Vec<(String, String)>;

/// The tensors under the names of the graph, biases taken off the means they go with.
fn renamed(mut tensors: Tensors, mapping: &Mapping) -> Tensors {
    let mut renamed = Tensors::new();
    let mut biases = Vec::new();
    for (tensor, param) in mapping {
        let Some(value) = tensors.remove(tensor) else {
            continue;
        };
        match tensor.ends_with(BIAS) && param.ends_with(MEAN) {
            true => biases.push((param, value.1)),
            false => _ = renamed.insert(param.clone(), value),
        }
    }
    for (param, bias) in biases {
        if let Some((_, mean)) = renamed.get_mut(param) {
            mean.iter_mut().zip(bias).for_each(|(mean, b)| *mean -= b);
        }
    }
    renamed
}

/// The batch normalization that the outputs of a node go to, pooled at most.
fn normalized_by(graph: &Graph, node: usize) -> Option<String> {
    let mut behind = graph.nodes().get(node + 1..)?.iter();
    let next = behind.find(|node| node.op.name() != "max_pool2d")?;
    (next.op.name() == "batch_norm").then(|| format!("{}.{MEAN}", next.name))
}

/// Gives every layer with parameters its module: the mapping and the layers guessed, or the
/// reason why not.
fn assign(
    graph: &Graph,
    mut modules: Vec<(String, Signature)>,
) -> Result<(Mapping, Vec<String>), String> {
    let (mut mapping, mut guessed) = (Vec::new(), Vec::new());
    for (i, (node, specs)) in graph.nodes().iter().zip(graph.params()).enumerate() {
        if specs.is_empty() {
            continue;
        }
        let parts = specs.iter();
        let wanted: Signature = parts
            .map(|spec| (spec.name.to_owned(), spec.shape.clone()))
            .collect();
        let mut fitting = fitting(&modules, &wanted);
        let mean = normalized_by(graph, i).filter(|_| !wanted.contains_key(BIAS));
        if let Some(mean) = mean.filter(|_| fitting.is_empty()) {
            let mut biased = wanted.clone();
            biased.insert(BIAS.to_owned(), vec![specs[0].shape[0]]);
            fitting = self::fitting(&modules, &biased);
            let bias = fitting.first().map(|&i| join(&modules[i].0, BIAS));
            mapping.extend(bias.map(|bias| (bias, mean)));
        }
        let Some(&first) = fitting.first() else {
            let (name, op) = (&node.name, node.op.name());
            return Err(format!(
                "no tensors for layer {name} ({op}) with {}; left are {}",
                told(&wanted),
                left(&modules)
            ));
        };
        let word = |i: usize| without_digits(&modules[i].0);
        if fitting.iter().any(|&other| word(other) != word(first)) {
            guessed.push(node.name.clone());
        }
        let (module, _) = modules.remove(first);
        for spec in &specs {
            let param = format!("{}.{}", node.name, spec.name);
            mapping.push((join(&module, spec.name), param));
        }
    }
    match modules.is_empty() {
        true => Ok((mapping, guessed)),
        false => Err(format!("no place in the network for {}", left(&modules))),
    }
}

/// Places of the modules with these parameters.
fn fitting(modules: &[(String, Signature)], wanted: &Signature) -> Vec<usize> {
    let places = modules.iter().enumerate();
    places
        .filter(|(_, (_, signature))| signature == wanted)
        .map(|(place, _)| place)
        .collect()
}

/// Whether the names are those of the graph, and in its shapes.
fn has_own_names(graph: &Graph, tensors: &Tensors) -> bool {
    let mut n = 0;
    for (node, specs) in graph.nodes().iter().zip(graph.params()) {
        for spec in specs {
            let found = tensors.get(&format!("{}.{}", node.name, spec.name));
            if found.is_none_or(|(shape, _)| *shape != spec.shape) {
                return false;
            }
            n += 1;
        }
    }
    n == tensors.len()
}

/// Modules with their parameters, in the order of their names.
fn modules(tensors: &Tensors) -> Vec<(String, Signature)> {
    let mut modules: BTreeMap<Vec<(String, u64)>, (String, Signature)> = BTreeMap::new();
    for (name, (shape, _)) in tensors {
        let (module, leaf) = name.rsplit_once('.').unwrap_or(("", name));
        let entry = modules.entry(natural(module));
        let (_, signature) = entry.or_insert_with(|| (module.to_owned(), Signature::new()));
        signature.insert(leaf.to_owned(), shape.clone());
    }
    modules.into_values().collect()
}

/// A name cut into text and the number behind it; the name itself tells `1` from `01`.
fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let text = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (word, behind) = rest.split_at(text);
        let digits = behind
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(behind.len());
        let (number, behind) = behind.split_at(digits);
        parts.push((word.to_owned(), number.parse().unwrap_or(u64::MAX)));
        rest = behind;
    }
    parts.push((name.to_owned(), 0));
    parts
}

fn without_digits(name: &str) -> String {
    name.chars().filter(|c| !c.is_ascii_digit()).collect()
}

fn join(module: &str, leaf: &str) -> String {
    match module {
        "" => leaf.to_owned(),
        module => format!("{module}.{leaf}"),
    }
}

fn told(signature: &Signature) -> String {
    let parts = signature
        .iter()
        .map(|(leaf, shape)| format!("{leaf} {shape:?}"));
    parts.collect::<Vec<_>>().join(", ")
}

/// The first modules that are left, for messages.
fn left(modules: &[(String, Signature)]) -> String {
    const SHOWN: usize = 3;
    let shown = modules.iter().take(SHOWN);
    let mut parts: Vec<String> = shown
        .map(|(module, signature)| format!("{module:?} ({})", told(signature)))
        .collect();
    if modules.len() > SHOWN {
        parts.push(format!("{} more", modules.len() - SHOWN));
    }
    match parts.is_empty() {
        true => "none".to_owned(),
        false => parts.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{BatchNorm, Dense, Op};

    fn dense(in_features: usize, out_features: usize) -> Box<dyn Op> {
        Box::new(Dense {
            in_features,
            out_features,
            bias: true,
            quantizer: None,
        })
    }

    /// Two layers of one shape between two of others.
    fn graph() -> Graph {
        let norm = || -> Box<dyn Op> { Box::new(BatchNorm::new(4, true)) };
        let ops = vec![
            dense(3, 4),
            norm(),
            dense(4, 4),
            norm(),
            dense(4, 4),
            dense(4, 2),
        ];
        Graph::sequential(vec![3], ops).unwrap()
    }

    /// Tensors of the graph's shapes under the names of these modules; values tell them apart.
    fn tensors(modules: &[&str]) -> Tensors {
        let params = graph().params();
        let named = modules.iter().zip(params).enumerate();
        named
            .flat_map(|(i, (module, specs))| {
                let tensor = move |spec: crate::op::Param| {
                    let n = spec.shape.iter().product();
                    (join(module, spec.name), (spec.shape, vec![i as f32; n]))
                };
                specs.into_iter().map(tensor)
            })
            .collect()
    }

    fn matched(modules: &[&str]) -> Result<Matched, FormatError> {
        match_params(Path::new("w"), &graph(), tensors(modules))
    }

    fn order(matched: &Matched) -> Vec<f32> {
        matched.params.iter().map(|node| node[0][0]).collect()
    }

    #[test]
    fn names_of_sequential_are_taken_as_they_are() {
        let found = matched(&["0", "1", "2", "3", "4", "5"]).unwrap();
        assert_eq!(order(&found), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert!(found.mapping.is_empty() && found.guessed.is_empty());
    }

    #[test]
    fn other_names_go_by_shape_and_number() {
        // Alphabetically `head` comes first and `fc10` before `fc9`.
        let found = matched(&["m.fc2", "m.bn2", "m.fc9", "m.bn9", "m.fc10", "head"]).unwrap();
        assert_eq!(order(&found), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(found.mapping[0], ("m.fc2.weight".into(), "0.weight".into()));
        assert_eq!(found.mapping.len(), 2 + 4 + 2 + 4 + 2 + 2);
        assert!(found.guessed.is_empty());
        let found = matched(&["a", "x1", "left", "x2", "right", "z"]).unwrap();
        assert_eq!(found.guessed, ["2"]);
    }

    #[test]
    fn a_bias_before_normalization_is_taken_off_its_mean() {
        let unbiased = Box::new(Dense {
            in_features: 1,
            out_features: 2,
            bias: false,
            quantizer: None,
        });
        let norm = Box::new(BatchNorm::new(2, false));
        let graph = Graph::sequential(vec![1], vec![unbiased, norm, dense(2, 2)]).unwrap();
        let tensor = |name: &str, shape: &[usize], values: &[f32]| {
            (name.to_owned(), (shape.to_vec(), values.to_vec()))
        };
        let tensors = Tensors::from([
            tensor("fc1.weight", &[2, 1], &[1.0, 2.0]),
            tensor("fc1.bias", &[2], &[0.5, -1.0]),
            tensor("bn1.weight", &[2], &[1.0, 1.0]),
            tensor("bn1.bias", &[2], &[7.0, 8.0]),
            tensor("bn1.running_mean", &[2], &[3.0, 4.0]),
            tensor("bn1.running_var", &[2], &[1.0, 1.0]),
            tensor("fc2.weight", &[2, 2], &[0.0; 4]),
            tensor("fc2.bias", &[2], &[0.0; 2]),
        ]);
        let found = match_params(Path::new("w"), &graph, tensors).unwrap();
        let names: Vec<&str> = graph.params()[1].iter().map(|spec| spec.name).collect();
        let mean = names.iter().position(|name| *name == MEAN).unwrap();
        assert_eq!(found.params[1][mean], [2.5, 5.0]);
        assert_eq!(
            found.mapping[0],
            ("fc1.bias".into(), "1.running_mean".into())
        );
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let text = |tensors: Tensors| {
            let found = match_params(Path::new("w"), &graph(), tensors);
            found.unwrap_err().to_string()
        };
        let names = ["fc1", "bn1", "fc2", "bn2", "fc3", "fc4"];
        let mut fewer = tensors(&names);
        fewer.remove("fc4.bias");
        assert_eq!(
            text(fewer),
            "w: no tensors for layer 5 (dense) with bias [2], weight [2, 4]; left are \"fc4\" (weight [2, 4])"
        );
        let mut more = tensors(&names);
        more.insert("alpha".into(), (vec![1], vec![0.0]));
        assert_eq!(
            text(more),
            "w: no place in the network for \"\" (alpha [1])"
        );
    }
}

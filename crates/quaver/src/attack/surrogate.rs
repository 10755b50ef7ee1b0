//! [`SurrogateRule`]: which surrogate gradients an attack on a quantized network takes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::classifier::{Batch, Classifier, ClassifierError, InputGradient, Surrogate};
use crate::spec::{Allowed, Interval, Parameter, Spec, SpecError, Value, split_sum};

/// Most clean images that the spreads of latent values are taken from.
pub const N_CALIBRATION: usize = 128;

/// Surrogate gradients of an attack. The step function of a quantizer has no gradient; networks
/// are trained through a stand-in, and an attack is free to take another one. Written as a spec:
///
/// | spec | meaning |
/// |---|---|
/// | `model` | what the model was trained or imported with |
/// | `auto` | as `auto(shape=swish-sign,width=1)` |
/// | `auto(shape=S,width=W)` | at every binarized layer the surrogate S, W times as wide as the layer's latent values spread on clean images (root mean square) |
/// | `hardtanh(width=2)`, ... | this [`Surrogate`] at every quantized layer, in units of the latent value |
///
/// With `weights=expectation` gradients go through the expectation of stochastic weights and not
/// through the drawn ones. `A+B` takes A and B in turn from step to step, `A|B` from restart to
/// restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SurrogateRule {
    /// By restart, then by step.
    choices: Vec<Vec<Choice>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Choice {
    layers: Layers,
    weights: InputGradient,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Layers {
    Model,
    Same(Surrogate),
    Fitted { shape: Surrogate, width: f64 },
}

const WIDTH: Parameter = Parameter {
    name: "width",
    default: "1",
    allowed: Allowed::Real(&[Interval::above(0.0, 1000.0)]),
    about: "width in units of the spread of a layer's latent values",
};
const SHAPE: Parameter = Parameter {
    name: "shape",
    default: "swish-sign",
    allowed: Allowed::OneOf(&["hardtanh", "tanh", "approx-sign", "swish-sign"]),
    about: "the surrogate that is stretched",
};
const WEIGHTS: Parameter = Parameter {
    name: "weights",
    default: "sample",
    allowed: Allowed::OneOf(&["sample", "expectation"]),
    about: "which stochastic weights gradients go through",
};

impl Default for SurrogateRule {
    /// `auto`.
    fn default() -> Self {
        let layers = Layers::Fitted {
            shape: Surrogate::SwishSign { scale: 5.0 },
            width: 1.0,
        };
        Self::of(layers)
    }
}

/// A surrogate in force: the layer, and what stands for its gradient.
pub type InForce = (String, Surrogate);

impl SurrogateRule {
    /// The model's own surrogates.
    #[must_use]
    pub fn model() -> Self {
        Self::of(Layers::Model)
    }

    fn of(layers: Layers) -> Self {
        let weights = InputGradient::Sample;
        Self {
            choices: vec![vec![Choice { layers, weights }]],
        }
    }

    /// Classifiers with the outputs of `model` and the gradients of this rule, by restart and
    /// step; none for what `model` does itself. `clean` are the images that spreads are taken
    /// from. Beside them what is in force in the first.
    ///
    /// # Errors
    /// What the classifier refuses.
    pub fn open(
        &self,
        model: &dyn Classifier,
        clean: Batch<'_>,
    ) -> Result<(Vec<Vec<Opened>>, Vec<InForce>), ClassifierError> {
        let quantized = match self.needs_spreads() {
            true => model.quantized(clean)?,
            false => model.quantized(Batch {
                x: clean.x.slice_move(ndarray::s![..0, .., .., ..]),
                ids: &[],
            })?,
        };
        let mut first = None;
        let mut open = |choice: &Choice| {
            let layers: Vec<InForce> = match choice.layers {
                Layers::Model => Vec::new(),
                Layers::Same(surrogate) => quantized
                    .iter()
                    .map(|q| (q.name.clone(), surrogate))
                    .collect(),
                Layers::Fitted { shape, width } => {
                    let fitted = quantized.iter().filter(|q| q.is_binary && q.spread > 0.0);
                    fitted
                        .map(|q| (q.name.clone(), shape.stretched((q.spread * width) as f32)))
                        .collect()
                }
            };
            let opened = match (&layers[..], choice.weights) {
                ([], InputGradient::Sample) => None,
                _ => model.with_surrogates(&layers, choice.weights)?,
            };
            first.get_or_insert(layers);
            Ok(opened)
        };
        let by_step = |steps: &Vec<Choice>| steps.iter().map(&mut open).collect();
        let opened: Result<_, ClassifierError> = self.choices.iter().map(by_step).collect();
        Ok((opened?, first.unwrap_or_default()))
    }

    fn needs_spreads(&self) -> bool {
        let mut all = self.choices.iter().flatten();
        all.any(|choice| matches!(choice.layers, Layers::Fitted { .. }))
    }
}

/// A classifier for gradients; `None` stands for the model itself.
pub type Opened = Option<Box<dyn Classifier>>;

impl Choice {
    fn parse(text: &str) -> Result<Self, SpecError> {
        let mut spec: Spec = text.parse()?;
        let weights = spec.params.remove(WEIGHTS.name);
        let weights = weights.unwrap_or_else(|| Value::Word(WEIGHTS.default.to_owned()));
        WEIGHTS.check(&weights)?;
        let layers = match spec.name.as_str() {
            "model" => {
                spec.values(&[])?;
                Layers::Model
            }
            "auto" => {
                let values = spec.values(&[SHAPE, WIDTH])?;
                let of = |parameter: Parameter| values.spec().params[parameter.name].to_string();
                Layers::Fitted {
                    shape: of(SHAPE).parse()?,
                    width: of(WIDTH).parse().unwrap_or(f64::NAN),
                }
            }
            _ => Layers::Same(spec.to_string().parse()?),
        };
        Ok(Self {
            layers,
            weights: match weights.to_string().as_str() {
                "expectation" => InputGradient::Expectation,
                _ => InputGradient::Sample,
            },
        })
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut spec = match self.layers {
            Layers::Model => "model".to_owned(),
            Layers::Same(surrogate) => surrogate.to_string(),
            Layers::Fitted { shape, width } => {
                let name = shape.to_string();
                let name = name.split('(').next().unwrap_or_default().to_owned();
                match (name == SHAPE.default, width == 1.0) {
                    (true, true) => "auto".to_owned(),
                    (true, false) => format!("auto(width={width:?})"),
                    (false, _) => format!("auto(shape={name},width={width:?})"),
                }
            }
        };
        if self.weights == InputGradient::Expectation {
            spec = match spec.strip_suffix(')') {
                Some(open) => format!("{open},weights=expectation)"),
                None => format!("{spec}(weights=expectation)"),
            };
        }
        f.write_str(&spec)
    }
}

impl fmt::Display for SurrogateRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |all: Vec<String>, by: &str| all.join(by);
        let steps =
            |steps: &Vec<Choice>| joined(steps.iter().map(Choice::to_string).collect(), "+");
        f.write_str(&joined(self.choices.iter().map(steps).collect(), "|"))
    }
}

impl FromStr for SurrogateRule {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let syntax = || SpecError::Syntax {
            got: text.to_owned(),
            allowed: "surrogates such as auto, model, hardtanh(width=2), with + between those of \
                      steps and | between those of restarts",
        };
        let mut choices = Vec::new();
        for steps in text.split('|') {
            let terms = split_sum(steps).ok_or_else(syntax)?;
            let steps: Result<Vec<Choice>, _> = terms.into_iter().map(Choice::parse).collect();
            choices.push(steps?);
        }
        match choices.iter().all(|steps| !steps.is_empty()) {
            true => Ok(Self { choices }),
            false => Err(syntax()),
        }
    }
}

impl TryFrom<String> for SurrogateRule {
    type Error = SpecError;

    fn try_from(text: String) -> Result<Self, SpecError> {
        text.parse()
    }
}

impl From<SurrogateRule> for String {
    fn from(rule: SurrogateRule) -> Self {
        rule.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_read_back() {
        for text in [
            "auto",
            "model",
            "auto(width=0.5)",
            "auto(shape=hardtanh,width=0.25)",
            "hardtanh(width=50)",
            "auto|hardtanh|identity",
            "auto+approx-sign(width=2)|model",
            "auto(weights=expectation)",
            "model(weights=expectation)",
            "auto(shape=tanh,width=2.0,weights=expectation)",
        ] {
            assert_eq!(text.parse::<SurrogateRule>().unwrap().to_string(), text);
        }
        assert_eq!(SurrogateRule::default().to_string(), "auto");
        for text in [
            "",
            "auto|",
            "+auto",
            "car",
            "auto(shape=identity)",
            "auto(width=0)",
            "model(width=1)",
        ] {
            assert!(text.parse::<SurrogateRule>().is_err(), "{text}");
        }
    }
}

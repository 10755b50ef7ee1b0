//! Kernel density of a hidden layer.

use ndarray::{Array2, ArrayView1, ArrayView2};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Entry, Feature, FeatureError, Fitted, Reference, Seen, hex};
use crate::classifier::{Classifier, Images, Noise, Tap};
use crate::decision::{argmax, softmax};
use crate::spec::{Allowed, Interval, Parameter};

const LAST_HIDDEN: &str = "last-hidden";

pub(super) const ENTRY: Entry = Entry {
    id: "kde",
    title: "minus log of a hidden layer's kernel density within the predicted class",
    paper: "Detecting adversarial samples from artifacts, 2017",
    parameters: &[
        Parameter {
            name: "layer",
            default: LAST_HIDDEN,
            allowed: Allowed::Spec("the name of a layer, or last-hidden", |_| Ok(())),
            about: "layer whose output is looked at, noise off",
        },
        Parameter {
            name: "bandwidth",
            default: "1.26",
            allowed: Allowed::Real(&[Interval::above(0.0, 1e6)]),
            about: "standard deviation of the Gaussian kernel, in the layer's unit",
        },
    ],
    build: |values| Ok(Box::new(values.read::<Kde>()?)),
};

/// Minus the log density of a hidden layer's output, under a Gaussian kernel on those of the
/// reference images of the class that the classifier names.
///
/// # Method
/// `-log((1/n_t) Σ_i exp(-‖a - a_i‖² / 2h²))` over the `n_t` reference images of class t, a the
/// output of the layer at x and t the class at x, both with the noise off. The density is not
/// normalized; log-sum-exp in float64.
///
/// # Source
/// Feinman, Curtin, Shintre and Gardner, "Detecting adversarial samples from artifacts", 2017,
/// section 5.1, whose bandwidth for MNIST is the default.
///
/// # Limits
/// Carlini and Wagner, "Adversarial examples are not easily detected", 2017, get past it once
/// the attack sees it.
#[derive(Clone, Debug, Deserialize)]
struct Kde {
    layer: Name,
    bandwidth: f64,
}

/// Layers are called by words, or by numbers where they have no names.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Name {
    Word(String),
    Number(i64),
}

/// What it was fitted on.
#[derive(Clone, Debug)]
struct Density {
    layer: String,
    bandwidth: f64,
    width: usize,
    /// Outputs of each class's reference images, one after another.
    classes: Vec<Vec<f32>>,
}

/// The same as it lies in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    layer: String,
    width: usize,
    /// In the digits of [`hex`].
    classes: Vec<String>,
}

impl Feature for Kde {
    fn fit(
        &self,
        classifier: &dyn Classifier,
        reference: Option<&Reference<'_>>,
    ) -> Result<Box<dyn Fitted>, FeatureError> {
        let reference = reference.ok_or(FeatureError::NoReference { feature: ENTRY.id })?;
        let taps = classifier.taps();
        // The last one is what the network ends in.
        let last_hidden = taps.len().checked_sub(2).map(|place| taps[place].clone());
        let layer = match &self.layer {
            Name::Word(word) if word == LAST_HIDDEN => last_hidden.unwrap_or_default(),
            Name::Word(word) => word.clone(),
            Name::Number(number) => number.to_string(),
        };
        let tap = [Tap::Layer(&layer)];
        let outputs = classifier.outputs(reference.batch, Noise::Off, &tap)?;
        let mut classes = vec![Vec::new(); classifier.n_classes()];
        for (output, &label) in outputs[0].outer_iter().zip(reference.labels) {
            classes[label].extend(output);
        }
        if let Some(class) = classes.iter().position(Vec::is_empty) {
            return Err(FeatureError::EmptyClass { class });
        }
        Ok(Box::new(Density {
            width: outputs[0].ncols(),
            bandwidth: self.bandwidth,
            layer,
            classes,
        }))
    }

    fn load(&self, fitted: Value) -> Result<Box<dyn Fitted>, FeatureError> {
        let stored: Stored = serde_json::from_value(fitted)?;
        let classes = stored.classes.iter().map(|digits| hex::read(digits));
        let classes: Option<Vec<Vec<f32>>> = classes.collect();
        let whole = |rows: &Vec<f32>| !rows.is_empty() && rows.len().is_multiple_of(stored.width);
        let classes = classes.filter(|classes| stored.width > 0 && classes.iter().all(whole));
        Ok(Box::new(Density {
            classes: classes.ok_or(FeatureError::Damaged { feature: ENTRY.id })?,
            bandwidth: self.bandwidth,
            layer: stored.layer,
            width: stored.width,
        }))
    }
}

impl Density {
    /// Exponents of the kernels at `output`, and their log-sum-exp.
    fn exponents(&self, output: &[f32], class: usize) -> (Vec<f64>, f64) {
        let square = 2.0 * self.bandwidth * self.bandwidth;
        let exponent = |point: &[f32]| {
            let pairs = output.iter().zip(point);
            let squares = pairs.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
            -squares.sum::<f64>() / square
        };
        let points = self.classes.get(class).map_or(&[][..], Vec::as_slice);
        let exponents: Vec<f64> = points.chunks(self.width).map(exponent).collect();
        let max = exponents
            .iter()
            .fold(f64::NEG_INFINITY, |max, &e| max.max(e));
        let sum: f64 = exponents.iter().map(|e| libm::exp(e - max)).sum();
        (exponents, max + libm::log(sum))
    }
}

/// The class that `logits` name; where they are not numbers there is none, and no density.
fn class_of(logits: ArrayView1<'_, f32>) -> usize {
    argmax(&softmax(&logits.to_vec())).unwrap_or(usize::MAX)
}

impl Fitted for Density {
    fn taps(&self) -> Vec<Tap<'_>> {
        vec![Tap::Logits, Tap::Layer(&self.layer)]
    }

    fn numbers(&self, seen: &Seen<'_>) -> Result<Array2<f64>, FeatureError> {
        let logits = seen.output(Tap::Logits)?;
        let outputs = seen.output(Tap::Layer(&self.layer))?;
        let number = |row: usize| {
            let class = class_of(logits.row(row));
            let (exponents, log_sum) = self.exponents(&outputs.row(row).to_vec(), class);
            libm::log(exponents.len() as f64) - log_sum
        };
        let numbers: Vec<f64> = (0..logits.nrows()).into_par_iter().map(number).collect();
        Ok(Array2::from_shape_fn((numbers.len(), 1), |(row, _)| {
            numbers[row]
        }))
    }

    fn pull_back(
        &self,
        seen: &Seen<'_>,
        upstream: ArrayView2<'_, f64>,
    ) -> Result<Images, FeatureError> {
        let logits = seen.output(Tap::Logits)?;
        let square = self.bandwidth * self.bandwidth;
        let pull = |row: usize, _, outputs: &[&[f32]], gradients: &mut [&mut [f32]]| {
            let class = class_of(logits.row(row));
            let (exponents, log_sum) = self.exponents(outputs[0], class);
            let mut sums = vec![0.0; self.width];
            let points = self.classes.get(class).map_or(&[][..], Vec::as_slice);
            for (point, exponent) in points.chunks(self.width).zip(exponents) {
                let weight = libm::exp(exponent - log_sum);
                for (sum, (a, b)) in sums.iter_mut().zip(outputs[0].iter().zip(point)) {
                    *sum += weight * (f64::from(*a) - f64::from(*b));
                }
            }
            for (gradient, sum) in gradients[0].iter_mut().zip(sums) {
                *gradient = (upstream[[row, 0]] * sum / square) as f32;
            }
        };
        let tap = [Tap::Layer(self.layer.as_str())];
        let vjp = seen
            .classifier
            .vjp(seen.batch, &[Noise::Off], &tap, &pull)?;
        Ok(vjp.gradient)
    }

    fn parameters(&self) -> Value {
        serde_json::json!(Stored {
            layer: self.layer.clone(),
            width: self.width,
            classes: self
                .classes
                .iter()
                .map(|points| hex::write(points))
                .collect(),
        })
    }
}

//! Logistic regression on features.

use serde::{Deserialize, Serialize};
use serde_json::Value;

mod newton;

use newton::Problem;

use super::{DetectError, Detector, Entry, Fitted, Sample, check_samples};
use crate::spec::{Allowed, Interval, Parameter, Spec, SpecError, check_range};

pub(super) const ENTRY: Entry = Entry {
    id: "logistic-regression",
    title: "logistic regression",
    paper: "Detecting adversarial samples from artifacts, 2017",
    parameters: &[
        Parameter {
            name: "c",
            default: "1",
            allowed: Allowed::Real(&[Interval::above(0.0, 1e6)]),
            about: "weight of the data against the penalty",
        },
        Parameter {
            name: "standardize",
            default: "true",
            allowed: Allowed::Flag,
            about: "whether features are standardized first; the paper does not",
        },
    ],
    build: |values| Ok(Box::new(values.read::<LogisticRegression>()?)),
    load: |parameters| {
        let fitted: FittedLogisticRegression = serde_json::from_value(parameters)?;
        fitted.check()?;
        Ok(Box::new(fitted))
    },
};

/// Logistic regression of adversarial (1) against clean (0) on the features, with scikit-learn's
/// L2 penalty.
///
/// # Method
/// `min_{w,b} ‖w‖²/2 + c · Σ_i log(1 + exp(-y_i (w·z_i + b)))`, `y_i = ±1`, `z_i` the features,
/// each standardized by mean and deviation of the fitting samples if asked; the intercept `b` is
/// not penalized. Damped Newton steps until one moves no fitted logit by more than
/// 1e-10 of the largest.
///
/// # Source
/// Feinman, Curtin, Shintre and Gardner, "Detecting adversarial samples from artifacts",
/// 2017; Guan, "Adversarial example defense and detection using quantized neural networks
/// with inference time dropout".
///
/// # Limits
/// Unscaled uncertainties are far below 1, so the penalty keeps `w` small; the order of
/// inputs, hence the ROC curve, does not depend on it where there is one feature. Where
/// adversarial inputs are the more certain ones `w` is negative.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogisticRegression {
    c: f64,
    standardize: bool,
}

impl Default for LogisticRegression {
    fn default() -> Self {
        Self {
            c: 1.0,
            standardize: true,
        }
    }
}

/// What [`LogisticRegression`] found; all lists are as long as there are features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedLogisticRegression {
    /// Subtracted from the features first.
    pub mean: Vec<f64>,
    /// Divides them then; above 0.
    pub deviation: Vec<f64>,
    /// Change of the logit with each standardized feature.
    pub weight: Vec<f64>,
    /// Logit at standardized features of 0.
    pub intercept: f64,
}

impl LogisticRegression {
    /// The paper's: the features as they are.
    #[must_use]
    pub fn unscaled() -> Self {
        Self {
            standardize: false,
            ..Self::default()
        }
    }

    /// As [`Detector::fit`], the fitted numbers in the open.
    ///
    /// # Errors
    /// [`DetectError`] where a kind of sample is missing, a number is not finite or the steps
    /// do not settle.
    pub fn fit_numbers(&self, samples: &[Sample]) -> Result<FittedLogisticRegression, DetectError> {
        let width = check_samples(samples)?;
        // Always solved on standardized features, which keeps the system well conditioned;
        // a weight w on a feature itself is w · deviation there, and penalized accordingly.
        let (mean, deviation): (Vec<f64>, Vec<f64>) =
            (0..width).map(|j| moments(samples, j)).unzip();
        let standardized = |sample: &Sample| {
            let scaled = |j: usize| (sample.features[j] - mean[j]) / deviation[j];
            ((0..width).map(scaled).collect(), sample.adversarial)
        };
        let penalties = deviation.iter().map(|deviation| {
            let unit = if self.standardize { 1.0 } else { *deviation };
            1.0 / (self.c * unit * unit)
        });
        let problem = Problem {
            points: samples.iter().map(standardized).collect(),
            penalties: penalties.collect(),
        };
        let mut weight = problem.minimize()?;
        let mut intercept = weight.pop().unwrap_or_default();
        if self.standardize {
            return Ok(FittedLogisticRegression {
                mean,
                deviation,
                weight,
                intercept,
            });
        }
        for j in 0..width {
            weight[j] /= deviation[j];
            intercept -= weight[j] * mean[j];
        }
        Ok(FittedLogisticRegression {
            mean: vec![0.0; width],
            deviation: vec![1.0; width],
            weight,
            intercept,
        })
    }
}

impl Detector for LogisticRegression {
    fn spec(&self) -> Result<Spec, SpecError> {
        Spec::of(ENTRY.id, self)
    }

    fn fit(&self, samples: &[Sample]) -> Result<Box<dyn Fitted>, DetectError> {
        Ok(Box::new(self.fit_numbers(samples)?))
    }
}

impl FittedLogisticRegression {
    fn check(&self) -> Result<(), DetectError> {
        let given = self.mean.len().min(self.deviation.len());
        let reads = self.weight.len();
        if given != reads || self.mean.len() != self.deviation.len() {
            return Err(DetectError::Width { reads, given });
        }
        let finite = f64::MIN..=f64::MAX;
        for (name, values) in [("mean", &self.mean), ("weight", &self.weight)] {
            for &value in values {
                check_range(name, value, finite.clone(), "finite")?;
            }
        }
        check_range("intercept", self.intercept, finite, "finite")?;
        for &deviation in &self.deviation {
            let positive = f64::MIN_POSITIVE..=f64::MAX;
            check_range("deviation", deviation, positive, "finite and above 0")?;
        }
        Ok(())
    }
}

impl Fitted for FittedLogisticRegression {
    fn id(&self) -> &'static str {
        ENTRY.id
    }

    fn width(&self) -> usize {
        self.weight.len()
    }

    /// The fitted log odds of being adversarial.
    fn suspicion(&self, features: &[f64]) -> f64 {
        let scaled = |j: usize| (features[j] - self.mean[j]) / self.deviation[j];
        let terms = (0..self.width()).map(|j| self.weight[j] * scaled(j));
        terms.sum::<f64>() + self.intercept
    }

    fn gradient(&self, _: &[f64]) -> Option<Vec<f64>> {
        let pairs = self.weight.iter().zip(&self.deviation);
        Some(
            pairs
                .map(|(weight, deviation)| weight / deviation)
                .collect(),
        )
    }

    /// Even odds.
    fn threshold(&self) -> f64 {
        0.0
    }

    fn parameters(&self) -> Value {
        serde_json::json!(self)
    }
}

/// Mean and population deviation of feature `j`; deviation 1 where all are equal, as
/// scikit-learn's `StandardScaler` has it.
fn moments(samples: &[Sample], j: usize) -> (f64, f64) {
    let n = samples.len() as f64;
    let mean = samples.iter().map(|s| s.features[j]).sum::<f64>() / n;
    let squares = samples
        .iter()
        .map(|s| (s.features[j] - mean) * (s.features[j] - mean));
    let deviation = (squares.sum::<f64>() / n).sqrt();
    (mean, if deviation > 0.0 { deviation } else { 1.0 })
}

#[cfg(test)]
mod tests;

//! Logistic regression on one score.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{DetectError, Detector, Entry, Fitted, Sample, check_samples};
use crate::spec::{Spec, SpecError, check_range};

pub(super) const ENTRY: Entry = Entry {
    id: "logistic-regression",
    title: "logistic regression",
    paper: "Detecting adversarial samples from artifacts, 2017",
    build: |spec| Ok(Box::new(LogisticRegression::new(spec.params()?)?)),
    load: |parameters| {
        let fitted: FittedLogisticRegression = serde_json::from_value(parameters)?;
        fitted.check()?;
        Ok(Box::new(fitted))
    },
};

const MAX_STEPS: u32 = 200;
/// Newton steps end when one moves the logits of the scores by no more than this, relative
/// to the largest of them.
const TOLERANCE: f64 = 1e-10;
/// Relative error of the objective: a rise below it is none.
const ROUNDING: f64 = 1e-12;

/// Logistic regression of adversarial (1) against clean (0) on one score, with scikit-learn's
/// L2 penalty.
///
/// # Method
/// `min_{w,b} w²/2 + c · Σ_i log(1 + exp(-y_i (w z_i + b)))`, `y_i = ±1`, `z_i` the score,
/// standardized by mean and deviation of the fitting samples if asked; the intercept `b` is
/// not penalized. Damped Newton steps until one moves no fitted logit by more than
/// 1e-10 of the largest.
///
/// # Source
/// Feinman, Curtin, Shintre and Gardner, "Detecting adversarial samples from artifacts",
/// 2017; Guan, "Adversarial example defense and detection using quantized neural networks
/// with inference time dropout".
///
/// # Parameters
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | `c` | 1 | (0, 1e6] | weight of the data against the penalty |
/// | `standardize` | true | | whether the score is standardized first; the paper does not |
///
/// # Limits
/// Unscaled uncertainties are far below 1, so the penalty keeps `w` small; the order of
/// inputs, hence the ROC curve, does not depend on it. Where adversarial inputs are the more
/// certain ones `w` is negative.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LogisticRegression {
    params: LogisticRegressionParams,
}

/// Parameters of [`LogisticRegression`], whose table gives their ranges.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogisticRegressionParams {
    /// Weight of the data against the penalty.
    pub c: f64,
    /// Whether the score is standardized first.
    pub standardize: bool,
}

impl Default for LogisticRegressionParams {
    fn default() -> Self {
        Self {
            c: 1.0,
            standardize: true,
        }
    }
}

/// What [`LogisticRegression`] found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedLogisticRegression {
    /// Subtracted from the score first.
    pub mean: f64,
    /// Divides the score then; above 0.
    pub deviation: f64,
    /// Change of the logit with the standardized score.
    pub weight: f64,
    /// Logit at the standardized score 0.
    pub intercept: f64,
}

impl LogisticRegression {
    /// With `params` in range.
    ///
    /// # Errors
    /// [`SpecError::OutOfRange`] naming the one that is not.
    pub fn new(params: LogisticRegressionParams) -> Result<Self, SpecError> {
        check_range("c", params.c, f64::MIN_POSITIVE..=1e6, "above 0 up to 1e6")?;
        Ok(Self { params })
    }

    /// The paper's: the score as it is.
    #[must_use]
    pub fn unscaled() -> Self {
        let params = LogisticRegressionParams {
            standardize: false,
            ..LogisticRegressionParams::default()
        };
        Self { params }
    }

    /// As [`Detector::fit`], the fitted numbers in the open.
    ///
    /// # Errors
    /// [`DetectError`] where a kind of sample is missing, a score is not finite or the steps
    /// do not settle.
    pub fn fit_numbers(&self, samples: &[Sample]) -> Result<FittedLogisticRegression, DetectError> {
        check_samples(samples)?;
        // Always solved on the standardized score, which keeps the system well conditioned;
        // a weight w on the score itself is w · deviation there, and penalized accordingly.
        let (mean, deviation) = moments(samples);
        let points: Vec<(f64, bool)> = samples
            .iter()
            .map(|sample| ((sample.score - mean) / deviation, sample.adversarial))
            .collect();
        let unit = if self.params.standardize {
            1.0
        } else {
            deviation
        };
        let penalty = 1.0 / (self.params.c * unit * unit);
        let [weight, intercept] = minimize(&points, penalty)?;
        Ok(if self.params.standardize {
            FittedLogisticRegression {
                mean,
                deviation,
                weight,
                intercept,
            }
        } else {
            FittedLogisticRegression {
                mean: 0.0,
                deviation: 1.0,
                weight: weight / deviation,
                intercept: intercept - weight / deviation * mean,
            }
        })
    }
}

impl Detector for LogisticRegression {
    fn spec(&self) -> Result<Spec, SpecError> {
        Spec::of(ENTRY.id, &self.params)
    }

    fn fit(&self, samples: &[Sample]) -> Result<Box<dyn Fitted>, DetectError> {
        Ok(Box::new(self.fit_numbers(samples)?))
    }
}

impl FittedLogisticRegression {
    fn check(&self) -> Result<(), SpecError> {
        let finite = f64::MIN..=f64::MAX;
        check_range("mean", self.mean, finite.clone(), "finite")?;
        check_range("weight", self.weight, finite.clone(), "finite")?;
        check_range("intercept", self.intercept, finite, "finite")?;
        let positive = f64::MIN_POSITIVE..=f64::MAX;
        check_range("deviation", self.deviation, positive, "finite and above 0")
    }
}

impl Fitted for FittedLogisticRegression {
    fn id(&self) -> &'static str {
        ENTRY.id
    }

    /// The fitted log odds of being adversarial.
    fn suspicion(&self, score: f64) -> f64 {
        self.weight * ((score - self.mean) / self.deviation) + self.intercept
    }

    /// Even odds.
    fn threshold(&self) -> f64 {
        0.0
    }

    fn parameters(&self) -> Value {
        serde_json::json!({
            "mean": self.mean,
            "deviation": self.deviation,
            "weight": self.weight,
            "intercept": self.intercept,
        })
    }
}

/// Mean and population deviation of the scores; deviation 1 where all are equal, as
/// scikit-learn's `StandardScaler` has it.
fn moments(samples: &[Sample]) -> (f64, f64) {
    let n = samples.len() as f64;
    let mean = samples.iter().map(|s| s.score).sum::<f64>() / n;
    let squares = samples.iter().map(|s| (s.score - mean) * (s.score - mean));
    let deviation = (squares.sum::<f64>() / n).sqrt();
    (mean, if deviation > 0.0 { deviation } else { 1.0 })
}

fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-logit))
}

/// `log(1 + exp(x))` without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
}

/// The objective divided by `c`, `penalty` being that of the weight.
fn objective(points: &[(f64, bool)], penalty: f64, [weight, intercept]: [f64; 2]) -> f64 {
    let loss = |&(z, adversarial): &(f64, bool)| {
        let logit = weight * z + intercept;
        softplus(if adversarial { -logit } else { logit })
    };
    0.5 * penalty * weight * weight + points.iter().map(loss).sum::<f64>()
}

/// The step of Newton's method at `[weight, intercept]`.
fn newton_step(points: &[(f64, bool)], penalty: f64, [weight, intercept]: [f64; 2]) -> [f64; 2] {
    let (mut g_w, mut g_b) = (penalty * weight, 0.0);
    let (mut h_ww, mut h_wb, mut h_bb) = (penalty, 0.0, 0.0);
    for &(z, adversarial) in points {
        let logit = weight * z + intercept;
        let (p, q) = (sigmoid(logit), sigmoid(-logit));
        let residual = if adversarial { -q } else { p };
        // p · q keeps the curvature of points far on the right side, which p · (1 - p) rounds
        // to 0.
        let curvature = p * q;
        g_w += residual * z;
        g_b += residual;
        h_ww += curvature * z * z;
        h_wb += curvature * z;
        h_bb += curvature;
    }
    let determinant = h_ww * h_bb - h_wb * h_wb;
    [
        -(h_bb * g_w - h_wb * g_b) / determinant,
        -(h_ww * g_b - h_wb * g_w) / determinant,
    ]
}

fn minimize(points: &[(f64, bool)], penalty: f64) -> Result<[f64; 2], DetectError> {
    let largest = points.iter().fold(0.0f64, |max, (z, _)| max.max(z.abs()));
    let mut at = [0.0; 2];
    let mut value = objective(points, penalty, at);
    let mut moved = f64::INFINITY;
    for _ in 0..MAX_STEPS {
        let step = newton_step(points, penalty, at);
        let size = 1.0 + at[0].abs() * largest + at[1].abs();
        moved = (step[0].abs() * largest + step[1].abs()) / size;
        if moved <= TOLERANCE {
            return Ok([at[0] + step[0], at[1] + step[1]]);
        }
        // The objective is convex: halving a step that overshoots always ends.
        let mut scale = 1.0;
        loop {
            let next = [at[0] + scale * step[0], at[1] + scale * step[1]];
            let next_value = objective(points, penalty, next);
            if next_value <= value + value * ROUNDING || scale < 1e-8 {
                (at, value) = (next, next_value);
                break;
            }
            scale *= 0.5;
        }
    }
    Err(DetectError::NotConverged {
        detector: ENTRY.id,
        n_steps: MAX_STEPS,
        got: moved,
        allowed: TOLERANCE,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(scores: &[f64], adversarial: &[u8]) -> Vec<Sample> {
        let pairs = scores.iter().zip(adversarial).enumerate();
        pairs
            .map(|(i, (&score, &label))| Sample {
                source: i as u64,
                score,
                adversarial: label == 1,
            })
            .collect()
    }

    fn uncertainties() -> Vec<Sample> {
        samples(
            &[
                0.001, 0.002, 0.0005, 0.004, 0.003, 0.01, 0.02, 0.0015, 0.012, 0.006, 0.002, 0.03,
            ],
            &[0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 1],
        )
    }

    fn assert_close(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-10, "{got} is not {expected}");
    }

    /// scikit-learn 1.9.1, `LogisticRegression(C=1, solver="newton-cholesky", tol=1e-14)`,
    /// without and with `StandardScaler`.
    #[test]
    fn it_finds_what_scikit_learn_finds() {
        let raw = LogisticRegression::unscaled();
        let fitted = raw.fit_numbers(&uncertainties()).unwrap();
        assert_close(fitted.weight, 0.033_492_370_717_273_69);
        assert_close(fitted.intercept, -0.000_256_774_839_115_454_83);
        assert!((sigmoid(fitted.suspicion(0.001)) - 0.499_944_18).abs() < 1e-8);
        let fitted = LogisticRegression::default()
            .fit_numbers(&uncertainties())
            .unwrap();
        assert_close(fitted.weight, 1.244_222_905_616_204_2);
        assert_close(fitted.intercept, 0.146_201_163_637_838_1);
    }

    #[test]
    fn without_information_only_the_intercept_is_left() {
        let same = samples(&[0.5; 4], &[1, 1, 1, 0]);
        let fitted = LogisticRegression::default().fit_numbers(&same).unwrap();
        assert_close(fitted.weight, 0.0);
        assert_close(fitted.intercept, 3f64.ln());
        assert_close(sigmoid(fitted.suspicion(0.5)), 0.75);
    }

    #[test]
    fn separable_scores_converge_and_the_sign_follows_the_data() {
        for (label_low, sign) in [(0, 1.0), (1, -1.0)] {
            let labels = [label_low, label_low, 1 - label_low, 1 - label_low];
            let apart = samples(&[0.0, 0.1, 10.0, 11.0], &labels);
            for c in [1e-3, 1.0, 1e6] {
                let params = LogisticRegressionParams {
                    c,
                    standardize: true,
                };
                let detector = LogisticRegression::new(params).unwrap();
                let fitted = detector.fit_numbers(&apart).unwrap();
                assert_eq!(fitted.weight.signum(), sign);
            }
        }
    }

    #[test]
    fn bad_samples_and_parameters_are_refused_in_words() {
        let fit = |samples: &[Sample]| LogisticRegression::default().fit_numbers(samples);
        let error = fit(&samples(&[0.1, 0.2], &[0, 0])).unwrap_err().to_string();
        assert!(error.contains("2 clean and 0 adversarial"), "{error}");
        let error = fit(&samples(&[0.1, f64::NAN], &[0, 1])).unwrap_err();
        assert!(error.to_string().contains("source image 1: got NaN"));
        let refused = |text: &str| super::super::build(text).err().unwrap().to_string();
        for c in ["0", "-1", "1e7"] {
            let error = refused(&format!("logistic-regression(c={c})"));
            assert!(error.contains("above 0 up to 1e6"), "{error}");
        }
        assert!(refused("logistic-regression(penalty=1)").contains("penalty"));
        let params = LogisticRegressionParams {
            c: f64::NAN,
            standardize: true,
        };
        assert!(LogisticRegression::new(params).is_err());
        let flat = serde_json::json!({"mean": 0, "deviation": 0, "weight": 1, "intercept": 0});
        assert!((ENTRY.load)(flat).is_err());
    }

    /// Log-normal scores, from far below 1 to far above, overlapping to far apart, few to many.
    #[test]
    fn scores_of_every_scale_converge() {
        for case in 0..300u64 {
            let mut rng = crate::rng::Rng::new(0, "test", case);
            let scale = [1e-9, 1e-3, 1.0, 1e6][case as usize % 4];
            let shift = [0.0, 1.0, 8.0][case as usize % 3];
            let n = 2 + rng.below(150) as u64;
            let samples: Vec<Sample> = (0..n)
                .map(|source| Sample {
                    source,
                    score: scale * libm::exp(2.0 * rng.normal() + shift * (source % 2) as f64),
                    adversarial: source % 2 == 1,
                })
                .collect();
            for standardize in [false, true] {
                let params = LogisticRegressionParams {
                    standardize,
                    ..LogisticRegressionParams::default()
                };
                let fitted = LogisticRegression { params }.fit_numbers(&samples);
                assert!(fitted.is_ok(), "case {case}: {fitted:?}");
            }
        }
    }
}

//! How well a detector tells adversarial from clean inputs, in the paper's way and honestly.

use serde::{Deserialize, Serialize};

use super::auroc::{Ranked, Scored};
use super::interval::{Estimate, Rate};
use crate::detect::{DetectError, Detector, Fitted, Sample, check_samples, threshold_at};
use crate::rng::Rng;
use crate::spec::check_range;

/// Clean images from which on a false-alarm rate of 1 % is spoken about.
pub const N_CLEAN_FOR_1_PERCENT: usize = 1000;

/// The features of one source image.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Id of the source image; each occurs once.
    pub source: u64,
    /// Features of the clean input; finite.
    pub clean: Vec<f64>,
    /// Features of the adversarial input made of it; finite.
    pub adversarial: Vec<f64>,
    /// Whether the attack succeeded.
    pub successful: bool,
}

/// A detector's performance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detection {
    /// Source images it was fitted on.
    pub n_fit: u64,
    /// Source images it was scored on.
    pub n_scored: u64,
    /// On all adversarial inputs.
    pub all: Performance,
    /// On the successful ones; `None` where none succeeded.
    pub successful: Option<Performance>,
}

/// Numbers of a fitted detector on one set of inputs. Clean inputs are all that were scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Performance {
    /// Clean inputs.
    pub n_clean: u64,
    /// Adversarial inputs.
    pub n_adversarial: u64,
    /// Share of inputs that the detector's own threshold calls rightly.
    pub accuracy: Option<Rate>,
    /// Area under the ROC curve of the suspicion, resampled over source images.
    pub auroc: Option<Estimate>,
    /// At 5 % false alarms, and at 1 % from 1 000 clean images on.
    pub at_fpr: Vec<OperatingPoint>,
}

/// A detector at a bound on false alarms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatingPoint {
    /// Largest share of false alarms on the fitting part.
    pub max_fpr: f64,
    /// Inputs of a suspicion above this are called adversarial.
    pub threshold: f64,
    /// The feature (uncertainty) of the clean input that the threshold lies at, where the detector
    /// reads no other.
    pub score: Option<f64>,
    /// Share of adversarial inputs called adversarial.
    pub tpr: Option<Rate>,
    /// Share of clean inputs called adversarial: the achieved bound.
    pub fpr: Option<Rate>,
}

/// The paper's way: fitted on `cases` and scored on the same. Flatters.
///
/// # Errors
/// [`DetectError`] where a score is not finite or there are no cases.
pub fn paper(
    detector: &dyn Detector,
    cases: &[Case],
    seed: u64,
) -> Result<(Box<dyn Fitted>, Detection), DetectError> {
    fit_and_score(detector, cases, cases, cases.len(), seed)
}

/// The honest way: source images are split by `seed` and their own id, a share `fit_share`
/// of them for fitting (0.5 is usual), the others for scoring; thresholds come from the
/// fitting part.
///
/// # Errors
/// [`DetectError`] where a score is not finite, `fit_share` is outside (0, 1) or a part is
/// left empty.
pub fn honest(
    detector: &dyn Detector,
    cases: &[Case],
    fit_share: f64,
    seed: u64,
) -> Result<(Box<dyn Fitted>, Detection), DetectError> {
    let range = f64::MIN_POSITIVE..1.0;
    check_range("fit_share", fit_share, range, "above 0 and below 1")?;
    let (fit, score): (Vec<Case>, Vec<Case>) = cases
        .iter()
        .cloned()
        .partition(|case| is_for_fitting(seed, case.source, fit_share));
    fit_and_score(detector, &fit, &score, cases.len(), seed)
}

/// Which part a source image falls into: depends on the seed and its id alone, so adding
/// images or attacks moves none.
#[must_use]
pub fn is_for_fitting(seed: u64, source: u64, fit_share: f64) -> bool {
    Rng::new(seed, "detector split", source).uniform() < fit_share
}

fn fit_and_score(
    detector: &dyn Detector,
    fit: &[Case],
    score: &[Case],
    n_clean: usize,
    seed: u64,
) -> Result<(Box<dyn Fitted>, Detection), DetectError> {
    check_samples(&samples(score, |_| true))?;
    let fitted = detector.fit(&samples(fit, |_| true))?;
    let bounds: &[f64] = if n_clean >= N_CLEAN_FOR_1_PERCENT {
        &[0.05, 0.01]
    } else {
        &[0.05]
    };
    let thresholds: Vec<Threshold> = bounds
        .iter()
        .filter_map(|&max_fpr| threshold(&*fitted, fit, max_fpr))
        .collect();
    let performance = |keep: fn(&Case) -> bool| {
        let suspicions: Vec<Scored> = samples(score, keep)
            .iter()
            .map(|sample| Scored {
                source: sample.source,
                score: fitted.suspicion(&sample.features),
                adversarial: sample.adversarial,
            })
            .collect();
        measure(&suspicions, fitted.threshold(), &thresholds, seed)
    };
    let all = performance(|_| true)?;
    let any_successful = score.iter().any(|case| case.successful);
    let successful = any_successful.then(|| performance(|case| case.successful));
    let detection = Detection {
        n_fit: fit.len() as u64,
        n_scored: score.len() as u64,
        all,
        successful: successful.transpose()?,
    };
    Ok((fitted, detection))
}

/// The clean inputs of `cases` and those adversarial ones whose case is kept.
fn samples(cases: &[Case], keep: fn(&Case) -> bool) -> Vec<Sample> {
    let sample = |case: &Case, features: &[f64], adversarial| Sample {
        source: case.source,
        features: features.to_vec(),
        adversarial,
    };
    let clean = cases.iter().map(|case| sample(case, &case.clean, false));
    let kept = cases.iter().filter(|case| keep(case));
    let adversarial = kept.map(|case| sample(case, &case.adversarial, true));
    clean.chain(adversarial).collect()
}

/// A threshold that was set on the fitting part.
struct Threshold {
    max_fpr: f64,
    suspicion: f64,
    score: Option<f64>,
}

/// Suspicions of the clean inputs of `cases`.
#[must_use]
pub fn clean_suspicions(fitted: &dyn Fitted, cases: &[Case]) -> Vec<f64> {
    cases
        .iter()
        .map(|case| fitted.suspicion(&case.clean))
        .collect()
}

fn threshold(fitted: &dyn Fitted, cases: &[Case], max_fpr: f64) -> Option<Threshold> {
    let suspicions = clean_suspicions(fitted, cases);
    let suspicion = threshold_at(&suspicions, max_fpr)?;
    let place = suspicions.iter().position(|&other| other == suspicion)?;
    Some(Threshold {
        max_fpr,
        suspicion,
        score: match cases[place].clean[..] {
            [only] => Some(only),
            _ => None,
        },
    })
}

fn measure(
    suspicions: &[Scored],
    own_threshold: f64,
    thresholds: &[Threshold],
    seed: u64,
) -> Result<Performance, DetectError> {
    let ranked = Ranked::new(suspicions)?;
    let of_kind = |adversarial| {
        suspicions
            .iter()
            .filter(move |s| s.adversarial == adversarial)
    };
    let called = |threshold: f64, adversarial| {
        Rate::of(of_kind(adversarial).map(|sample| sample.score > threshold))
    };
    let right = suspicions
        .iter()
        .map(|sample| (sample.score > own_threshold) == sample.adversarial);
    let at_fpr = thresholds.iter().map(|threshold| OperatingPoint {
        max_fpr: threshold.max_fpr,
        threshold: threshold.suspicion,
        score: threshold.score,
        tpr: called(threshold.suspicion, true),
        fpr: called(threshold.suspicion, false),
    });
    Ok(Performance {
        n_clean: of_kind(false).count() as u64,
        n_adversarial: of_kind(true).count() as u64,
        accuracy: Rate::of(right),
        auroc: ranked.bootstrap(seed).map(|seen| seen.estimate()),
        at_fpr: at_fpr.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::LogisticRegression;

    /// Adversarial scores `shift` above normal clean ones; every second attack succeeds.
    fn cases(n: u64, shift: f64) -> Vec<Case> {
        (0..n)
            .map(|source| {
                let mut rng = Rng::new(0, "test", source);
                Case {
                    source,
                    clean: vec![rng.normal()],
                    adversarial: vec![rng.normal() + shift],
                    successful: source % 2 == 0,
                }
            })
            .collect()
    }

    fn detector() -> LogisticRegression {
        LogisticRegression::default()
    }

    /// Two unit normals two apart: accuracy Φ(1) = 0.841, area Φ(√2) = 0.921, and
    /// TPR at 5 % false alarms Φ(2 - 1.645) = 0.639.
    #[test]
    fn normal_scores_give_the_textbook_numbers() {
        let (_, seen) = honest(&detector(), &cases(6000, 2.0), 0.5, 0).unwrap();
        let near = |got: f64, expected: f64| assert!((got - expected).abs() < 0.05, "{got}");
        near(seen.all.accuracy.unwrap().value, 0.841);
        near(seen.all.auroc.unwrap().value, 0.921);
        let [at_5, at_1] = &seen.all.at_fpr[..] else {
            panic!("two operating points")
        };
        near(at_5.tpr.unwrap().value, 0.639);
        near(at_5.fpr.unwrap().value, 0.05);
        // The quantile of 3 000 scores has a standard error of 0.04.
        assert!((at_5.score.unwrap() - 1.645).abs() < 0.12);
        near(at_1.fpr.unwrap().value, 0.01);
    }

    #[test]
    fn parts_share_no_image_and_do_not_depend_on_the_others() {
        let (_, seen) = honest(&detector(), &cases(400, 1.0), 0.5, 3).unwrap();
        assert_eq!(seen.n_fit + seen.n_scored, 400);
        assert!((150..250).contains(&seen.n_fit));
        let half: Vec<Case> = cases(400, 1.0).into_iter().step_by(2).collect();
        let n_fit = half
            .iter()
            .filter(|c| is_for_fitting(3, c.source, 0.5))
            .count();
        let (_, seen) = honest(&detector(), &half, 0.5, 3).unwrap();
        assert_eq!(seen.n_fit, n_fit as u64);
    }

    #[test]
    fn the_papers_way_scores_what_it_fitted() {
        let (fitted, seen) = paper(&detector(), &cases(100, 1.0), 0).unwrap();
        assert_eq!((seen.n_fit, seen.n_scored), (100, 100));
        assert_eq!((seen.all.n_clean, seen.all.n_adversarial), (100, 100));
        let successful = seen.successful.unwrap();
        assert_eq!((successful.n_clean, successful.n_adversarial), (100, 50));
        assert_eq!(seen.all.at_fpr.len(), 1);
        assert_eq!(seen.all.at_fpr[0].fpr.unwrap().k, 5);
        assert_eq!(fitted.threshold(), 0.0);
    }

    #[test]
    fn no_success_is_no_number() {
        let mut failed = cases(60, 1.0);
        failed.iter_mut().for_each(|case| case.successful = false);
        let (_, seen) = honest(&detector(), &failed, 0.5, 0).unwrap();
        assert_eq!(seen.successful, None);
    }

    #[test]
    fn broken_input_is_refused_in_words() {
        let mut broken = cases(20, 1.0);
        broken[7].adversarial = vec![f64::NAN];
        let error = paper(&detector(), &broken, 0).err().unwrap().to_string();
        assert!(error.contains("source image 7: got NaN"), "{error}");
        for case in 0..20 {
            let mut broken = cases(20, 1.0);
            broken[case].clean = vec![f64::INFINITY];
            assert!(honest(&detector(), &broken, 0.5, 0).is_err());
        }
        assert!(paper(&detector(), &[], 0).is_err());
        assert!(honest(&detector(), &cases(20, 1.0), 1.0, 0).is_err());
        assert!(honest(&detector(), &cases(20, 1.0), f64::NAN, 0).is_err());
        assert!(honest(&detector(), &cases(1, 1.0), 0.5, 0).is_err());
    }
}

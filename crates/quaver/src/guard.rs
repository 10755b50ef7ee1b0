//! [`Guard`]: a classifier as it is deployed, with the rule that makes one answer of its passes
//! and, before that, a detector that may refuse an input.

use std::error::Error;
use std::sync::Arc;

use ndarray::{Axis, Slice};

use crate::attack::run::Deployed;
use crate::classifier::{Batch, Classifier, Draw, Tap};
use crate::decision::{Decision, Verdict};
use crate::detect::{DetectError, Fitted, Saved};
use crate::feature::{FeatureError, Features, Seen};
use crate::observe::{Observer, Offset, Silent};
use crate::uncertainty::Accumulator;

/// Images between two questions to the observer; results do not depend on it.
const SLICE: usize = 512;

/// A classifier, how its passes are decided on, and a detector if there is one. What it says of
/// an image depends on the image, its id and the draw alone.
pub struct Guard {
    classifier: Arc<dyn Classifier>,
    decision: Decision,
    watch: Option<Watch>,
}

/// A detector, and the features that it reads.
struct Watch {
    features: Features,
    detector: Box<dyn Fitted>,
    threshold: f64,
}

/// What a guard says of one image, and why.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The answer: a class, none, or that the detector refuses the input.
    pub verdict: Verdict,
    /// The answer if there were no detector.
    pub decided: Verdict,
    /// The passes: mean probabilities and votes.
    pub passes: Accumulator,
    /// What the detector read, and its suspicion; `None` without a detector.
    pub suspicion: Option<Suspicion>,
}

/// What a detector made of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspicion {
    /// The features.
    pub features: Vec<f64>,
    /// How adversarial they look, higher = more; not a number where an output is none.
    pub value: f64,
    /// Above this, and where the suspicion is no number, an input is refused.
    pub threshold: f64,
}

impl Suspicion {
    /// Whether the detector refuses the input.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.value > self.threshold || self.value.is_nan()
    }
}

/// A guard cannot be opened, or cannot judge.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The detector does not load.
    #[error(transparent)]
    Detect(#[from] DetectError),
    /// A feature or the classifier refuses.
    #[error(transparent)]
    Feature(#[from] FeatureError),
    /// The detector belongs to another classifier.
    #[error(
        "the detector was fitted for another model: its fingerprint is {allowed}, that of this one {got}"
    )]
    OtherModel {
        /// Fingerprint of the classifier.
        got: String,
        /// That of the detector's.
        allowed: String,
    },
    /// Nothing to set a threshold by.
    #[error(
        "{max_fpr} of clean inputs as false alarms: the detector has no clean inputs to set it by"
    )]
    NoClean {
        /// The share that was asked for.
        max_fpr: f64,
    },
}

impl Guard {
    /// Without a detector.
    #[must_use]
    pub fn new(classifier: Arc<dyn Classifier>, decision: Decision) -> Self {
        Self {
            classifier,
            decision,
            watch: None,
        }
    }

    /// With a saved detector, which says how passes are decided on. Its threshold is where at most
    /// a share `max_fpr` of the clean inputs that it was fitted on lie above, or its own.
    ///
    /// # Errors
    /// [`GuardError`] where the detector does not load or belongs to another classifier.
    pub fn open(
        classifier: Arc<dyn Classifier>,
        saved: &Saved,
        max_fpr: Option<f64>,
    ) -> Result<Self, GuardError> {
        if let (Some(got), Some(allowed)) = (classifier.fingerprint(), &saved.model)
            && got != *allowed
        {
            let allowed = allowed.clone();
            return Err(GuardError::OtherModel { got, allowed });
        }
        let (features, detector) = saved.load()?;
        let threshold = match max_fpr {
            None => detector.threshold(),
            Some(max_fpr) => saved
                .threshold_at(max_fpr)
                .ok_or(GuardError::NoClean { max_fpr })?,
        };
        Ok(Self {
            classifier,
            decision: saved.decision,
            watch: Some(Watch {
                features,
                detector,
                threshold,
            }),
        })
    }

    /// The classifier.
    #[must_use]
    pub fn classifier(&self) -> &dyn Classifier {
        &*self.classifier
    }

    /// How passes are decided on.
    #[must_use]
    pub const fn decision(&self) -> Decision {
        self.decision
    }

    /// The suspicion above which an input is refused; `None` without a detector.
    #[must_use]
    pub fn threshold(&self) -> Option<f64> {
        self.watch.as_ref().map(|watch| watch.threshold)
    }

    /// Judges the images of `batch` on passes from `draw` on. The observer counts images; when it
    /// stops the call, those judged so far return.
    ///
    /// # Errors
    /// [`GuardError::Feature`] where the classifier refuses.
    pub fn judge(
        &self,
        batch: Batch<'_>,
        draw: Draw,
        observer: &dyn Observer,
    ) -> Result<Vec<Judged>, GuardError> {
        let n = batch.ids.len();
        let mut judged = Vec::with_capacity(n);
        let taps = self.watch.as_ref().map(|watch| watch.features.taps());
        let taps = taps.unwrap_or_default();
        observer.begin("passes", n as u64);
        for start in (0..n).step_by(SLICE) {
            let end = n.min(start + SLICE);
            let slice = Batch {
                x: batch.x.slice_axis(Axis(0), Slice::from(start..end)),
                ids: &batch.ids[start..end],
            };
            let done = start as u64;
            match self.judge_slice(slice, draw, &taps, &Offset { observer, done })? {
                Some(slice) => judged.extend(slice),
                None => break,
            }
        }
        observer.end();
        Ok(judged)
    }

    /// `None` where the observer stops it.
    fn judge_slice<'a>(
        &'a self,
        batch: Batch<'a>,
        draw: Draw,
        taps: &[Tap<'a>],
        observer: &dyn Observer,
    ) -> Result<Option<Vec<Judged>>, GuardError> {
        let asked = (draw, self.decision.n_passes());
        let seen = Seen::ask(&*self.classifier, batch, asked, taps, observer);
        let Some(seen) = seen.map_err(FeatureError::from)? else {
            return Ok(None);
        };
        let suspicions = self.watch.as_ref().map(|watch| watch.suspicions(&seen));
        let mut suspicions = suspicions.transpose()?.map(Vec::into_iter);
        let judge = |passes: Accumulator| {
            let decided = self.decision.verdict(passes.tally());
            let suspicion = suspicions.as_mut().and_then(Iterator::next);
            let refused = suspicion.as_ref().is_some_and(Suspicion::refuses);
            Judged {
                verdict: if refused { Verdict::Rejected } else { decided },
                decided,
                passes,
                suspicion,
            }
        };
        Ok(Some(seen.images.into_iter().map(judge).collect()))
    }
}

impl Deployed for Guard {
    fn verdicts(
        &self,
        batch: Batch<'_>,
        draw: Draw,
    ) -> Result<Vec<Verdict>, Box<dyn Error + Send + Sync>> {
        let judged = self.judge(batch, draw, &Silent)?;
        Ok(judged.into_iter().map(|judged| judged.verdict).collect())
    }
}

impl Watch {
    fn suspicions(&self, seen: &Seen<'_>) -> Result<Vec<Suspicion>, FeatureError> {
        let suspicion = |features: Vec<f64>| Suspicion {
            value: self.detector.suspicion(&features),
            features,
            threshold: self.threshold,
        };
        let numbers = self.features.numbers(seen)?;
        Ok(numbers
            .outer_iter()
            .map(|row| suspicion(row.to_vec()))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Array4};
    use serde_json::json;

    use super::*;
    use crate::classifier::{ClassifierError, Noise, Purpose, Randomness, Upstream, Vjp};
    use crate::observe::Silent;
    use crate::rng::Rng;

    /// Two classes; logits are the pixel, and a normal draw of (seed, id, pass).
    struct Noisy;

    impl Classifier for Noisy {
        fn input_shape(&self) -> [usize; 3] {
            [1, 1, 1]
        }
        fn n_classes(&self) -> usize {
            2
        }
        fn fingerprint(&self) -> Option<String> {
            Some("noisy".into())
        }
        fn randomness(&self) -> Randomness {
            Randomness::PerExample
        }
        fn logits(&self, batch: Batch<'_>, noise: Noise) -> Result<Array2<f32>, ClassifierError> {
            let drawn = |row: usize| match noise {
                Noise::Off => 0.0,
                Noise::Draw(draw) => {
                    let purpose = format!("pass {}", draw.pass);
                    Rng::new(draw.seed, &purpose, batch.ids[row]).normal() as f32
                }
            };
            let logit = |(row, class)| match class {
                0 => batch.x[[row, 0, 0, 0]],
                _ => drawn(row),
            };
            Ok(Array2::from_shape_fn((batch.ids.len(), 2), logit))
        }
        fn has_gradient(&self) -> bool {
            false
        }
        fn vjp(
            &self,
            _: Batch<'_>,
            _: &[Noise],
            _: &[Tap<'_>],
            _: &Upstream<'_>,
        ) -> Result<Vjp, ClassifierError> {
            Err(ClassifierError::NoGradient)
        }
    }

    const DRAW: Draw = Draw {
        seed: 4,
        purpose: Purpose::Passes,
        pass: 0,
    };

    /// Suspicion is the variance less 0.01.
    fn saved(model: &str) -> Saved {
        let saved = json!({
            "schema": 2,
            "model": model,
            "decision": { "vote": [20, 0.05] },
            "features": [{ "feature": "variance", "fitted": null }],
            "detector": {
                "id": "logistic-regression",
                "parameters": {
                    "mean": [0.01], "deviation": [1.0], "weight": [1.0], "intercept": 0.0,
                },
            },
            "clean": [-0.5, 0.0, 0.5, 1.0],
        });
        Saved::from_json(&saved.to_string()).unwrap()
    }

    fn judge(guard: &Guard, pixels: &[f32], ids: &[u64]) -> Vec<Judged> {
        let x = Array4::from_shape_vec((ids.len(), 1, 1, 1), pixels.to_vec()).unwrap();
        let batch = Batch { x: x.view(), ids };
        guard.judge(batch, DRAW, &Silent).unwrap()
    }

    #[test]
    fn it_accepts_abstains_and_refuses_with_its_reasons() {
        let pixels = [9.0, 0.0, f32::NAN];
        let plain = Guard::new(Arc::new(Noisy), Decision::Vote(20, 0.05));
        let seen = judge(&plain, &pixels, &[1, 2, 3]);
        let verdicts: Vec<Verdict> = seen.iter().map(|judged| judged.verdict).collect();
        assert_eq!(
            verdicts,
            [Verdict::Class(0), Verdict::Abstain, Verdict::Abstain]
        );
        assert!(seen.iter().all(|judged| judged.suspicion.is_none()));
        assert_eq!(seen[0].passes.tally().counts(), [20, 0]);

        let guard = Guard::open(Arc::new(Noisy), &saved("noisy"), None).unwrap();
        let seen = judge(&guard, &pixels, &[1, 2, 3]);
        let verdicts: Vec<Verdict> = seen.iter().map(|judged| judged.verdict).collect();
        assert_eq!(
            verdicts,
            [Verdict::Class(0), Verdict::Rejected, Verdict::Rejected]
        );
        let suspicion = seen[1].suspicion.as_ref().unwrap();
        assert_eq!((suspicion.threshold, guard.threshold()), (0.0, Some(0.0)));
        assert_eq!(suspicion.value, suspicion.features[0] - 0.01);
        assert_eq!(seen[1].decided, Verdict::Abstain);
    }

    #[test]
    fn a_batch_equals_its_singles() {
        let guard = Guard::open(Arc::new(Noisy), &saved("noisy"), None).unwrap();
        let (pixels, ids) = ([0.3, 1.0, 2.0, 0.1], [5, 9, 1, 1_000_000_007]);
        let all = judge(&guard, &pixels, &ids);
        for row in 0..4 {
            let single = judge(&guard, &pixels[row..=row], &ids[row..=row]);
            assert_eq!(single[0].passes, all[row].passes);
            assert_eq!(single[0].suspicion, all[row].suspicion);
        }
    }

    #[test]
    fn thresholds_come_from_clean_inputs_and_detectors_stay_with_their_model() {
        let open = |model, fpr| Guard::open(Arc::new(Noisy), &saved(model), fpr);
        assert_eq!(open("noisy", Some(0.25)).unwrap().threshold(), Some(0.5));
        let error = open("another", None).err().unwrap().to_string();
        assert!(error.contains("fitted for another model"), "{error}");
        let mut none = saved("noisy");
        none.clean.clear();
        let error = Guard::open(Arc::new(Noisy), &none, Some(0.05))
            .err()
            .unwrap();
        assert!(error.to_string().contains("no clean inputs"), "{error}");
    }
}

//! How well scores order adversarial above clean inputs.

use serde::{Deserialize, Serialize};

use super::bootstrap::Bootstrap;
use crate::detect::{DetectError, check_finite, check_kinds};

/// A score of one input, with where it came from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// Id of the source image: a clean input and the adversarial ones made of it share it.
    pub source: u64,
    /// The score; finite.
    pub score: f64,
    /// Whether the input is adversarial.
    pub adversarial: bool,
}

/// Samples in ascending order of score, ready for the area under the ROC curve.
///
/// The area is the probability that an adversarial input scores above a clean one, ties
/// counting one half (Hanley and McNeil, "The meaning and use of the area under a receiver
/// operating characteristic (ROC) curve", 1982).
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    n_sources: usize,
    /// (score, place of the source among the sources, adversarial), by score.
    samples: Vec<(f64, usize, bool)>,
}

/// A point of the ROC curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RocPoint {
    /// Inputs of at least this score are called adversarial; `None` where none are.
    pub score: Option<f64>,
    /// Share of clean inputs called adversarial.
    pub fpr: f64,
    /// Share of adversarial inputs called adversarial.
    pub tpr: f64,
}

impl Ranked {
    /// Sorts `samples`; higher scores should mean adversarial.
    ///
    /// # Errors
    /// [`DetectError::NotFinite`], [`DetectError::OneKind`].
    pub fn new(samples: &[Scored]) -> Result<Self, DetectError> {
        for sample in samples {
            check_finite(sample.source, &[sample.score])?;
        }
        check_kinds(samples.iter().map(|sample| sample.adversarial))?;
        let mut sources: Vec<u64> = samples.iter().map(|sample| sample.source).collect();
        sources.sort_unstable();
        sources.dedup();
        let place = |source| sources.partition_point(|&other| other < source);
        let mut ranked: Vec<_> = samples
            .iter()
            .map(|sample| (sample.score, place(sample.source), sample.adversarial))
            .collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
        Ok(Self {
            n_sources: sources.len(),
            samples: ranked,
        })
    }

    /// Different source images.
    #[must_use]
    pub fn n_sources(&self) -> usize {
        self.n_sources
    }

    /// The area, each source counted `times` (in ascending order of source id); `None`
    /// where no clean or no adversarial input is left.
    #[must_use]
    pub fn weighted(&self, times: &[u32]) -> Option<f64> {
        let (mut clean_below, mut n_adversarial, mut above) = (0u64, 0u64, 0u64);
        for tied in self.samples.chunk_by(|a, b| a.0 == b.0) {
            let [clean, adversarial] = tally(tied, |place| times[place]);
            // Twice the pairs in order, so that ties stay whole numbers.
            above += adversarial * (2 * clean_below + clean);
            clean_below += clean;
            n_adversarial += adversarial;
        }
        let n_pairs = clean_below * n_adversarial;
        (n_pairs > 0).then(|| above as f64 / (2 * n_pairs) as f64)
    }

    /// The area resampled over source images, which clean and adversarial inputs share;
    /// `None` where no resample has a value.
    #[must_use]
    pub fn bootstrap(&self, seed: u64) -> Option<Bootstrap> {
        Bootstrap::new(self.n_sources, seed, |times| self.weighted(times))
    }

    /// The curve from (0, 0) to (1, 1), one point a different score.
    #[must_use]
    pub fn roc(&self) -> Vec<RocPoint> {
        let totals = tally(&self.samples, |_| 1).map(|count| count as f64);
        let mut points = vec![RocPoint {
            score: None,
            fpr: 0.0,
            tpr: 0.0,
        }];
        let mut called = [0u64; 2];
        let mut groups: Vec<_> = self.samples.chunk_by(|a, b| a.0 == b.0).collect();
        groups.reverse();
        for tied in groups {
            let [clean, adversarial] = tally(tied, |_| 1);
            called = [called[0] + clean, called[1] + adversarial];
            points.push(RocPoint {
                score: tied.first().map(|sample| sample.0),
                fpr: called[0] as f64 / totals[0],
                tpr: called[1] as f64 / totals[1],
            });
        }
        points
    }
}

/// Clean and adversarial samples, each counted as often as its source.
fn tally(samples: &[(f64, usize, bool)], times: impl Fn(usize) -> u32) -> [u64; 2] {
    let mut counts = [0; 2];
    for &(_, place, adversarial) in samples {
        counts[usize::from(adversarial)] += u64::from(times(place));
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(clean: &[f64], adversarial: &[f64]) -> Vec<Scored> {
        let of = |scores: &[f64], adversarial| -> Vec<Scored> {
            let numbered = scores.iter().enumerate();
            numbered
                .map(|(i, &score)| Scored {
                    source: 100 - i as u64,
                    score,
                    adversarial,
                })
                .collect()
        };
        [of(clean, false), of(adversarial, true)].concat()
    }

    fn auroc(clean: &[f64], adversarial: &[f64]) -> f64 {
        let ranked = Ranked::new(&samples(clean, adversarial)).unwrap();
        ranked.weighted(&vec![1; ranked.n_sources()]).unwrap()
    }

    /// 9 pairs: 6 in order, 2 tied. scikit-learn's `roc_auc_score` says the same.
    #[test]
    fn ties_count_one_half() {
        assert_eq!(auroc(&[0.1, 0.4, 0.35], &[0.4, 0.8, 0.35]), 7.0 / 9.0);
        assert_eq!(auroc(&[1.0, 1.0], &[1.0]), 0.5);
        assert_eq!(auroc(&[1.0, 2.0], &[3.0]), 1.0);
        assert_eq!(auroc(&[1.0, 2.0], &[0.0]), 0.0);
    }

    #[test]
    fn weights_are_repetitions() {
        let ranked = Ranked::new(&samples(&[0.1, 0.6], &[0.5, 0.2])).unwrap();
        // Source 100 is second in order of id; counted twice, its pairs count four times.
        let twice = ranked.weighted(&[1, 2]).unwrap();
        let repeated = auroc(&[0.1, 0.1, 0.6], &[0.5, 0.5, 0.2]);
        assert_eq!(twice, repeated);
        assert_eq!(ranked.weighted(&[0, 0]), None);
    }

    #[test]
    fn roc_runs_from_nothing_to_everything() {
        let ranked = Ranked::new(&samples(&[0.1, 0.4], &[0.4, 0.8])).unwrap();
        let points: Vec<_> = ranked
            .roc()
            .iter()
            .map(|p| (p.score, p.fpr, p.tpr))
            .collect();
        assert_eq!(
            points,
            [
                (None, 0.0, 0.0),
                (Some(0.8), 0.0, 0.5),
                (Some(0.4), 0.5, 1.0),
                (Some(0.1), 1.0, 1.0)
            ]
        );
    }

    #[test]
    fn interval_holds_the_value_and_narrows_with_n() {
        let width = |n: u32| {
            let clean: Vec<f64> = (0..n).map(|i| f64::from(i * 37 % 101)).collect();
            let adversarial: Vec<f64> = clean.iter().map(|v| (v * 7.0) % 101.0 + 20.0).collect();
            let ranked = Ranked::new(&samples(&clean, &adversarial)).unwrap();
            let estimate = ranked.bootstrap(0).unwrap().estimate();
            assert!(estimate.low <= estimate.value && estimate.value <= estimate.high);
            estimate.high - estimate.low
        };
        assert!(width(100) < 0.7 * width(25));
    }

    #[test]
    fn broken_scores_are_refused() {
        assert!(Ranked::new(&samples(&[f64::NAN], &[1.0])).is_err());
        assert!(Ranked::new(&samples(&[1.0], &[])).is_err());
    }
}

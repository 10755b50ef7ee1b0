//! The logistic-regression detector on the variance over passes.

use super::super::measure::{AttackSeen, Passes};
use super::super::results::Detectors;
use quaver::detect::LogisticRegression;
use quaver::evaluate::detection::{self, Case};

/// Share of source images that the honest detector is fitted on.
const FIT_SHARE: f64 = 0.5;

/// A detector that cannot be fitted (too few images) is missing.
pub(super) fn of(clean: &Passes, seen: &AttackSeen, seed: u64) -> Detectors {
    let cases = cases(clean, seen);
    let paper = detection::paper(&LogisticRegression::unscaled(), &cases, seed);
    let honest = detection::honest(&LogisticRegression::default(), &cases, FIT_SHARE, seed);
    Detectors {
        paper: paper.ok().map(|(_, detection)| detection),
        honest: honest.ok().map(|(_, detection)| detection),
    }
}

/// One case an image whose uncertainty has a value, clean and attacked.
fn cases(clean: &Passes, seen: &AttackSeen) -> Vec<Case> {
    let empty = Vec::new();
    let variance = |passes: &Passes| passes.measures.get("variance").unwrap_or(&empty).clone();
    let pairs = variance(clean).into_iter().zip(variance(&seen.passes));
    pairs
        .zip(&seen.attacked.outcomes)
        .filter(|((clean, adversarial), _)| clean.is_finite() && adversarial.is_finite())
        .map(|((clean, adversarial), outcome)| Case {
            source: outcome.id,
            clean: vec![clean],
            adversarial: vec![adversarial],
            successful: outcome.success(),
        })
        .collect()
}

//! Honesty checks: what a careful reader would ask of an evaluation, asked by the program.
//!
//! Each check is a pure function of [`Evidence`]. A new check is a file here and a line in
//! [`CHECKS`]. The numbers are this project's; most of the questions come from Carlini,
//! Athalye, Papernot, Brendel, Rauber, Tsipras, Goodfellow, Madry and Kurakin, "On evaluating
//! adversarial robustness", 2019.

mod ablation;
mod attacked_set;
mod budget;
mod clean_accuracy;
mod evidence;
mod fresh_scoring;
mod frozen_randomness;
mod gradients;
mod iterative;
mod logits;
mod randomized;
mod saturation;
mod worst_case;

use serde::{Deserialize, Serialize};

use super::interval::Rate;
use super::paired::Paired;

pub use evidence::{
    AttackEvidence, Attacked, Comparison, Defence, Evidence, SATURATED, looks_like_probabilities,
};

/// All checks, in the order of their numbers.
pub const CHECKS: &[Check] = &[
    clean_accuracy::CHECK,
    budget::CHECK,
    logits::CHECK,
    iterative::CHECK,
    gradients::CHECK,
    saturation::CHECK,
    randomized::CHECK,
    frozen_randomness::CHECK,
    fresh_scoring::CHECK,
    worst_case::CHECK,
    attacked_set::CHECK,
    ablation::CHECK,
];

/// A check as it is found by name.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Its number, as `C10`.
    pub id: &'static str,
    /// What it looks at, in a few words.
    pub title: &'static str,
    run: fn(&Evidence) -> Finding,
}

impl Check {
    /// Looks at `evidence`.
    #[must_use]
    pub fn run(&self, evidence: &Evidence) -> CheckResult {
        let Finding { status, sentence } = (self.run)(evidence);
        CheckResult {
            id: self.id.to_owned(),
            title: self.title.to_owned(),
            status,
            sentence,
        }
    }
}

/// The outcome of an honesty check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CheckStatus {
    /// What was looked for is not there.
    #[serde(rename = "PASS")]
    Pass,
    /// The numbers stand with a caveat.
    #[serde(rename = "WARN")]
    Warn,
    /// The numbers must not be used as they stand.
    #[serde(rename = "FAIL")]
    Fail,
    /// The check does not apply to this model or run.
    #[serde(rename = "N.A.")]
    NotApplicable,
}

/// One honesty check of one model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckResult {
    /// Its number, as `C10`.
    pub id: String,
    /// What it looks at, in a few words.
    pub title: String,
    /// Its outcome.
    pub status: CheckStatus,
    /// What was seen and, unless it passed, how to fix it.
    pub sentence: String,
}

/// All checks on one model, in the order of their numbers.
#[must_use]
pub fn run_all(evidence: &Evidence) -> Vec<CheckResult> {
    CHECKS.iter().map(|check| check.run(evidence)).collect()
}

struct Finding {
    status: CheckStatus,
    sentence: String,
}

fn pass(sentence: impl Into<String>) -> Finding {
    outcome(CheckStatus::Pass, sentence)
}

fn warn(sentence: impl Into<String>) -> Finding {
    outcome(CheckStatus::Warn, sentence)
}

fn fail(sentence: impl Into<String>) -> Finding {
    outcome(CheckStatus::Fail, sentence)
}

fn not_applicable(sentence: impl Into<String>) -> Finding {
    outcome(CheckStatus::NotApplicable, sentence)
}

fn outcome(status: CheckStatus, sentence: impl Into<String>) -> Finding {
    let sentence = sentence.into();
    Finding { status, sentence }
}

/// A share as read by people: `98.8 % (95 % interval 97.4 to 99.5, n = 500)`.
fn percent(rate: Rate) -> String {
    let [value, low, high] = [rate.value, rate.low, rate.high].map(|share| share * 100.0);
    format!(
        "{value:.1} % (95 % interval {low:.1} to {high:.1}, n = {})",
        rate.n
    )
}

/// A difference as read by people: `+3.0 points (95 % interval 1.2 to 4.8, n = 500)`.
fn points(paired: Paired) -> String {
    let [value, low, high] = [paired.difference, paired.low, paired.high].map(|d| d * 100.0);
    format!(
        "{value:+.1} points (95 % interval {low:+.1} to {high:+.1}, n = {})",
        paired.n
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_in_order() {
        let number = |check: &Check| check.id[1..].parse::<u32>().unwrap();
        assert!(
            CHECKS
                .windows(2)
                .all(|pair| number(&pair[0]) < number(&pair[1]))
        );
        assert!(CHECKS.iter().all(|check| check.id.starts_with('C')));
    }

    #[test]
    fn no_evidence_never_passes_and_sentences_are_whole() {
        for result in run_all(&Evidence::default()) {
            assert_ne!(result.status, CheckStatus::Pass, "{}", result.id);
            assert!(!result.sentence.is_empty() && !result.sentence.contains("NaN"));
            assert!(!result.sentence.ends_with('.'), "{}", result.sentence);
        }
    }

    #[test]
    fn statuses_are_words_in_files() {
        let text = serde_json::to_string(&[CheckStatus::Pass, CheckStatus::NotApplicable]);
        assert_eq!(text.unwrap(), r#"["PASS","N.A."]"#);
    }
}

/// Evidence for the checks' own tests.
#[cfg(test)]
mod sample {
    use super::*;
    use crate::attack::Flags;
    use crate::attack::oracle::Cost;
    use crate::attack::record::Outcome;
    use crate::decision::Verdict;
    use crate::threat::{Distances, Norm};

    /// An L-infinity attack at 0.3 with the given answers after it; all was right before.
    pub(super) fn attack(name: &str, iterative: bool, right_after: &[bool]) -> AttackEvidence {
        let image = |(id, &right_after): (usize, &bool)| Outcome {
            id: id as u64,
            label: 0,
            attacked_label: 0,
            target: None,
            clean: Verdict::Class(0),
            perturbed: Verdict::Class(usize::from(!right_after)),
            distances: Distances {
                linf: 0.3,
                l2: 0.6,
                l1: 1.2,
                l0: 4,
            },
            in_range: true,
            n_steps: 1,
            restart: 0,
            member: None,
            flags: Flags::default(),
            cost: Cost::default(),
        };
        AttackEvidence {
            name: name.to_owned(),
            norm: Norm::Linf,
            eps: Some(0.3),
            setting: "true labels".to_owned(),
            iterative,
            n_gradient_draws: 1,
            n_success_passes: 50,
            fresh_success: true,
            attacked: Attacked::All,
            images: right_after.iter().enumerate().map(image).collect(),
        }
    }

    /// `n` images of which the first `k` are right.
    pub(super) fn right(k: usize, n: usize) -> Vec<bool> {
        (0..n).map(|i| i < k).collect()
    }

    pub(super) fn evidence(attacks: Vec<AttackEvidence>) -> Evidence {
        Evidence {
            n_classes: 10,
            attacks,
            ..Evidence::default()
        }
    }

    pub(super) fn comparison(name: &str, first: &[bool], second: &[bool]) -> Comparison {
        let pairs = first.iter().copied().zip(second.iter().copied());
        Comparison {
            name: name.to_owned(),
            paired: Paired::of(pairs).unwrap(),
        }
    }
}

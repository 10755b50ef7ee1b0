//! C3: attacks are fed logits.

use super::{Check, Evidence, Finding, not_applicable, pass, warn};

pub(super) const CHECK: Check = Check {
    id: "C3",
    title: "attacks read logits",
    run,
};

fn run(evidence: &Evidence) -> Finding {
    let Some(rows) = evidence.probability_rows else {
        return not_applicable("outputs were not looked at");
    };
    if 2 * rows.k > rows.n {
        warn(format!(
            "{} of {} outputs lie in [0, 1] and sum to 1: a softmax inside the model weakens attacks, remove it",
            rows.k, rows.n
        ))
    } else {
        pass(format!(
            "outputs of {} images are logits, not probabilities",
            rows.n
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CheckStatus, looks_like_probabilities, sample};
    use super::*;
    use crate::evaluate::interval::Rate;

    #[test]
    fn probabilities_warn() {
        let mut evidence = sample::evidence(vec![]);
        evidence.probability_rows = Rate::new(500, 500);
        assert_eq!(run(&evidence).status, CheckStatus::Warn);
        evidence.probability_rows = Rate::new(0, 500);
        assert_eq!(run(&evidence).status, CheckStatus::Pass);
    }

    #[test]
    fn rows_are_told_apart() {
        assert!(looks_like_probabilities(&[0.2, 0.8]));
        assert!(!looks_like_probabilities(&[1.5, -0.5]));
        assert!(!looks_like_probabilities(&[0.2, 0.7]));
        assert!(!looks_like_probabilities(&[f32::NAN, 1.0]));
    }
}

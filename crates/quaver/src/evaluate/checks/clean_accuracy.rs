//! C1: what the model does without an attack.

use super::{Check, Evidence, Finding, fail, pass, percent, warn};

pub(super) const CHECK: Check = Check {
    id: "C1",
    title: "clean accuracy with interval",
    run,
};

fn run(evidence: &Evidence) -> Finding {
    let Some(accuracy) = evidence.clean_accuracy else {
        return fail("clean accuracy was not measured; evaluate the same images without attack");
    };
    let seen = format!("clean accuracy is {}", percent(accuracy));
    if accuracy.low <= 1.0 / evidence.n_classes.max(1) as f64 {
        warn(format!(
            "{seen}, not clearly above chance: train the network before judging its robustness"
        ))
    } else {
        pass(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CheckStatus, sample};
    use super::*;
    use crate::evaluate::interval::Rate;

    #[test]
    fn chance_warns_and_absence_fails() {
        let mut evidence = sample::evidence(vec![]);
        assert_eq!(run(&evidence).status, CheckStatus::Fail);
        evidence.clean_accuracy = Rate::new(490, 500);
        let seen = run(&evidence);
        assert_eq!(seen.status, CheckStatus::Pass);
        assert_eq!(
            seen.sentence,
            "clean accuracy is 98.0 % (95 % interval 96.4 to 98.9, n = 500)"
        );
        evidence.clean_accuracy = Rate::new(52, 500);
        assert_eq!(run(&evidence).status, CheckStatus::Warn);
    }
}

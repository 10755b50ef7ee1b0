//! C18: with its randomness frozen, the model is as weak as its deterministic twin.

use super::{Check, Evidence, Finding, fail, not_applicable, pass, points, warn};

pub(super) const CHECK: Check = Check {
    id: "C18",
    title: "control with frozen randomness",
    run,
};

/// Gain over the deterministic twin from which on something else than randomness stops the
/// attack.
const FAIL_ABOVE: f64 = 0.05;

fn run(evidence: &Evidence) -> Finding {
    if evidence.is_randomized() == Some(false) {
        return not_applicable("the model is deterministic");
    }
    let Some(control) = &evidence.frozen_randomness else {
        return not_applicable("the attack was not repeated on one frozen draw");
    };
    let seen = format!(
        "{} on one frozen draw leaves {} against the model with noise off",
        control.name,
        points(control.paired)
    );
    if control.paired.low > FAIL_ABOVE {
        fail(format!(
            "{seen}: more than randomness stops the attack, check its gradients before crediting the noise"
        ))
    } else if control.paired.low > 0.0 {
        warn(format!(
            "{seen}: slightly weaker, take more steps or restarts"
        ))
    } else {
        pass(format!("{seen}: the attack works where nothing is random"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CheckStatus, sample};
    use super::*;
    use crate::evaluate::interval::Rate;

    #[test]
    fn a_control_that_resists_fails() {
        let mut evidence = sample::evidence(vec![]);
        assert_eq!(run(&evidence).status, CheckStatus::NotApplicable);
        let status = |evidence: &mut Evidence, frozen, twin| {
            let [frozen, twin] = [frozen, twin].map(|k| sample::right(k, 200));
            evidence.frozen_randomness = Some(sample::comparison("pgd", &frozen, &twin));
            run(evidence).status
        };
        assert_eq!(status(&mut evidence, 2, 2), CheckStatus::Pass);
        assert_eq!(status(&mut evidence, 12, 2), CheckStatus::Warn);
        assert_eq!(status(&mut evidence, 60, 2), CheckStatus::Fail);
        evidence.differing_passes = Rate::new(0, 10);
        assert_eq!(run(&evidence).status, CheckStatus::NotApplicable);
    }
}

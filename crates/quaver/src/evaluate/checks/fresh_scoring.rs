//! C19: success is measured on randomness the attack never saw.

use super::{AttackEvidence, Check, Evidence, Finding, fail, not_applicable, pass, warn};

pub(super) const CHECK: Check = Check {
    id: "C19",
    title: "success scored on fresh randomness",
    run,
};

/// Passes below which one lucky draw decides.
const FEWEST_PASSES: u32 = 10;

fn run(evidence: &Evidence) -> Finding {
    if evidence.is_randomized() == Some(false) {
        return not_applicable("the model is deterministic");
    }
    let passes = |attack: &AttackEvidence| attack.n_success_passes;
    let Some(fewest) = evidence.attacks.iter().min_by_key(|attack| passes(attack)) else {
        return not_applicable("no attack was run");
    };
    if let Some(stale) = evidence.attacks.iter().find(|attack| !attack.fresh_success) {
        return fail(format!(
            "success of {} was decided on passes the attack had used: score it on fresh ones",
            stale.name
        ));
    }
    if passes(fewest) < FEWEST_PASSES {
        return warn(format!(
            "success of {} rests on {} of at least {FEWEST_PASSES} fresh passes: raise their number",
            fewest.name,
            passes(fewest)
        ));
    }
    pass(format!(
        "success of every attack was decided by at least {} fresh passes",
        passes(fewest)
    ))
}

#[cfg(test)]
mod tests {
    use super::super::{CheckStatus, sample};
    use super::*;
    use crate::evaluate::interval::Rate;

    #[test]
    fn lucky_passes_do_not_count() {
        let mut evidence = sample::evidence(vec![sample::attack("pgd", true, &[false])]);
        assert_eq!(run(&evidence).status, CheckStatus::Pass);
        evidence.attacks[0].n_success_passes = 1;
        assert_eq!(run(&evidence).status, CheckStatus::Warn);
        evidence.attacks[0].fresh_success = false;
        assert_eq!(run(&evidence).status, CheckStatus::Fail);
        evidence.differing_passes = Rate::new(0, 10);
        assert_eq!(run(&evidence).status, CheckStatus::NotApplicable);
    }
}

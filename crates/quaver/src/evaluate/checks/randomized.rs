//! C16: a randomized model is attacked through its expectation.

use super::{Check, Evidence, Finding, fail, not_applicable, pass};

pub(super) const CHECK: Check = Check {
    id: "C16",
    title: "randomness met by expectation over it",
    run,
};

fn run(evidence: &Evidence) -> Finding {
    let Some(differing) = evidence.differing_passes else {
        return not_applicable("two clean passes were not compared");
    };
    if differing.k == 0 {
        return pass(format!(
            "two passes agree on all {} images: deterministic",
            differing.n
        ));
    }
    let seen = format!(
        "two passes differ on {} of {} images",
        differing.k, differing.n
    );
    let draws = evidence
        .attacks
        .iter()
        .map(|attack| attack.n_gradient_draws);
    match draws.max() {
        None => not_applicable(format!("{seen}, no attack was run")),
        Some(n_draws) if n_draws > 1 => pass(format!(
            "{seen}, and an attack averages each gradient over {n_draws} draws"
        )),
        Some(_) => fail(format!(
            "{seen}, but no attack averages its gradient over the randomness: add noise eot(20)"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CheckStatus, sample};
    use super::*;
    use crate::evaluate::interval::Rate;

    #[test]
    fn randomness_demands_expectation() {
        let mut evidence = sample::evidence(vec![sample::attack("pgd", true, &[true])]);
        assert_eq!(run(&evidence).status, CheckStatus::NotApplicable);
        evidence.differing_passes = Rate::new(0, 50);
        assert_eq!(run(&evidence).status, CheckStatus::Pass);
        evidence.differing_passes = Rate::new(49, 50);
        assert_eq!(run(&evidence).status, CheckStatus::Fail);
        evidence.attacks[0].n_gradient_draws = 20;
        assert_eq!(run(&evidence).status, CheckStatus::Pass);
    }
}

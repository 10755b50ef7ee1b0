//! C4: many steps are not weaker than one.

use std::collections::BTreeMap;

use super::{AttackEvidence, Check, Evidence, Finding, fail, not_applicable, pass, points};
use crate::evaluate::paired::Paired;

pub(super) const CHECK: Check = Check {
    id: "C4",
    title: "iterative attacks beat single-step ones",
    run,
};

fn run(evidence: &Evidence) -> Finding {
    let mut compared = 0;
    for single in evidence.attacks.iter().filter(|attack| !attack.iterative) {
        for iterative in evidence.attacks.iter().filter(|attack| attack.iterative) {
            let Some(paired) = comparable(iterative, single) else {
                continue;
            };
            compared += 1;
            if paired.low > 0.0 {
                return fail(format!(
                    "{} leaves {} more accuracy than {}: gradients mislead, take more steps, restarts or another loss",
                    iterative.name,
                    points(paired),
                    single.name
                ));
            }
        }
    }
    if compared == 0 {
        return not_applicable(
            "no single-step and iterative attack of the same budget and setting",
        );
    }
    let pairs = if compared == 1 { "pair" } else { "pairs" };
    pass(format!(
        "no iterative attack is weaker than the single-step one of its budget ({compared} {pairs})"
    ))
}

/// Accuracy under the iterative attack minus that under the single-step one, over the
/// images both attacked; `None` where budget or setting differ.
fn comparable(iterative: &AttackEvidence, single: &AttackEvidence) -> Option<Paired> {
    let same = iterative.norm == single.norm
        && iterative.eps.is_some()
        && iterative.eps == single.eps
        && iterative.setting == single.setting;
    if !same {
        return None;
    }
    let right: BTreeMap<u64, bool> = single
        .images
        .iter()
        .map(|i| (i.id, i.right_after()))
        .collect();
    let pairs = iterative.images.iter();
    Paired::of(pairs.filter_map(|image| Some((image.right_after(), *right.get(&image.id)?))))
}

#[cfg(test)]
mod tests {
    use super::super::{CheckStatus, sample};
    use super::*;

    fn attacks(fgsm: usize, pgd: usize) -> Evidence {
        sample::evidence(vec![
            sample::attack("fgsm", false, &sample::right(fgsm, 100)),
            sample::attack("pgd", true, &sample::right(pgd, 100)),
        ])
    }

    #[test]
    fn weaker_iterations_fail_beyond_the_interval() {
        assert_eq!(run(&attacks(40, 2)).status, CheckStatus::Pass);
        assert_eq!(run(&attacks(40, 41)).status, CheckStatus::Pass);
        let seen = run(&attacks(20, 60));
        assert_eq!(seen.status, CheckStatus::Fail);
        assert!(
            seen.sentence.contains("pgd leaves +40.0 points"),
            "{}",
            seen.sentence
        );
    }

    #[test]
    fn other_budgets_and_settings_are_not_compared() {
        let mut evidence = attacks(20, 60);
        evidence.attacks[1].eps = Some(0.1);
        assert_eq!(run(&evidence).status, CheckStatus::NotApplicable);
        let mut evidence = attacks(20, 60);
        evidence.attacks[1].setting = "predicted labels".to_owned();
        assert_eq!(run(&evidence).status, CheckStatus::NotApplicable);
    }
}

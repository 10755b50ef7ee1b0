//! C2: adversarial inputs are inputs, and inside their budget.

use crate::attack::record::Outcome;

use super::{AttackEvidence, Check, Evidence, Finding, fail, not_applicable, pass};

pub(super) const CHECK: Check = Check {
    id: "C2",
    title: "inputs inside budget and range",
    run,
};

/// Slack for float32 pixels.
const SLACK: f64 = 1e-6;

fn run(evidence: &Evidence) -> Finding {
    let n: usize = evidence
        .attacks
        .iter()
        .map(|attack| attack.images.len())
        .sum();
    if n == 0 {
        return not_applicable("no attacked images");
    }
    for attack in &evidence.attacks {
        let n_bad = |bad: &dyn Fn(&Outcome) -> bool| {
            attack.images.iter().filter(|image| bad(image)).count()
        };
        let faults = [
            (
                n_bad(&|image| !image.is_finite()),
                "hold pixels that are not finite",
            ),
            (n_bad(&|image| !image.in_range), "leave the input range"),
            (
                n_bad(&|image| !is_within(attack, image)),
                "leave the budget",
            ),
        ];
        if let Some((count, what)) = faults.into_iter().find(|(count, _)| *count > 0) {
            return fail(format!(
                "{count} of {} images of {} {what}; project what the attack returns before it is scored",
                attack.images.len(),
                attack.name
            ));
        }
    }
    pass(format!(
        "all {n} attacked images are finite, in range and within their budget"
    ))
}

/// Asked positively, so that a distance that is not a number is outside.
fn is_within(attack: &AttackEvidence, image: &Outcome) -> bool {
    attack
        .eps
        .is_none_or(|eps| image.distances.get(attack.norm) <= eps + SLACK)
}

#[cfg(test)]
mod tests {
    use super::super::{CheckStatus, sample};
    use super::*;
    use crate::threat::Norm;

    #[test]
    fn each_fault_fails_and_is_named() {
        let clean = sample::evidence(vec![sample::attack("fgsm", false, &[true, false])]);
        assert_eq!(run(&clean).status, CheckStatus::Pass);
        type Fault = (fn(&mut Outcome), &'static str);
        let breaks: [Fault; 4] = [
            (|image| image.distances.l2 = f64::NAN, "not finite"),
            (|image| image.in_range = false, "input range"),
            (|image| image.distances.linf = 0.30001, "budget"),
            (|image| image.distances.linf = f64::NAN, "budget"),
        ];
        for (breaks, word) in breaks {
            let mut evidence = clean.clone();
            breaks(&mut evidence.attacks[0].images[1]);
            let seen = run(&evidence);
            assert_eq!(seen.status, CheckStatus::Fail);
            assert!(seen.sentence.contains("1 of 2 images of fgsm"));
            assert!(seen.sentence.contains(word), "{}", seen.sentence);
        }
    }

    #[test]
    fn the_budget_is_held_against_the_distance_in_the_attacks_norm() {
        // The distances of the sample's images.
        for (norm, distance) in [
            (Norm::Linf, 0.3),
            (Norm::L2, 0.6),
            (Norm::L1, 1.2),
            (Norm::L0, 4.0),
        ] {
            for (eps, expected) in [
                (distance, CheckStatus::Pass),
                (distance - 0.1, CheckStatus::Fail),
            ] {
                let attack = AttackEvidence {
                    norm,
                    eps: Some(eps),
                    ..sample::attack("any", false, &[true])
                };
                let seen = run(&sample::evidence(vec![attack]));
                assert_eq!(seen.status, expected, "{norm:?} at {eps}");
            }
        }
    }

    #[test]
    fn attacks_without_a_radius_have_no_budget_to_leave() {
        let mut jsma = sample::attack("jsma", true, &[false]);
        jsma.eps = None;
        assert_eq!(run(&sample::evidence(vec![jsma])).status, CheckStatus::Pass);
        let none = run(&sample::evidence(vec![]));
        assert_eq!(none.status, CheckStatus::NotApplicable);
    }
}

//! C10: gradients are there.

use super::{Check, Evidence, ImageEvidence, Outcome, fail, not_applicable, pass, percent, warn};
use crate::evaluate::interval::Rate;

pub(super) const CHECK: Check = Check {
    id: "C10",
    title: "zero or non-finite gradients",
    run,
};

/// Share of images from which on the numbers are worthless.
const FAIL_ABOVE: f64 = 0.1;

fn run(evidence: &Evidence) -> Outcome {
    let lost = |image: &ImageEvidence| image.zero_gradient || image.non_finite_gradient;
    let shares = evidence
        .attacks
        .iter()
        .filter_map(|attack| Some((attack, Rate::of(attack.images.iter().map(lost))?)));
    let Some((attack, share)) = shares.max_by(|a, b| a.1.value.total_cmp(&b.1.value)) else {
        return not_applicable("no attacked images");
    };
    if share.k == 0 {
        return pass("no attack met a zero or non-finite gradient");
    }
    let n_zero = attack
        .images
        .iter()
        .filter(|image| image.zero_gradient)
        .count();
    let sentence = format!(
        "{} met a zero or non-finite gradient on {} of images ({n_zero} zero): use a margin loss, smaller logits or a gradient-free attack",
        attack.name,
        percent(share)
    );
    if share.value > FAIL_ABOVE {
        fail(sentence)
    } else {
        warn(sentence)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CheckStatus, sample};
    use super::*;

    #[test]
    fn some_warn_and_more_than_a_tenth_fail() {
        let mut evidence = sample::evidence(vec![
            sample::attack("fgsm", false, &[true; 20]),
            sample::attack("pgd", true, &[true; 20]),
        ]);
        assert_eq!(run(&evidence).status, CheckStatus::Pass);
        evidence.attacks[1].images[0].zero_gradient = true;
        evidence.attacks[1].images[1].non_finite_gradient = true;
        let seen = run(&evidence);
        assert_eq!(seen.status, CheckStatus::Warn);
        assert!(seen.sentence.contains("pgd") && seen.sentence.contains("(1 zero)"));
        evidence.attacks[1].images[2].zero_gradient = true;
        assert_eq!(run(&evidence).status, CheckStatus::Fail);
    }
}

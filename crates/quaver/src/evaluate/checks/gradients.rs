//! C10: gradients are there.

use crate::attack::record::Outcome;

use super::{Check, Evidence, Finding, fail, not_applicable, pass, percent, warn};
use crate::evaluate::interval::Rate;

pub(super) const CHECK: Check = Check {
    id: "C10",
    title: "zero or non-finite gradients",
    run,
};

/// Share of images from which on the numbers are worthless.
const FAIL_ABOVE: f64 = 0.1;

fn run(evidence: &Evidence) -> Finding {
    let lost = |image: &Outcome| image.flags.zero_gradient || image.flags.non_finite;
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
        .filter(|image| image.flags.zero_gradient)
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
        evidence.attacks[1].images[0].flags.zero_gradient = true;
        evidence.attacks[1].images[1].flags.non_finite = true;
        let seen = run(&evidence);
        assert_eq!(seen.status, CheckStatus::Warn);
        assert!(seen.sentence.contains("pgd") && seen.sentence.contains("(1 zero)"));
        evidence.attacks[1].images[2].flags.zero_gradient = true;
        assert_eq!(run(&evidence).status, CheckStatus::Fail);
    }
}

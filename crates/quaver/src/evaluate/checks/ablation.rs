//! C30: every defence was also measured turned off.

use super::{Check, Defence, Evidence, Finding, not_applicable, pass, points, warn};

pub(super) const CHECK: Check = Check {
    id: "C30",
    title: "each defence measured turned off",
    run,
};

fn run(evidence: &Evidence) -> Finding {
    if evidence.defences.is_empty() {
        return not_applicable("the model has no defence to turn off");
    }
    let is_measured = |defence| evidence.ablations.iter().any(|(of, _)| *of == defence);
    let missing = |defence: &&Defence| !is_measured(**defence);
    let missing: Vec<&str> = evidence
        .defences
        .iter()
        .filter(missing)
        .map(|defence| defence.name())
        .collect();
    if !missing.is_empty() {
        return warn(format!(
            "not measured turned off: {}; without it no effect can be credited to it",
            missing.join(", ")
        ));
    }
    let said: Vec<String> = evidence
        .ablations
        .iter()
        .map(|(defence, gain)| {
            format!(
                "{} changes {} by {}",
                defence.name(),
                gain.name,
                points(gain.paired)
            )
        })
        .collect();
    pass(said.join("; "))
}

#[cfg(test)]
mod tests {
    use super::super::{CheckStatus, sample};
    use super::*;

    #[test]
    fn every_defence_needs_its_ablation() {
        let mut evidence = sample::evidence(vec![]);
        assert_eq!(run(&evidence).status, CheckStatus::NotApplicable);
        evidence.defences = vec![Defence::Noise, Defence::Quantization];
        let gain = || sample::comparison("accuracy under pgd", &sample::right(4, 20), &[false; 20]);
        evidence.ablations = vec![(Defence::Noise, gain())];
        let seen = run(&evidence);
        assert_eq!(seen.status, CheckStatus::Warn);
        assert!(seen.sentence.contains("quantization") && !seen.sentence.contains("noise,"));
        evidence.ablations.push((Defence::Quantization, gain()));
        let seen = run(&evidence);
        assert_eq!(seen.status, CheckStatus::Pass);
        assert!(
            seen.sentence
                .contains("noise changes accuracy under pgd by +20.0 points")
        );
    }
}

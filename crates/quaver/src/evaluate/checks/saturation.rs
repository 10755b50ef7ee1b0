//! C11: confidence does not hide the gradient.

use super::{Check, Evidence, Finding, not_applicable, pass, percent, points, warn};

pub(super) const CHECK: Check = Check {
    id: "C11",
    title: "saturated outputs",
    run,
};

/// Share of saturated images from which on the loss has to be changed to be believed.
const WARN_ABOVE: f64 = 0.1;

fn run(evidence: &Evidence) -> Finding {
    let stronger = evidence.changed_losses.iter().find(|c| c.paired.low > 0.0);
    if let Some(stronger) = stronger {
        return warn(format!(
            "{} is stronger than the attack as run, by {}: report it instead",
            stronger.name,
            points(stronger.paired)
        ));
    }
    let Some(saturated) = evidence.saturated else {
        return not_applicable("the largest probabilities were not looked at");
    };
    let seen = format!(
        "the largest probability exceeds 1 - 1e-6 on {}",
        percent(saturated)
    );
    if !evidence.changed_losses.is_empty() {
        pass(format!("{seen}, and changed losses are not stronger"))
    } else if saturated.value > WARN_ABOVE {
        warn(format!(
            "{seen}: repeat the attack with logits scaled by 0.1 and with a margin loss"
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
    fn saturation_warns_until_another_loss_was_tried() {
        let mut evidence = sample::evidence(vec![]);
        assert_eq!(run(&evidence).status, CheckStatus::NotApplicable);
        evidence.saturated = Rate::new(300, 500);
        assert_eq!(run(&evidence).status, CheckStatus::Warn);
        let alike = sample::right(50, 100);
        evidence.changed_losses = vec![sample::comparison("margin loss", &alike, &alike)];
        assert_eq!(run(&evidence).status, CheckStatus::Pass);
        let fewer = sample::right(20, 100);
        evidence.changed_losses = vec![sample::comparison("margin loss", &alike, &fewer)];
        let seen = run(&evidence);
        assert_eq!(seen.status, CheckStatus::Warn);
        assert!(seen.sentence.contains("+30.0 points"), "{}", seen.sentence);
    }
}

//! C23: which images were attacked, and which count.

use crate::attack::record::Outcome;

use super::{Attacked, Check, Evidence, Finding, not_applicable, pass, warn};

pub(super) const CHECK: Check = Check {
    id: "C23",
    title: "which images are attacked and counted",
    run,
};

fn run(evidence: &Evidence) -> Finding {
    let Some(first) = evidence.attacks.first() else {
        return not_applicable("no attack was run");
    };
    let ids = |images: &[Outcome]| images.iter().map(|i| i.id).collect::<Vec<_>>();
    let other = evidence.attacks.iter().find(|attack| {
        attack.attacked != first.attacked || ids(&attack.images) != ids(&first.images)
    });
    if let Some(other) = other {
        return warn(format!(
            "{} and {} were given different images ({} and {}): compare them over the common ones only",
            first.name,
            other.name,
            first.images.len(),
            other.images.len()
        ));
    }
    let n = first.images.len();
    let n_wrong = first
        .images
        .iter()
        .filter(|image| !image.right_before())
        .count();
    pass(match first.attacked {
        Attacked::All => format!(
            "all {n} images were attacked; the {n_wrong} misclassified before count as wrong, and success is given over the other {} too",
            n - n_wrong
        ),
        Attacked::InitiallyCorrect => {
            format!("only the {n} images classified rightly before were attacked and count")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::{CheckStatus, sample};
    use super::*;
    use crate::decision::Verdict;

    #[test]
    fn the_set_is_said_and_differences_warn() {
        let mut fgsm = sample::attack("fgsm", false, &[false, true]);
        fgsm.images[0].clean = Verdict::Class(1);
        let mut pgd = sample::attack("pgd", true, &[false, false]);
        let seen = run(&sample::evidence(vec![fgsm.clone(), pgd.clone()]));
        assert_eq!(seen.status, CheckStatus::Pass);
        assert!(seen.sentence.contains("the 1 misclassified before"));
        pgd.images[1].id = 7;
        let seen = run(&sample::evidence(vec![fgsm, pgd]));
        assert_eq!(seen.status, CheckStatus::Warn);
    }
}

//! C22: an image is safe only if every attack fails on it.

use std::collections::BTreeMap;

use super::{Check, Evidence, Finding, not_applicable, pass, percent, warn};
use crate::evaluate::interval::Rate;

pub(super) const CHECK: Check = Check {
    id: "C22",
    title: "worst case over attacks, image by image",
    run,
};

fn run(evidence: &Evidence) -> Finding {
    let mut images: BTreeMap<u64, (usize, bool)> = BTreeMap::new();
    for image in evidence.attacks.iter().flat_map(|attack| &attack.images) {
        let (n_attacks, right) = images.entry(image.id).or_insert((0, true));
        *n_attacks += 1;
        *right &= image.right_after();
    }
    // Images that only some attacks were given say nothing about the others.
    let n_attacks = evidence.attacks.len();
    let by_all = images.values().filter(|(n, _)| *n == n_attacks);
    let Some(worst) = Rate::of(by_all.map(|(_, right)| *right)) else {
        return not_applicable("no image was given to every attack");
    };
    let each: Vec<String> = evidence
        .attacks
        .iter()
        .filter_map(|attack| {
            let accuracy = attack.accuracy()?;
            Some(format!("{} {:.1} %", attack.name, accuracy.value * 100.0))
        })
        .collect();
    let seen = format!(
        "{} stay right under the strongest of {n_attacks} ({})",
        percent(worst),
        each.join(", ")
    );
    if n_attacks == 1 {
        warn(format!("{seen}: one attack is no worst case, add others"))
    } else {
        pass(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CheckStatus, sample};
    use super::*;

    #[test]
    fn attacks_add_up_image_by_image() {
        let fgsm = sample::attack("fgsm", false, &[true, false, true, true]);
        let pgd = sample::attack("pgd", true, &[false, true, true, true]);
        let seen = run(&sample::evidence(vec![fgsm.clone(), pgd]));
        assert_eq!(seen.status, CheckStatus::Pass);
        assert!(seen.sentence.starts_with("50.0 %"), "{}", seen.sentence);
        assert!(seen.sentence.contains("fgsm 75.0 %, pgd 75.0 %"));
        assert_eq!(run(&sample::evidence(vec![fgsm])).status, CheckStatus::Warn);
    }

    #[test]
    fn only_images_given_to_all_attacks_count() {
        let fgsm = sample::attack("fgsm", false, &[true, true]);
        let pgd = sample::attack("pgd", true, &[true, true, false]);
        let seen = run(&sample::evidence(vec![fgsm, pgd]));
        assert!(seen.sentence.contains("n = 2"), "{}", seen.sentence);
    }
}

//! Claim f: PGD breaks all of them and passes undetected.

use super::Definition;
use super::trial::{Criterion, Quantity, Trial, largest};

pub(super) const CLAIM: Definition = Definition {
    id: "f",
    title: "PGD breaks all of them and passes undetected",
    hypothesis: "In the row where it is largest, voted accuracy under PGD is below 5 %, and so \
                 is the AUROC of the variance below 0.6, read in whichever direction detects more",
    with_controls: false,
    trials: || {
        vec![
            Trial {
                hypothesis: "largest voted accuracy under PGD",
                unit: "%",
                criterion: Criterion::Below(5.0),
                quantity: |network| Quantity::voted(network, &["pgd"]),
                combine: largest,
            },
            Trial {
                hypothesis: "largest AUROC on PGD",
                unit: "",
                criterion: Criterion::Below(0.6),
                quantity: |network| {
                    let attacked = &network.attacks.get("pgd")?.uncertainty;
                    Quantity::auroc(&network.clean.uncertainty, attacked)
                },
                combine: |rows| {
                    let best: Vec<f64> = rows.iter().map(|area| area.max(1.0 - area)).collect();
                    largest(&best)
                },
            },
        ]
    },
    honest: |ask| {
        let percent = |value| format!("{value:.1} %");
        let worst = |quantity| Trial {
            hypothesis: "largest accuracy under PGD",
            unit: "%",
            criterion: Criterion::Below(5.0),
            quantity,
            combine: largest,
        };
        let off = ask(&worst(|network| Quantity::honest(network, &["pgd-off"])))?;
        let eot = ask(&worst(|network| Quantity::honest(network, &["pgd-eot"])))?;
        Some(format!(
            "Against true labels PGD leaves at most {} with the noise off and {} with gradients \
             averaged over it.",
            off.with_interval(percent),
            eot.with_interval(percent)
        ))
    },
};

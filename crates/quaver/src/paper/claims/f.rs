//! (f) PGD breaks all of them and passes undetected.

use super::Definition;
use super::answers::honest;
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
                quantity: |network| Some(Quantity::Mean(network.attacks.get("pgd")?.voted.clone())),
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
    honest: |rows| {
        let off = largest(&honest(rows, "pgd-off")?)?;
        let eot = largest(&honest(rows, "pgd-eot")?)?;
        Some(format!(
            "Against true labels PGD leaves at most {off:.1} % with the noise off and {eot:.1} % \
             with gradients averaged over it."
        ))
    },
};

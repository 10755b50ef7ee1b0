//! Claim d: Higher precision, better detection on FGSM and JSMA.

use super::Definition;
use super::answers::Network;
use super::trial::{Criterion, Quantity, Trial};
use quaver::evaluate::slope::slope;

pub(super) const CLAIM: Definition = Definition {
    id: "d",
    title: "Higher precision gives better detection on FGSM and JSMA",
    hypothesis: "Over the rows in order of precision, the AUROC of the variance, adversarial \
                 against clean, rises: its slope is above 0 on FGSM and on JSMA",
    with_controls: true,
    trials: || {
        vec![
            Trial {
                hypothesis: "slope of 100 AUROC on FGSM",
                unit: "per row",
                criterion: Criterion::Above(0.0),
                quantity: |network| auroc(network, "fgsm"),
                combine: hundredfold_slope,
            },
            Trial {
                hypothesis: "slope of 100 AUROC on JSMA",
                unit: "per row",
                criterion: Criterion::Above(0.0),
                quantity: |network| auroc(network, "jsma"),
                combine: hundredfold_slope,
            },
        ]
    },
    honest: |_| None,
};

fn auroc(network: &Network, attack: &str) -> Option<Quantity> {
    let attacked = &network.attacks.get(attack)?.uncertainty;
    Quantity::auroc(&network.clean.uncertainty, attacked)
}

fn hundredfold_slope(rows: &[f64]) -> Option<f64> {
    slope(rows).map(|slope| 100.0 * slope)
}

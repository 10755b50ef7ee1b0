//! Claim e: Clean uncertainty falls with precision, adversarial uncertainty stays alike.

use super::Definition;
use super::answers::Network;
use super::trial::{Criterion, Quantity, Trial, ratio};
use quaver::evaluate::slope::slope;

/// Rows are alike when the largest mean is below this many times the smallest.
const ALIKE: f64 = 1.5;

pub(super) const CLAIM: Definition = Definition {
    id: "e",
    title: "Clean uncertainty falls with precision, adversarial uncertainty stays alike",
    hypothesis: "Over the rows in order of precision, the slope of the mean clean uncertainty is \
                 below 0, and the rows' mean uncertainties on FGSM and on JSMA lie within a \
                 factor of 1.5",
    with_controls: true,
    trials: || {
        vec![
            Trial {
                hypothesis: "slope of the mean clean uncertainty",
                unit: "thousandths per row",
                criterion: Criterion::Below(0.0),
                quantity: |network| thousandths(&network.clean.uncertainty),
                combine: slope,
            },
            Trial {
                hypothesis: "largest over smallest mean uncertainty on FGSM",
                unit: "",
                criterion: Criterion::Below(ALIKE),
                quantity: |network| attacked(network, "fgsm"),
                combine: ratio,
            },
            Trial {
                hypothesis: "largest over smallest mean uncertainty on JSMA",
                unit: "",
                criterion: Criterion::Below(ALIKE),
                quantity: |network| attacked(network, "jsma"),
                combine: ratio,
            },
        ]
    },
    honest: |_| None,
};

fn thousandths(values: &[f64]) -> Option<Quantity> {
    let finite = values.iter().all(|value| value.is_finite());
    finite.then(|| Quantity::Mean(values.iter().map(|value| 1e3 * value).collect()))
}

fn attacked(network: &Network, attack: &str) -> Option<Quantity> {
    thousandths(&network.attacks.get(attack)?.uncertainty)
}

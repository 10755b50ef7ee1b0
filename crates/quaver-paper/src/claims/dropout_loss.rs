//! Claim g: A little dropout ruins the Rand BNN.

use super::Definition;
use super::trial::{Criterion, Quantity, Trial};

pub(super) const CLAIM: Definition = Definition {
    id: "g",
    title: "A little dropout ruins the Rand BNN",
    hypothesis: "Accuracy of the Rand BNN on all test images is more than 10 points higher \
                 without dropout than with 0.05, for single passes and for votes",
    with_controls: false,
    trials: || {
        vec![
            Trial {
                hypothesis: "loss of single-pass accuracy by dropout 0.05",
                unit: "points",
                criterion: Criterion::Above(10.0),
                quantity: |network| Some(Quantity::single(&network.test)),
                combine: loss,
            },
            Trial {
                hypothesis: "loss of voted accuracy by dropout 0.05",
                unit: "points",
                criterion: Criterion::Above(10.0),
                quantity: |network| Some(Quantity::Mean(network.test.voted.clone())),
                combine: loss,
            },
        ]
    },
    honest: |_| None,
};

/// The paper's first two rows are the Rand BNN with and without dropout.
fn loss(rows: &[f64]) -> Option<f64> {
    match rows {
        [with, without, ..] => Some(without - with),
        _ => None,
    }
}

//! Claim a: Higher precision, higher clean accuracy.

use super::Definition;
use super::trial::{Criterion, Quantity, Trial};
use quaver::evaluate::slope::slope;

pub(super) const CLAIM: Definition = Definition {
    id: "a",
    title: "Higher precision gives higher clean accuracy",
    hypothesis: "Over the rows in order of precision, accuracy on all test images rises: the \
                 slope is above 0 for single passes and for votes",
    with_controls: true,
    trials: || {
        vec![
            Trial {
                hypothesis: "slope of clean accuracy of single passes",
                unit: "points per row",
                criterion: Criterion::Above(0.0),
                quantity: |network| Some(Quantity::single(&network.test)),
                combine: slope,
            },
            Trial {
                hypothesis: "slope of voted clean accuracy",
                unit: "points per row",
                criterion: Criterion::Above(0.0),
                quantity: |network| Some(Quantity::Mean(network.test.voted.clone())),
                combine: slope,
            },
        ]
    },
    honest: |_| None,
};

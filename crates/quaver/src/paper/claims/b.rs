//! (b) Lower bit width, higher accuracy on single-step FGSM.

use super::Definition;
use super::answers::{honest, voted};
use super::trial::{Criterion, Quantity, Trial};
use crate::evaluate::slope::slope;

pub(super) const CLAIM: Definition = Definition {
    id: "b",
    title: "Lower bit width gives higher accuracy on single-step FGSM",
    hypothesis: "Over the rows in order of precision, voted accuracy under FGSM falls: the \
                 slope is below 0",
    with_controls: true,
    trials: || {
        vec![Trial {
            hypothesis: "slope of voted accuracy under FGSM",
            unit: "points per row",
            criterion: Criterion::Below(0.0),
            quantity: |network| Some(Quantity::Mean(network.attacks.get("fgsm")?.voted.clone())),
            combine: slope,
        }]
    },
    honest: |rows| {
        let seen = slope(&voted(rows, "fgsm")?)?;
        let off = slope(&honest(rows, "fgsm-off")?)?;
        let eot = slope(&honest(rows, "fgsm-eot")?)?;
        let stays = off < 0.0 && eot < 0.0;
        Some(format!(
            "Against true labels the slope is {off:+.2} points per row with the noise off and \
             {eot:+.2} with gradients averaged over it, beside {seen:+.2} above{}",
            if seen >= 0.0 {
                "."
            } else if stays {
                ": the effect does not come from noisy gradients or predicted labels alone."
            } else {
                ": against these attacks it is gone, so it came from noisy gradients or predicted labels."
            }
        ))
    },
};

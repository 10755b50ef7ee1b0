//! Claim b: Lower bit width, higher accuracy on single-step FGSM.

use super::Definition;
use super::answers::Network;
use super::trial::{Criterion, Found, Quantity, Trial};
use quaver::evaluate::slope::slope;

pub(super) const CLAIM: Definition = Definition {
    id: "b",
    title: "Lower bit width gives higher accuracy on single-step FGSM",
    hypothesis: "Over the rows in order of precision, voted accuracy under FGSM falls: the \
                 slope is below 0",
    with_controls: true,
    trials: || vec![trial(|network| Quantity::voted(network, &["fgsm"]))],
    honest: |ask| {
        let signed = |value| format!("{value:+.2}");
        let seen = ask(&trial(|network| Quantity::voted(network, &["fgsm"])))?;
        let off = ask(&trial(|network| Quantity::honest(network, &["fgsm-off"])))?;
        let eot = ask(&trial(|network| Quantity::honest(network, &["fgsm-eot"])))?;
        Some(format!(
            "Against true labels the slope is {} points per row with the noise off and {} with \
             gradients averaged over it, beside {:+.2} above{}",
            off.with_interval(signed),
            eot.with_interval(signed),
            seen.value,
            meaning(&seen, [&off, &eot])
        ))
    },
};

fn trial(quantity: fn(&Network) -> Option<Quantity>) -> Trial {
    Trial {
        hypothesis: "slope of voted accuracy under FGSM",
        unit: "points per row",
        criterion: Criterion::Below(0.0),
        quantity,
        combine: slope,
    }
}

/// Only what the intervals tell apart from 0 is said to stay or to be gone.
fn meaning(seen: &Found, honest: [&Found; 2]) -> &'static str {
    let all = |holds: fn(&Found) -> bool| honest.iter().all(|found| holds(found));
    if seen.value >= 0.0 {
        "."
    } else if all(|found| found.high.is_some_and(|high| high < 0.0)) {
        ": the effect does not come from noisy gradients or predicted labels alone."
    } else if honest
        .iter()
        .any(|found| found.low.is_some_and(|low| low >= 0.0))
    {
        ": against such an attack it is gone, so it came from noisy gradients or predicted labels."
    } else {
        ": these intervals cannot tell whether it stays."
    }
}

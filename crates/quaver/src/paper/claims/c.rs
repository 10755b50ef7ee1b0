//! (c) Voting helps adversarial accuracy, most for the lowest precisions.

use super::Definition;
use super::answers::{Network, honest, voted};
use super::trial::{Criterion, Quantity, Trial, mean};
use crate::evaluate::slope::slope;

pub(super) const CLAIM: Definition = Definition {
    id: "c",
    title: "Voting over the passes helps adversarial accuracy, most for the lowest precisions",
    hypothesis: "Voted less single-pass accuracy, averaged over the attacks: its mean over the \
                 rows is above 0 and its slope over the rows in order of precision below 0",
    with_controls: true,
    trials: || {
        vec![
            Trial {
                hypothesis: "mean gain of voting over the attacks and rows",
                unit: "points",
                criterion: Criterion::Above(0.0),
                quantity: gain,
                combine: mean,
            },
            Trial {
                hypothesis: "slope of the gain of voting",
                unit: "points per row",
                criterion: Criterion::Below(0.0),
                quantity: gain,
                combine: slope,
            },
        ]
    },
    honest: |rows| {
        let attacks = ["fgsm", "jsma", "pgd"];
        let paper = overall(attacks.map(|attack| voted(rows, attack)))?;
        let columns = ["fgsm-eot", "jsma-eot", "pgd-eot"];
        let over_noise = overall(columns.map(|column| honest(rows, column)))?;
        Some(format!(
            "Voted accuracy over the attacks and rows is {paper:.1} % here and {over_noise:.1} % \
             against true labels and gradients averaged over the noise."
        ))
    },
};

/// The gain of voting on each image, averaged over the attacks.
fn gain(network: &Network) -> Option<Quantity> {
    let n = network.clean.voted.len();
    let n_attacks = network.attacks.len() as f64;
    let mut gains = vec![0.0; n];
    for input in network.attacks.values() {
        let pairs = input.voted.iter().zip(&input.single);
        for (gain, (voted, single)) in gains.iter_mut().zip(pairs) {
            *gain += (voted - single) / n_attacks;
        }
    }
    (!network.attacks.is_empty()).then_some(Quantity::Mean(gains))
}

fn overall(parts: [Option<Vec<f64>>; 3]) -> Option<f64> {
    let parts: Option<Vec<Vec<f64>>> = parts.into_iter().collect();
    mean(&parts?.concat())
}

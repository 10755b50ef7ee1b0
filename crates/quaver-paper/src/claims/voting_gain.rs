//! Claim c: Voting helps adversarial accuracy, most for the lowest precisions.

use super::Definition;
use ndarray::Array2;

use super::answers::{Input, Network};
use super::trial::{Criterion, Quantity, Trial, mean};
use quaver::evaluate::slope::slope;

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
    honest: |ask| {
        let percent = |value| format!("{value:.1} %");
        let paper = ask(&level(|network| {
            Quantity::voted(network, &["fgsm", "jsma", "pgd"])
        }))?;
        let over_noise = ask(&level(|network| {
            Quantity::honest(network, &["fgsm-eot", "jsma-eot", "pgd-eot"])
        }))?;
        Some(format!(
            "Voted accuracy over the attacks and rows is {} here and {} against true labels and \
             gradients averaged over the noise.",
            paper.with_interval(percent),
            over_noise.with_interval(percent)
        ))
    },
};

/// Mean accuracy over the rows, beside chance.
fn level(quantity: fn(&Network) -> Option<Quantity>) -> Trial {
    Trial {
        hypothesis: "mean accuracy over the attacks and rows",
        unit: "%",
        criterion: Criterion::Above(0.0),
        quantity,
        combine: mean,
    }
}

/// The gain of voting on each image, averaged over the attacks. Where passes draw weights, what
/// is taken off the vote counts by pass.
fn gain(network: &Network) -> Option<Quantity> {
    let n_attacks = network.attacks.len() as f64;
    let inputs: Vec<&Input> = network.attacks.values().collect();
    let first = inputs.first()?;
    let mean = |of: fn(&Input) -> &[f64], i: usize| {
        inputs.iter().map(|input| of(input)[i]).sum::<f64>() / n_attacks
    };
    let n = network.clean.voted.len();
    let voted = |i| mean(|input| &input.voted, i);
    let hits: Option<Vec<&Array2<bool>>> = inputs.iter().map(|i| i.hits.as_ref()).collect();
    let Some(hits) = hits else {
        let gain = |i| voted(i) - mean(|input| &input.single, i);
        return Some(Quantity::Mean((0..n).map(gain).collect()));
    };
    let mut counts = Array2::zeros((n, first.hits.as_ref()?.ncols()));
    for hits in hits {
        counts.zip_mut_with(hits, |count, hit| *count += u8::from(*hit));
    }
    Some(Quantity::OverPasses {
        fixed: (0..n).map(voted).collect(),
        scale: -100.0 / n_attacks,
        counts,
    })
}

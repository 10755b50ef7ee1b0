//! The numbers of one network.

use std::collections::BTreeMap;

use super::super::measure::{AttackSeen, NetworkSeen, Passes, Seen, Study};
use super::super::results::{
    AttackOutcome, CLEAN, HonestCell, InputResults, Rate, SeedResults, Spread, Training,
};
use super::{checks, detection};
use quaver::attack::Flags;
use quaver::attack::record::Outcome;
use quaver::classifier::Randomness;
use quaver::evaluate::accuracy::mean_single;
use quaver::threat::Norm;

pub(super) fn results(study: &Study<'_>, seen: &Seen, place: usize, seed: u64) -> SeedResults {
    let empty = NetworkSeen::default();
    let network = seen.networks.get(&(place, seed)).unwrap_or(&empty);
    let clean = network.clean.as_ref();
    let labels = study.test.labels();
    SeedResults {
        seed,
        training: training(study, network),
        test_accuracy: clean.and_then(|clean| rate(&clean.right_off)),
        test_voted: clean.and_then(|clean| rate(&clean.passes.voted_right(labels))),
        inputs: inputs(study, network, seed),
        honest: study
            .columns
            .iter()
            .enumerate()
            .map(|(place, column)| HonestCell {
                column: column.id.clone(),
                accuracy: network
                    .right_in_column(place)
                    .and_then(|right| rate(&right)),
            })
            .collect(),
        checks: checks::of(study, seen, place, seed),
    }
}

fn rate(right: &[bool]) -> Option<Rate> {
    Rate::of(right.iter().copied())
}

fn training(study: &Study<'_>, network: &NetworkSeen) -> Training {
    match &network.training {
        Some(record) => Training {
            n: record.n as u64,
            epochs: record.epochs,
            loss: Some(record.loss).filter(|loss| loss.is_finite()),
            accuracy: Some(record.accuracy),
        },
        None => Training {
            n: study.train.len() as u64,
            epochs: 0,
            loss: None,
            accuracy: None,
        },
    }
}

fn inputs(study: &Study<'_>, network: &NetworkSeen, seed: u64) -> Vec<InputResults> {
    let clean = network
        .clean
        .as_ref()
        .map(|clean| clean.passes.first(study.config.n));
    let randomness = network.randomness.unwrap_or(Randomness::None);
    let labels = study.test.labels();
    let mut inputs = vec![InputResults {
        detection: None,
        attack: None,
        ..input(CLEAN, clean.as_ref(), labels, randomness)
    }];
    for (place, planned) in study.attacks.iter().enumerate() {
        let seen = network.attacks.get(place);
        let passes = seen.map(|seen| &seen.passes);
        inputs.push(InputResults {
            detection: clean
                .as_ref()
                .zip(seen)
                .map(|(clean, seen)| detection::of(clean, seen, seed)),
            attack: seen.map(outcome),
            ..input(&planned.id, passes, labels, randomness)
        });
    }
    inputs
}

fn input(
    id: &str,
    passes: Option<&Passes>,
    labels: &[usize],
    randomness: Randomness,
) -> InputResults {
    let spread = |id: &str| passes.and_then(|passes| Spread::of(passes.measures.get(id)?));
    let others = passes.map(|passes| passes.measures.keys());
    let others = others.into_iter().flatten().filter(|id| *id != "variance");
    InputResults {
        input: id.to_owned(),
        single: passes.and_then(|passes| rate(&passes.single_right(labels))),
        multi: passes.and_then(|passes| rate(&passes.voted_right(labels))),
        mean_single: passes.and_then(|passes| mean_single(passes.hits(labels).view(), randomness)),
        uncertainty: spread("variance"),
        measures: others
            .filter_map(|id| Some((id.clone(), spread(id)?)))
            .collect::<BTreeMap<_, _>>(),
        detection: None,
        attack: None,
    }
}

fn outcome(seen: &AttackSeen) -> AttackOutcome {
    let outcomes = || seen.attacked.outcomes.iter();
    let count = |flag: fn(&Flags) -> bool| outcomes().filter(|o| flag(&o.flags)).count() as u64;
    let mean = |norm| {
        let distances: Vec<f64> = outcomes().map(|o| o.distances.get(norm)).collect();
        Spread::of(&distances).map(|spread| spread.mean)
    };
    let correct = outcomes().filter(|o| o.right_before());
    AttackOutcome {
        success: Rate::of(outcomes().map(Outcome::success)),
        success_of_correct: Rate::of(correct.map(Outcome::success)),
        target_reached: Rate::of(outcomes().filter_map(Outcome::target_reached)),
        mean_linf: mean(Norm::Linf),
        mean_l2: mean(Norm::L2),
        mean_l0: mean(Norm::L0),
        n_zero_gradient: count(|flags| flags.zero_gradient),
        n_non_finite: count(|flags| flags.non_finite),
        n_forward: outcomes().map(|o| o.cost.n_forward).sum(),
        n_backward: outcomes().map(|o| o.cost.n_backward).sum(),
    }
}

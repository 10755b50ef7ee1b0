//! The honesty checks of one network, from what was measured anyway.

use super::super::measure::{Attacked, Column, NetworkSeen, Planned, STRONGEST, Seen, Study};
use super::super::results::{CheckResult, Rate};
use super::super::rows::ROWS;
use quaver::attack::Setting;
use quaver::attack::noise::NoiseMode;
use quaver::classifier::Randomness;
use quaver::evaluate::checks::{
    self, AttackEvidence, Attacked as Given, Comparison, Defence, Evidence,
};
use quaver::evaluate::paired::Paired;

/// The row without quantization that quantized ones are compared with: it shares batch norm.
const UNQUANTIZED: &str = "full-precision-bn";

/// None before the clean images were looked at.
pub(super) fn of(study: &Study<'_>, seen: &Seen, place: usize, seed: u64) -> Vec<CheckResult> {
    let Some(network) = seen.networks.get(&(place, seed)) else {
        return Vec::new();
    };
    let Some(clean) = &network.clean else {
        return Vec::new();
    };
    let n = study.config.n;
    let first = |flags: &[bool]| Rate::of(flags.iter().take(n).copied());
    let attacks = study.attacks.iter().zip(&network.attacks);
    let mut evidence = Evidence {
        n_classes: study.test.n_classes(),
        clean_accuracy: first(&clean.passes.voted_right(study.test.labels())),
        probability_rows: first(&clean.probability_rows),
        saturated: first(&clean.saturated),
        differing_passes: first(&clean.differing),
        attacks: attacks
            .map(|(planned, seen)| attack(study, planned, &seen.attacked))
            .collect(),
        ..Evidence::default()
    };
    let honest = study.columns.iter().zip(&network.honest);
    for (column, variants) in honest {
        let pairs = column.variants.iter().zip(variants);
        let variants = pairs.map(|(planned, attacked)| attack(study, planned, attacked));
        evidence.attacks.extend(variants);
    }
    evidence.frozen_randomness = network
        .control
        .as_ref()
        .and_then(|control| comparison(&control.attack, &control.frozen, &control.off));
    evidence.defences = defences(network, place);
    evidence.ablations = ablations(study, seen, network, place, seed);
    checks::run_all(&evidence)
}

fn attack(study: &Study<'_>, planned: &Planned, attacked: &Attacked) -> AttackEvidence {
    let record = attacked.record.as_ref();
    let noise = record.map_or(NoiseMode::Off, |record| record.noise);
    let labels = super::settings::word(&planned.options.labels);
    let dialect = planned.options.dialect;
    let setting = Setting {
        n_features: study.test.image_shape().iter().product(),
        range: planned.options.range,
        dialect,
    };
    let bound = planned.attack.bound(setting);
    // The honest reading takes more images than the tables; checks compare the common ones.
    let n = attacked.outcomes.len().min(study.config.n);
    AttackEvidence {
        name: format!("{} ({labels} labels, noise {noise})", planned.title),
        norm: bound.norm(),
        eps: bound.ball().map(|ball| f64::from(ball.eps)),
        setting: format!("{labels} labels, noise {noise}, {dialect}"),
        iterative: planned.attack.n_steps(setting) > 1,
        n_gradient_draws: match noise {
            NoiseMode::Off => 0,
            mode => mode.n_draws(),
        },
        n_success_passes: record.map_or(1, |record| record.decision.n_passes()),
        fresh_success: true,
        attacked: Given::All,
        images: attacked.outcomes[..n].to_vec(),
    }
}

fn comparison(name: &str, first: &[bool], second: &[bool]) -> Option<Comparison> {
    let pairs = first.iter().copied().zip(second.iter().copied());
    Some(Comparison {
        name: name.to_owned(),
        paired: Paired::of(pairs)?,
    })
}

fn defences(network: &NetworkSeen, place: usize) -> Vec<Defence> {
    let mut defences = Vec::new();
    if network.randomness != Some(Randomness::None) {
        defences.extend([Defence::Noise, Defence::Votes]);
    }
    if ROWS[place].quantized {
        defences.push(Defence::Quantization);
    }
    defences
}

/// Noise: PGD over the noise against PGD where noise is off. Votes: one pass beside the vote
/// on the first attack's images. Quantization: the same PGD on the unquantized control.
fn ablations(
    study: &Study<'_>,
    seen: &Seen,
    network: &NetworkSeen,
    place: usize,
    seed: u64,
) -> Vec<(Defence, Comparison)> {
    let mut found = Vec::new();
    let column = |noisy: bool| {
        let is_it = |column: &Column| {
            column.attack == STRONGEST && (column.noise != NoiseMode::Off) == noisy
        };
        study.columns.iter().position(is_it)
    };
    let noisy = column(true).and_then(|place| network.right_in_column(place));
    if let Some((noisy, control)) = noisy.zip(network.control.as_ref()) {
        let name = "accuracy under PGD, averaged over the noise and without it,";
        let ablation = comparison(name, &noisy, &control.off);
        found.extend(ablation.map(|comparison| (Defence::Noise, comparison)));
    }
    let labels = study.test.labels();
    let first = study.attacks.iter().zip(&network.attacks).next();
    if let Some((planned, attack)) = first.filter(|_| network.randomness != Some(Randomness::None))
    {
        let name = format!("accuracy under {}", planned.title);
        let passes = &attack.passes;
        let (voted, single) = (passes.voted_right(labels), passes.single_right(labels));
        let ablation = comparison(&name, &voted, &single);
        found.extend(ablation.map(|comparison| (Defence::Votes, comparison)));
    }
    let off = column(false).filter(|_| ROWS[place].quantized);
    let twin = ROWS.iter().position(|row| row.id == UNQUANTIZED);
    let twin = twin.and_then(|place| seen.networks.get(&(place, seed)));
    let right = |network: &NetworkSeen| network.right_in_column(off?);
    if let Some((own, full)) = right(network).zip(twin.and_then(right)) {
        let name = "accuracy under PGD, beside full precision with batch norm,";
        let ablation = comparison(name, &own, &full);
        found.extend(ablation.map(|comparison| (Defence::Quantization, comparison)));
    }
    found
}

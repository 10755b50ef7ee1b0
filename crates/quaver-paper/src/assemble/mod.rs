//! From what was seen to [`Results`]: rates, intervals, detectors, checks, verdicts.
//! Nothing is asked of a network here.

mod across;
mod checks;
mod detection;
mod figure;
mod network;
mod settings;

use super::claims;
use super::measure::{Seen, Study};
use super::results::{AttackInfo, HonestColumn, Results, SCHEMA, TopologyResults};
use super::rows::ROWS;

/// Everything that is printed. Of an interrupted run the missing numbers are missing.
pub(super) fn results(study: &Study<'_>, seen: &Seen, complete: bool) -> Results {
    let config = study.config;
    let seeds = config.all_seeds();
    let topologies = ROWS.iter().enumerate().map(|(place, row)| {
        let networks: Vec<_> = seeds
            .iter()
            .map(|&seed| network::results(study, seen, place, seed))
            .collect();
        TopologyResults {
            topology: row.topology(),
            across_seeds: (networks.len() > 1).then(|| across::seeds(&networks)),
            seeds: networks,
        }
    });
    let topologies: Vec<TopologyResults> = topologies.collect();
    Results {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        dataset: study.test.name().to_owned(),
        arch: config.arch.clone(),
        quick: config.quick,
        command: config.command(study.test.name()),
        n: config.n as u64,
        n_passes: config.passes,
        configuration: settings::configuration(study),
        attacks: study.attacks.iter().map(attack_info).collect(),
        honest_columns: study.columns.iter().map(column).collect(),
        claims: claims::judge(study, seen),
        figure: figure::uncertainty(study, seen, seeds[0]),
        examples: figure::examples(study, seen, seeds[0]),
        warnings: settings::warnings(study, &topologies, complete),
        topologies,
        seeds,
    }
}

fn attack_info(planned: &super::measure::Planned) -> AttackInfo {
    AttackInfo {
        id: planned.id.clone(),
        title: planned.title.clone(),
        spec: planned.spec.clone(),
        noise: planned.options.noise.to_string(),
        labels: settings::word(&planned.options.labels),
    }
}

fn column(column: &super::measure::Column) -> HonestColumn {
    let specs: Vec<&str> = column.variants.iter().map(|v| v.spec.as_str()).collect();
    HonestColumn {
        id: column.id.clone(),
        title: column.title.clone(),
        attack: specs.join(", the stronger for each image of it and "),
        noise: column.noise.to_string(),
        labels: "true".to_owned(),
        n: column.n as u64,
    }
}

//! What the claims read: numbers of each image, without networks or files.

use std::collections::BTreeMap;

use crate::paper::measure::{NetworkSeen, Passes, Seen, Study};
use crate::paper::rows::{ROWS, by_precision};

/// Images under one treatment, all lists `(n)`.
#[derive(Clone, Debug, Default)]
pub(in crate::paper) struct Input {
    /// Share of single passes that are right, in percent.
    pub(super) single: Vec<f64>,
    /// 100 where the vote is right, else 0.
    pub(super) voted: Vec<f64>,
    /// Variance over passes.
    pub(super) uncertainty: Vec<f64>,
}

/// One network.
#[derive(Clone, Debug, Default)]
pub(in crate::paper) struct Network {
    /// All test images.
    pub(super) test: Input,
    /// The attacked images before the attack.
    pub(super) clean: Input,
    /// By id of the attack.
    pub(super) attacks: BTreeMap<String, Input>,
    /// Accuracy in percent by id of the column of the honest reading.
    pub(super) honest: BTreeMap<String, f64>,
}

/// Networks by row, in order of precision, and seed; `None` where one is missing.
pub(super) type Rows<'a> = Vec<Vec<Option<&'a Network>>>;

/// All networks, by place in [`ROWS`] and seed.
#[derive(Clone, Debug, Default)]
pub(in crate::paper) struct Answers {
    pub(super) n_seeds: usize,
    pub(super) networks: BTreeMap<(usize, usize), Network>,
}

impl Input {
    fn new(passes: &Passes, labels: &[usize]) -> Self {
        let rows = passes.classes.outer_iter().zip(labels);
        let share = |(row, &label): (ndarray::ArrayView1<'_, u16>, &usize)| {
            let right = row.iter().filter(|&&class| usize::from(class) == label);
            100.0 * right.count() as f64 / row.len() as f64
        };
        let voted = passes.voted_right(labels).into_iter();
        Self {
            single: rows.map(share).collect(),
            voted: voted.map(|right| if right { 100.0 } else { 0.0 }).collect(),
            uncertainty: passes.measures.get("variance").cloned().unwrap_or_default(),
        }
    }
}

impl Answers {
    pub(super) fn of(study: &Study<'_>, seen: &Seen) -> Self {
        let seeds = study.config.all_seeds();
        let mut networks = BTreeMap::new();
        for place in 0..ROWS.len() {
            for (k, &seed) in seeds.iter().enumerate() {
                let network = seen.networks.get(&(place, seed));
                if let Some(network) = network.and_then(|seen| answers(study, seen)) {
                    networks.insert((place, k), network);
                }
            }
        }
        Self {
            n_seeds: seeds.len(),
            networks,
        }
    }

    pub(super) fn rows(&self, with_controls: bool) -> Rows<'_> {
        let seeds = |place: usize| (0..self.n_seeds).map(move |k| self.networks.get(&(place, k)));
        let order = by_precision(with_controls).iter();
        order.map(|&place| seeds(place).collect()).collect()
    }
}

fn answers(study: &Study<'_>, seen: &NetworkSeen) -> Option<Network> {
    let labels = study.test.labels();
    let passes = &seen.clean.as_ref()?.passes;
    let attacks = study.attacks.iter().zip(&seen.attacks);
    let columns = study.columns.iter().enumerate();
    let accuracy = |place: usize| {
        let right = crate::paper::assemble::honest_right(seen, place)?;
        let n = right.len().max(1) as f64;
        Some(100.0 * right.iter().filter(|right| **right).count() as f64 / n)
    };
    Some(Network {
        test: Input::new(passes, labels),
        clean: Input::new(&passes.first(study.config.n), labels),
        attacks: attacks
            .map(|(planned, seen)| (planned.id.clone(), Input::new(&seen.passes, labels)))
            .collect(),
        honest: columns
            .filter_map(|(place, column)| Some((column.id.clone(), accuracy(place)?)))
            .collect(),
    })
}

/// The numbers of the rows in a column of the honest reading, means over seeds; `None` where
/// one is missing.
pub(super) fn honest(rows: &Rows<'_>, column: &str) -> Option<Vec<f64>> {
    let row = |networks: &Vec<Option<&Network>>| -> Option<f64> {
        let values: Option<Vec<f64>> = networks
            .iter()
            .map(|network| (*network)?.honest.get(column).copied())
            .collect();
        let values = values?;
        Some(values.iter().sum::<f64>() / values.len() as f64)
    };
    rows.iter().map(row).collect()
}

/// The rows' mean voted accuracy in percent under an attack of the tables.
pub(super) fn voted(rows: &Rows<'_>, attack: &str) -> Option<Vec<f64>> {
    let row = |networks: &Vec<Option<&Network>>| -> Option<f64> {
        let mean = |network: &Option<&Network>| -> Option<f64> {
            let voted = &(*network)?.attacks.get(attack)?.voted;
            (!voted.is_empty()).then(|| voted.iter().sum::<f64>() / voted.len() as f64)
        };
        let values: Vec<f64> = networks.iter().map(mean).collect::<Option<_>>()?;
        Some(values.iter().sum::<f64>() / values.len() as f64)
    };
    rows.iter().map(row).collect()
}

//! What the claims read: numbers of each image, without networks or files.

use std::collections::BTreeMap;

use ndarray::Array2;

use crate::measure::{NetworkSeen, Passes, Seen, Study};
use crate::rows::{ROWS, by_precision};
use quaver::classifier::Randomness;

/// Images under one treatment, all lists `(n)`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Input {
    /// Share of single passes that are right, in percent.
    pub(super) single: Vec<f64>,
    /// 100 where the vote is right, else 0.
    pub(super) voted: Vec<f64>,
    /// Variance over passes.
    pub(super) uncertainty: Vec<f64>,
    /// Whether each pass is right, `(n, T)`, where passes draw weights that all images share.
    pub(super) hits: Option<Array2<bool>>,
}

/// One network.
#[derive(Clone, Debug, Default)]
pub(crate) struct Network {
    /// All test images.
    pub(super) test: Input,
    /// The attacked images before the attack.
    pub(super) clean: Input,
    /// By id of the attack.
    pub(super) attacks: BTreeMap<String, Input>,
    /// 100 where an image stays right, else 0, by id of the column of the honest reading.
    pub(super) honest: BTreeMap<String, Vec<f64>>,
    /// Whether passes draw weights that all images share.
    pub(super) draws_weights: bool,
}

/// Networks by row, in order of precision, and seed; `None` where one is missing.
pub(super) type Rows<'a> = Vec<Vec<Option<&'a Network>>>;

/// All networks, by place in [`ROWS`] and seed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers {
    pub(super) n_seeds: usize,
    pub(super) networks: BTreeMap<(usize, usize), Network>,
}

impl Input {
    fn new(passes: &Passes, labels: &[usize], draws_weights: bool) -> Self {
        let hits = passes.hits(labels);
        let share = |row: ndarray::ArrayView1<'_, bool>| {
            let right = row.iter().filter(|hit| **hit);
            100.0 * right.count() as f64 / row.len() as f64
        };
        Self {
            single: hits.outer_iter().map(share).collect(),
            voted: percent(&passes.voted_right(labels)),
            uncertainty: passes.measures.get("variance").cloned().unwrap_or_default(),
            hits: draws_weights.then_some(hits),
        }
    }
}

/// 100 for right, 0 for wrong.
fn percent(right: &[bool]) -> Vec<f64> {
    let percent = |right: &bool| if *right { 100.0 } else { 0.0 };
    right.iter().map(percent).collect()
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
    let draws_weights = seen.randomness == Some(Randomness::PerPass);
    let input = |passes: &Passes| Input::new(passes, labels, draws_weights);
    Some(Network {
        test: input(passes),
        clean: input(&passes.first(study.config.n)),
        attacks: attacks
            .map(|(planned, seen)| (planned.id.clone(), input(&seen.passes)))
            .collect(),
        honest: columns
            .filter_map(|(place, column)| {
                Some((column.id.clone(), percent(&seen.right_in_column(place)?)))
            })
            .collect(),
        draws_weights,
    })
}

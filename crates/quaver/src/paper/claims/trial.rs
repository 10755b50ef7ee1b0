//! [`Trial`]: one number held against one threshold.

use std::fmt;

use super::answers::{Network, Rows};
use crate::detect::Sample;
use crate::evaluate::auroc::Ranked;
use crate::evaluate::bootstrap::{Bootstrap, weighted_mean};
use crate::evaluate::seeds::Moments;
use crate::paper::results::Scope;

/// What is claimed of a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Criterion {
    Above(f64),
    Below(f64),
}

impl Criterion {
    pub(super) fn is_met(self, value: f64) -> bool {
        match self {
            Self::Above(threshold) => value > threshold,
            Self::Below(threshold) => value < threshold,
        }
    }

    const fn threshold(self) -> f64 {
        match self {
            Self::Above(threshold) | Self::Below(threshold) => threshold,
        }
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Above(threshold) => write!(f, "> {threshold}"),
            Self::Below(threshold) => write!(f, "< {threshold}"),
        }
    }
}

/// A number of one network over images.
pub(super) enum Quantity {
    /// The mean of one value an image.
    Mean(Vec<f64>),
    /// The area under the ROC curve of the uncertainty.
    Auroc(Ranked),
}

impl Quantity {
    /// Of clean against adversarial uncertainties of the same images; `None` where one has
    /// no value.
    pub(super) fn auroc(clean: &[f64], adversarial: &[f64]) -> Option<Self> {
        let samples = |scores: &[f64], adversarial| -> Vec<Sample> {
            let scores = scores.iter().enumerate();
            scores
                .map(|(source, &score)| Sample {
                    source: source as u64,
                    score,
                    adversarial,
                })
                .collect()
        };
        let mut all = samples(clean, false);
        all.extend(samples(adversarial, true));
        Ranked::new(&all).ok().map(Self::Auroc)
    }

    fn n(&self) -> usize {
        match self {
            Self::Mean(values) => values.len(),
            Self::Auroc(ranked) => ranked.n_sources(),
        }
    }

    fn value(&self, times: &[u32]) -> Option<f64> {
        match self {
            Self::Mean(values) => weighted_mean(values, times),
            Self::Auroc(ranked) => ranked.weighted(times),
        }
    }
}

/// A number of all rows, held against a threshold.
pub(super) struct Trial {
    pub(super) hypothesis: &'static str,
    pub(super) unit: &'static str,
    pub(super) criterion: Criterion,
    /// The number of one network.
    pub(super) quantity: fn(&Network) -> Option<Quantity>,
    /// From the rows' numbers, in order of precision, to one.
    pub(super) combine: fn(&[f64]) -> Option<f64>,
}

/// What a trial found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) value: f64,
    pub(super) low: Option<f64>,
    pub(super) high: Option<f64>,
    /// Two-sided, of lying exactly on the threshold.
    pub(super) p: f64,
    /// Images or seeds.
    pub(super) n: u64,
}

impl Trial {
    /// `None` where a network has no number.
    pub(super) fn run(&self, rows: &Rows<'_>, scope: Scope, seed: u64) -> Option<Found> {
        let of_row = |networks: &Vec<Option<&Network>>| -> Option<Vec<Quantity>> {
            networks.iter().map(|n| (self.quantity)((*n)?)).collect()
        };
        let quantities: Vec<Vec<Quantity>> = rows.iter().map(of_row).collect::<Option<_>>()?;
        let n = quantities.first()?.first()?.n();
        if quantities.iter().flatten().any(|q| q.n() != n) {
            return None;
        }
        match scope {
            Scope::Networks => self.over_images(&quantities, n, seed),
            Scope::Topology => self.over_seeds(&quantities, n),
        }
    }

    fn over_images(&self, rows: &[Vec<Quantity>], n: usize, seed: u64) -> Option<Found> {
        let mean = |row: &Vec<Quantity>, times: &[u32]| -> Option<f64> {
            let values: Option<Vec<f64>> = row.iter().map(|q| q.value(times)).collect();
            Some(values?.iter().sum::<f64>() / row.len() as f64)
        };
        let seen = Bootstrap::new(n, seed, |times| {
            let values: Option<Vec<f64>> = rows.iter().map(|row| mean(row, times)).collect();
            (self.combine)(&values?)
        })?;
        let estimate = seen.estimate();
        let threshold = self.criterion.threshold();
        Some(Found {
            value: estimate.value,
            low: Some(estimate.low),
            high: Some(estimate.high),
            p: two_sided(seen.p_above(threshold), seen.p_below(threshold)),
            n: estimate.n,
        })
    }

    fn over_seeds(&self, rows: &[Vec<Quantity>], n: usize) -> Option<Found> {
        let once = vec![1; n];
        let of_seed = |k: usize| -> Option<f64> {
            let values: Option<Vec<f64>> = rows.iter().map(|row| row[k].value(&once)).collect();
            (self.combine)(&values?)
        };
        let seeds: Option<Vec<f64>> = (0..rows.first()?.len()).map(of_seed).collect();
        let moments = Moments::of(&seeds?)?;
        let estimate = moments.estimate();
        let threshold = self.criterion.threshold();
        Some(Found {
            value: moments.mean,
            low: estimate.map(|estimate| estimate.low),
            high: estimate.map(|estimate| estimate.high),
            p: two_sided(moments.p_above(threshold)?, moments.p_below(threshold)?),
            n: moments.k,
        })
    }
}

fn two_sided(above: f64, below: f64) -> f64 {
    (2.0 * above.min(below)).min(1.0)
}

/// The mean of the rows.
pub(super) fn mean(rows: &[f64]) -> Option<f64> {
    (!rows.is_empty()).then(|| rows.iter().sum::<f64>() / rows.len() as f64)
}

/// The largest of the rows.
pub(super) fn largest(rows: &[f64]) -> Option<f64> {
    rows.iter().copied().reduce(f64::max)
}

/// The largest of the rows over the smallest; `None` where that is not above 0.
pub(super) fn ratio(rows: &[f64]) -> Option<f64> {
    let smallest = rows.iter().copied().reduce(f64::min)?;
    (smallest > 0.0).then(|| largest(rows).map(|largest| largest / smallest))?
}

//! [`Trial`]: one number held against one threshold.

use std::fmt;

use ndarray::Array2;

use super::answers::{Input, Network, Rows};
use crate::results::Scope;
use quaver::evaluate::auroc::{Ranked, Scored};
use quaver::evaluate::bootstrap::{Bootstrap, weighted_mean};
use quaver::evaluate::seeds::Moments;

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
    /// The mean over images and passes of `fixed` of an image and `scale` times `counts` of an
    /// image in a pass, where the passes' weights were drawn.
    OverPasses {
        fixed: Vec<f64>,
        scale: f64,
        counts: Array2<u8>,
    },
    /// The area under the ROC curve of the uncertainty.
    Auroc(Ranked),
}

impl Quantity {
    /// Accuracy of single passes in percent.
    pub(super) fn single(input: &Input) -> Self {
        match &input.hits {
            None => Self::Mean(input.single.clone()),
            Some(hits) => Self::OverPasses {
                fixed: vec![0.0; hits.nrows()],
                scale: 100.0,
                counts: hits.mapv(u8::from),
            },
        }
    }

    /// Accuracy in percent in columns of the honest reading, averaged; `None` where one is missing.
    pub(super) fn honest(network: &Network, columns: &[&str]) -> Option<Self> {
        let columns = columns.iter().map(|column| network.honest.get(*column));
        mean_of(&columns.collect::<Option<Vec<_>>>()?)
    }

    /// Voted accuracy in percent under attacks of the tables, averaged.
    pub(super) fn voted(network: &Network, attacks: &[&str]) -> Option<Self> {
        let attacks = attacks
            .iter()
            .map(|attack| Some(&network.attacks.get(*attack)?.voted));
        mean_of(&attacks.collect::<Option<Vec<_>>>()?)
    }

    /// Of clean against adversarial uncertainties of the same images; `None` where one has
    /// no value.
    pub(super) fn auroc(clean: &[f64], adversarial: &[f64]) -> Option<Self> {
        let samples = |scores: &[f64], adversarial| -> Vec<Scored> {
            let scores = scores.iter().enumerate();
            scores
                .map(|(source, &score)| Scored {
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
            Self::OverPasses { fixed, .. } => fixed.len(),
            Self::Auroc(ranked) => ranked.n_sources(),
        }
    }

    fn n_passes(&self) -> Option<usize> {
        match self {
            Self::OverPasses { counts, .. } => Some(counts.ncols()),
            Self::Mean(_) | Self::Auroc(_) => None,
        }
    }

    /// From how often each image and each pass counts.
    fn value(&self, images: &[u32], passes: &[u32]) -> Option<f64> {
        match self {
            Self::Mean(values) => weighted_mean(values, images),
            Self::OverPasses {
                fixed,
                scale,
                counts,
            } => {
                let n_passes: u32 = passes.iter().sum();
                let of_image = |row: ndarray::ArrayView1<'_, u8>| -> u32 {
                    let pairs = row.iter().zip(passes);
                    pairs.map(|(&count, times)| u32::from(count) * times).sum()
                };
                let sums = counts.outer_iter().zip(fixed).zip(images);
                let values: Vec<f64> = sums
                    .map(|((row, fixed), &times)| match times {
                        0 => 0.0,
                        _ => fixed + scale * f64::from(of_image(row)) / f64::from(n_passes),
                    })
                    .collect();
                weighted_mean(&values, images)
            }
            Self::Auroc(ranked) => ranked.weighted(images),
        }
    }
}

/// The mean over lists of each image's values; `None` where they are not of the same images.
fn mean_of(lists: &[&Vec<f64>]) -> Option<Quantity> {
    let n = lists.first().filter(|list| !list.is_empty())?.len();
    let mean = |i: usize| lists.iter().map(|list| list[i]).sum::<f64>() / lists.len() as f64;
    let same = lists.iter().all(|list| list.len() == n);
    same.then(|| Quantity::Mean((0..n).map(mean).collect()))
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

/// What an interval lets vary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// Images, of networks that draw nothing or for each image alone.
    Images,
    /// Images and the weights that passes draw.
    ImagesAndWeights,
    /// Images; single passes also over the weights that they draw, the vote not.
    ImagesAndSingleWeights,
    /// Images, the weights that passes draw being those that were drawn: votes and variances
    /// over passes are not computed anew.
    ImagesAtTheseWeights,
    /// Seeds.
    Seeds,
}

impl Over {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::ImagesAndWeights => "images and drawn weights",
            Self::ImagesAndSingleWeights => "images and, in single passes, drawn weights",
            Self::ImagesAtTheseWeights => "images, at the weights that were drawn",
            Self::Seeds => "seeds",
        }
    }

    /// Of numbers of networks, some of which may draw weights.
    fn of(rows: &Rows<'_>, quantities: &[Vec<Quantity>]) -> Self {
        let networks = rows.iter().flatten().flatten();
        let drawing: Vec<&Quantity> = networks
            .zip(quantities.iter().flatten())
            .filter(|(network, _)| network.draws_weights)
            .map(|(_, quantity)| quantity)
            .collect();
        let follow = |q: &&Quantity| q.n_passes().is_some();
        let whole = |q: &&Quantity| match q {
            Quantity::OverPasses { fixed, .. } => fixed.iter().all(|v| *v == 0.0),
            Quantity::Mean(_) | Quantity::Auroc(_) => false,
        };
        if drawing.is_empty() {
            Self::Images
        } else if drawing.iter().all(whole) {
            Self::ImagesAndWeights
        } else if drawing.iter().all(follow) {
            Self::ImagesAndSingleWeights
        } else {
            Self::ImagesAtTheseWeights
        }
    }
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
    /// What the interval and p are about.
    pub(super) over: Over,
}

impl Found {
    /// The number as `text` writes it, with its interval.
    pub(super) fn with_interval(&self, text: impl Fn(f64) -> String) -> String {
        let value = text(self.value);
        self.low.zip(self.high).map_or_else(
            || value.clone(),
            |(low, high)| format!("{value} (95 % interval {} to {})", text(low), text(high)),
        )
    }
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
            Scope::Networks => {
                let over = Over::of(rows, &quantities);
                self.over_images(&quantities, n, over, seed)
            }
            Scope::Topology => self.over_seeds(&quantities, n),
        }
    }

    fn over_images(
        &self,
        rows: &[Vec<Quantity>],
        n: usize,
        over: Over,
        seed: u64,
    ) -> Option<Found> {
        let statistic = |images: &[u32], passes: &[u32]| {
            let mean = |row: &Vec<Quantity>| -> Option<f64> {
                let values = row.iter().map(|q| q.value(images, passes));
                let values = values.collect::<Option<Vec<f64>>>()?;
                Some(values.iter().sum::<f64>() / row.len() as f64)
            };
            (self.combine)(&rows.iter().map(mean).collect::<Option<Vec<f64>>>()?)
        };
        // All networks have as many passes.
        let n_passes = rows.iter().flatten().find_map(Quantity::n_passes);
        let seen = match n_passes {
            Some(n_passes) => Bootstrap::two_way(n, n_passes, seed, statistic)?,
            None => Bootstrap::new(n, seed, |images| statistic(images, &[]))?,
        };
        let estimate = seen.estimate();
        let threshold = self.criterion.threshold();
        Some(Found {
            value: estimate.value,
            low: Some(estimate.low),
            high: Some(estimate.high),
            p: two_sided(seen.p_above(threshold), seen.p_below(threshold)),
            n: estimate.n,
            over,
        })
    }

    fn over_seeds(&self, rows: &[Vec<Quantity>], n: usize) -> Option<Found> {
        let n_passes = rows.iter().flatten().find_map(Quantity::n_passes);
        let (images, passes) = (vec![1; n], vec![1; n_passes.unwrap_or(0)]);
        let of_seed = |k: usize| -> Option<f64> {
            let values = rows.iter().map(|row| row[k].value(&images, &passes));
            let values: Option<Vec<f64>> = values.collect();
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
            over: Over::Seeds,
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

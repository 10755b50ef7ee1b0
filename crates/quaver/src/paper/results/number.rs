//! Numbers that carry how sure they are.

use serde::{Deserialize, Serialize};

/// A share of `n` cases with its Wilson 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Cases counted.
    pub k: u64,
    /// Cases in all; at least 1.
    pub n: u64,
    /// `k / n`, in [0, 1].
    pub value: f64,
    /// Lower end, in [0, value].
    pub low: f64,
    /// Upper end, in [value, 1].
    pub high: f64,
}

/// A statistic that is no share of cases (AUROC, a mean over passes), with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// Images it was computed from.
    pub n: u64,
    /// The statistic; its unit is the field's that holds it.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// How a per-image quantity is spread over images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// Images.
    pub n: u64,
    /// Mean.
    pub mean: f64,
    /// Standard deviation (population).
    pub standard_deviation: f64,
    /// Its square: what the paper's tables 3 and 4 call sigma.
    pub variance: f64,
}

/// Mean and deviation of a number over seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moments {
    /// Seeds.
    pub k: u64,
    /// Mean over seeds.
    pub mean: f64,
    /// Sample standard deviation over seeds; `None` with one seed.
    pub deviation: Option<f64>,
}

//! Numbers over images and over seeds.

use serde::{Deserialize, Serialize};

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

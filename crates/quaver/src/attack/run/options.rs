//! What a run is given.

use ndarray::ArrayView4;
use serde::{Deserialize, Serialize};

use crate::attack::noise::NoiseMode;
use crate::attack::surrogate::SurrogateRule;
use crate::attack::{Dialect, LabelSource};
use crate::decision::Decision;
use crate::threat::{Goal, PixelRange};

/// Images to attack, all lists `(n)`.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// `(n, c, h, w)`, in pixel range.
    pub x: ArrayView4<'a, f32>,
    /// Keys of each image's randomness.
    pub ids: &'a [u64],
    /// True labels.
    pub labels: &'a [usize],
    /// Target classes; drawn at random if a targeted attack is given none.
    pub targets: Option<&'a [usize]>,
    /// Clean images `(m, c, h, w)` that [`SurrogateRule`] takes spreads from; the first of `x`
    /// where none are given.
    pub calibration: Option<ArrayView4<'a, f32>>,
    /// Images `(n, c, h, w)` to begin from in the first restart, for attacks that take them.
    pub start: Option<ArrayView4<'a, f32>>,
}

/// Draws a step averages under the default noise.
const N_DRAWS: u32 = 10;

/// How to attack.
///
/// # Parameters
/// | name | default | range | meaning |
/// |---|---|---|---|
/// | `dialect` | corrected | those of the attack | whose details to follow |
/// | `labels` | true | true, predicted | which class to get away from |
/// | `goal` | untargeted | untargeted, targeted | any wrong class, or the target |
/// | `noise` | eot(10), of other dialects per-step | any [`NoiseMode`] | randomness the attack sees |
/// | `surrogate` | auto, of other dialects model | any [`SurrogateRule`] | what stands for the gradients of quantizers |
/// | `seed` | 0 | all | seed of all draws |
/// | `n_restarts` | 1 | 1 to 10000 | runs on each image, of which the worst case is kept |
/// | `stop_early` | false | | whether later restarts leave images alone that have met the goal |
/// | `decision` | mean of 50 passes | any | rule of success |
/// | `batch_size` | 256 | at least 1 | images at a time; changes no result |
/// | `range` | 0 to 1 | low < high | values a pixel may take |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Whose details to follow.
    pub dialect: Dialect,
    /// Which class to get away from.
    pub labels: LabelSource,
    /// Any wrong class, or the target.
    pub goal: Goal,
    /// Randomness the attack sees.
    pub noise: NoiseMode,
    /// What stands for the gradients of quantizers.
    pub surrogate: SurrogateRule,
    /// Seed of all draws.
    pub seed: u64,
    /// Runs on each image; the one that hurts most is kept.
    pub n_restarts: u32,
    /// Whether an image that has met the goal, on draws of their own, is left alone by the
    /// restarts that follow.
    pub stop_early: bool,
    /// Rule of success, read on fresh passes.
    pub decision: Decision,
    /// Images at a time; changes no result.
    pub batch_size: usize,
    /// Values a pixel may take.
    pub range: PixelRange,
}

impl Default for Options {
    fn default() -> Self {
        Self::of(Dialect::Corrected)
    }
}

impl Options {
    /// The defaults of a dialect.
    #[must_use]
    pub fn of(dialect: Dialect) -> Self {
        Self {
            dialect,
            labels: dialect.labels(),
            goal: Goal::Untargeted,
            noise: match dialect {
                Dialect::Corrected => NoiseMode::Eot(N_DRAWS),
                _ => NoiseMode::PerStep,
            },
            surrogate: match dialect {
                Dialect::Corrected => SurrogateRule::default(),
                _ => SurrogateRule::model(),
            },
            seed: 0,
            n_restarts: 1,
            stop_early: false,
            decision: Decision::Mean(50),
            batch_size: 256,
            range: PixelRange::default(),
        }
    }
}

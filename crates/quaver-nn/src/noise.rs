//! Which randomness a call uses, as a value: never a flag on a module.

use serde::{Deserialize, Serialize};

/// What a stream of random numbers is drawn for. Streams of different purposes
/// never share a number, so a model is never scored on the draws it was attacked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Starting weights and the order of training images.
    Init,
    /// Training steps (the pass is the step).
    Train,
    /// The one pass that guesses labels for an attack.
    Label,
    /// Gradients of an attack (the pass is the step, or the step times the samples).
    Attack,
    /// Second, independent draw of an attack that runs backward through other noise.
    AttackBackward,
    /// Deciding whether an attack succeeded.
    Success,
    /// Monte-Carlo passes of an evaluation.
    Passes,
    /// Honesty checks.
    Check,
    /// Timing.
    Bench,
}

/// One draw of a network's randomness. What is drawn is a pure function of
/// (seed, purpose, pass, layer name) and, for noise drawn per example, the example's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Draw {
    /// Run seed.
    pub seed: u64,
    /// What the draw is for.
    pub purpose: Purpose,
    /// Number of the pass or step.
    pub pass: u32,
}

/// Which noise a call uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Noise {
    /// Dropout is the identity; stochastic weights take their most likely value.
    Off,
    /// Noise as drawn.
    Draw(Draw),
}

impl Noise {
    /// A draw of `purpose` at `pass`.
    pub const fn draw(seed: u64, purpose: Purpose, pass: u32) -> Self {
        Self::Draw(Draw { seed, purpose, pass })
    }
}

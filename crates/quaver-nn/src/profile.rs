//! [`Profile`]: where the time of training steps goes, by layer and phase. Off, it costs one
//! comparison a layer and chunk.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a layer is busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Weights are quantized, drawn and packed, once a step.
    Prepare,
    /// The batch's pixels are put into lanes.
    Load,
    /// Outputs.
    Forward,
    /// Statistics of the batch, there and back.
    Statistics,
    /// Losses and their gradients.
    Loss,
    /// Gradients with respect to the input.
    InputGradient,
    /// Gradients with respect to the weights.
    WeightGradient,
    /// Gradients of chunks are summed, surrogates applied, weights moved.
    Update,
}

impl Phase {
    /// All phases, in the order of a step.
    pub const ALL: [Self; 8] = [
        Self::Prepare,
        Self::Load,
        Self::Forward,
        Self::Statistics,
        Self::Loss,
        Self::InputGradient,
        Self::WeightGradient,
        Self::Update,
    ];

    /// What tables call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Load => "load",
            Self::Forward => "forward",
            Self::Statistics => "statistics",
            Self::Loss => "loss",
            Self::InputGradient => "input gradient",
            Self::WeightGradient => "weight gradient",
            Self::Update => "update",
        }
    }

    /// Whether the phase costs the layer's multiply-adds once.
    pub const fn multiplies(self) -> bool {
        matches!(
            self,
            Self::Forward | Self::InputGradient | Self::WeightGradient
        )
    }
}

/// Nanoseconds since some fixed moment: the engine reads no clock of its own.
pub type Clock = fn() -> u64;

/// Time of all threads together, by layer and phase.
#[derive(Debug)]
pub struct Profile {
    clock: Clock,
    nanos: Vec<[AtomicU64; Phase::ALL.len()]>,
}

impl Profile {
    /// An empty profile of a network of `n_layers`.
    pub fn new(clock: Clock, n_layers: usize) -> Self {
        Self {
            clock,
            nanos: (0..n_layers).map(|_| Default::default()).collect(),
        }
    }

    /// Runs `work`; if there is a profile, its time is added.
    pub(crate) fn time<R>(
        profile: Option<&Self>,
        layer: usize,
        phase: Phase,
        work: impl FnOnce() -> R,
    ) -> R {
        let Some(profile) = profile else {
            return work();
        };
        let began = (profile.clock)();
        let result = work();
        let nanos = (profile.clock)().saturating_sub(began);
        profile.nanos[layer][phase as usize].fetch_add(nanos, Ordering::Relaxed);
        result
    }

    /// Nanoseconds spent so far, summed over threads.
    pub fn nanos(&self, layer: usize, phase: Phase) -> u64 {
        self.nanos[layer][phase as usize].load(Ordering::Relaxed)
    }
}

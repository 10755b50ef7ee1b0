//! Quaver: how quantized and binarized networks behave under adversarial input.

pub mod attack;
pub mod binomial;
pub mod classifier;
pub mod decision;
pub mod evaluate;
pub mod observe;
pub mod rng;
pub mod spec;
pub mod threat;

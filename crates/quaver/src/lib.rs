//! Quaver: how quantized and binarized networks behave under adversarial input.

pub mod classifier;
pub mod evaluate;
pub mod observe;
pub mod paper;
pub mod report;
pub mod rng;

//! Quaver: how quantized and binarized networks behave under adversarial input.

pub mod classifier;
pub mod observe;
pub mod paper;

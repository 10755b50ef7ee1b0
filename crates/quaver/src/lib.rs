//! Quaver: how quantized and binarized networks behave under adversarial input.

pub mod atomic_file;
pub mod classifier;
pub mod data;
pub mod observe;

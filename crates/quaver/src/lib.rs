//! Quaver: how quantized and binarized networks behave under adversarial input.

pub mod attack;
pub mod binomial;
pub mod classifier;
pub mod data;
pub mod decision;
pub mod detect;
pub mod evaluate;
pub mod network;
pub mod observe;
pub mod paper;
pub mod report;
pub mod rng;
pub mod run;
pub mod spec;
pub mod threat;
pub mod training;
pub mod uncertainty;

pub use quaver_nn::atomic_file;

//! The numeric engine against an independent float64 interpreter and against itself, under every
//! instruction set of the machine.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../reference/mod.rs"]
mod reference;

mod agreement;
mod bits;
mod differences;
mod files;
mod fused;
mod graphs;
mod networks;
mod ops;
mod packed;
mod packed_files;
mod resnet;
mod runtimes;
mod surrogates;
mod taps;

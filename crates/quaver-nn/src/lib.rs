//! Numeric engine of Quaver: a graph of layers with quantizers, dropout with explicit
//! randomness, and gradients with respect to weights and to input.
//!
//! Reading order: [`graph`] and [`op`] say what a network is, [`arch`] builds the known ones, [`quantizer`] how weights and
//! activations are put on a grid, [`model`] adds values, [`network`] runs a model, [`train`]
//! makes one, [`format`](mod@format) stores it. [`noise`] says which randomness a call uses,
//! [`engine`] with which threads and instruction set: neither threads nor instruction set
//! changes a bit of a result.

pub mod arch;
pub mod atomic_file;
mod batch;
mod bits;
pub mod engine;
mod exact_sum;
mod exec;
pub mod format;
mod fused;
pub mod graph;
mod kernel;
pub mod loss;
pub mod model;
pub mod network;
pub mod noise;
pub mod op;
mod op_error;
pub mod optim;
mod packed;
mod parallel;
mod plan;
pub mod profile;
pub mod quantizer;
mod signs;
mod sparse_conv;
pub mod spec;
pub mod train;

pub use batch::{Batch, Pixels};
pub use kernel::{Simd, SimdUnavailable};

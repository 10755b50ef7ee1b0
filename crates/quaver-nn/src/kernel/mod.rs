//! The numeric kernels and the only `unsafe` code: a register-tiled product over taps
//! ([`tap`]), the same of bits ([`popcount`]), convolutions up to the maximum over windows
//! ([`conv_pool`]), weight gradients of convolutions ([`correlate`]) and dense layers
//! ([`outer`]), dropout ([`mask`]) and the run-time choice of instruction set ([`Simd`]).
//! Everything else is plain loops over [`Lanes`] that the
//! compiler vectorizes inside [`Simd::vectorize`].
//!
//! Sixteen examples lie side by side in the last axis, so each kernel is the scalar formula
//! on sixteen examples at once. Every output is accumulated in one fixed order, with fused
//! multiply-add in the tiled kernels and never elsewhere, so all instruction sets give the
//! same bits.

pub(crate) mod conv_pool;
pub(crate) mod correlate;
mod fma_loop;
mod lanes;
pub(crate) mod mask;
pub(crate) mod outer;
pub(crate) mod popcount;
pub(crate) mod random;
mod simd;
pub(crate) mod sparse;
pub(crate) mod tap;
pub(crate) mod transpose;
mod vector;
mod words;

pub(crate) use fma_loop::FmaLoop;
pub(crate) use lanes::{LANES, Lanes, flat, flat_mut};
pub(crate) use simd::Kernel;
pub use simd::{Simd, SimdUnavailable};
pub(crate) use vector::Vector;
pub(crate) use words::Words;

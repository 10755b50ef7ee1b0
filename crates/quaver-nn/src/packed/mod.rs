//! Layers of binary weights on binary activations, with 64 of either in a word.
//!
//! The same bits come out as from floats. [`signs`] says where sums are exact, [`sum`] is such a
//! layer on floats, [`layer`] on bits; [`threshold`] goes from sums to the next signs, and
//! [`steps`] puts all of it in the place of a plan's nodes, forward only: gradients need floats.

mod bits;
mod layer;
mod signs;
mod steps;
mod sum;
mod threshold;

pub(crate) use signs::{Signs, are_signs};
pub(crate) use steps::{BitForward, BitValues, Packed};
pub(crate) use sum::ExactSum;

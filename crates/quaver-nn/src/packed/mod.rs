//! Layers of binary weights on binary activations, with 64 of either in a word.
//!
//! The same numbers come out as from floats. [`layer`] has the sums, [`threshold`] goes from sums to
//! the next signs, [`product`] and [`simple`] are the layers that a plan runs, and [`steps`] puts
//! them in the place of its nodes, forward only: gradients need floats.

mod layer;
mod product;
mod simple;
mod steps;
mod threshold;

pub(crate) use steps::plan_on_bits;

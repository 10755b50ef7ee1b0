//! Numeric engine of Quaver: a graph of layers with quantizers, dropout with
//! explicit randomness, and gradients with respect to weights and to input.

pub mod noise;

//! Parity with PyTorch: the same networks, attacked there and here, end at the same images, and
//! their Monte-Carlo passes have the same moments.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::print_stdout,
    reason = "figures of the comparison are its result"
)]

mod attacks;
mod digits;
mod explain;
mod failures;
mod larger;
mod network;
mod passes;
mod reference;
mod subset;

//! Fused multiply-adds that never leave the registers: the yardstick of the benchmarks.

use super::{Kernel, LANES, Simd, Vector};

/// Independent accumulators: enough to hide the latency of a multiply-add.
const WIDE: usize = 24;
const NARROW: usize = 6;

/// `rounds` times one multiply-add on each accumulator.
pub(crate) struct FmaLoop {
    pub(crate) rounds: u64,
}

impl FmaLoop {
    /// Floating-point operations of one run.
    pub(crate) fn flops(simd: Simd, rounds: u64) -> f64 {
        let accumulators = if simd.is_wide() { WIDE } else { NARROW };
        2.0 * rounds as f64 * (accumulators * LANES) as f64
    }
}

impl Kernel for FmaLoop {
    type Output = f32;
    #[inline(always)]
    unsafe fn run<V: Vector>(self) -> f32 {
        // SAFETY: `V` is available by `run`'s contract.
        unsafe {
            if V::WIDE {
                spin::<V, WIDE>(self.rounds)
            } else {
                spin::<V, NARROW>(self.rounds)
            }
        }
    }
}

#[inline(always)]
unsafe fn spin<V: Vector, const N: usize>(rounds: u64) -> f32 {
    // SAFETY: the caller's contract.
    unsafe {
        let factor = V::splat(std::hint::black_box(0.999));
        let term = V::splat(std::hint::black_box(1e-3));
        let mut acc = [V::splat(std::hint::black_box(1.0)); N];
        for _ in 0..rounds {
            for a in &mut acc {
                *a = term.fma(*a, factor);
            }
        }
        acc.into_iter().map(|a| a.sum()).sum()
    }
}

//! [`Vector`]: the few operations the kernels need of sixteen numbers, one file for each
//! instruction set.

use super::{LANES, Lanes};

mod scalar;
pub(crate) use scalar::Scalar;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon;

/// Sixteen floats in registers.
///
/// # Safety
/// Methods may only be called where the machine has the implementation's instruction set;
/// pointers must be valid for sixteen floats.
pub(crate) trait Vector: Copy {
    /// Whether at least 24 accumulators fit in registers (else six).
    const WIDE: bool;
    /// Accumulators of the largest tile, where tiles come in every size.
    const SUMS: usize;
    /// Yes or no for each lane.
    type Mask: Copy;
    /// Sixteen unsigned 32-bit integers.
    type Words: Copy;
    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const Lanes) -> Self;
    unsafe fn store(self, to: *mut Lanes);
    /// Sixteen floats side by side, at any address of a float.
    unsafe fn load_floats(from: *const f32) -> Self;
    unsafe fn store_floats(self, to: *mut f32);
    unsafe fn add(self, more: Self) -> Self;
    unsafe fn mul(self, by: Self) -> Self;
    /// `self + a * b`, rounded once.
    unsafe fn fma(self, a: Self, b: Self) -> Self;
    /// Lanes whose bit is set in `kept`, side by side; sixteen floats are written.
    #[inline(always)]
    unsafe fn compress(self, kept: u16, to: *mut f32) {
        let mut lanes = Lanes::ZERO;
        // SAFETY: the trait's contract.
        unsafe {
            self.store(&raw mut lanes);
            let mut n = 0;
            for (l, value) in lanes.0.into_iter().enumerate() {
                *to.add(n) = value;
                n += usize::from(kept >> l & 1);
            }
        }
    }
    /// Number i of each becomes a register.
    #[inline(always)]
    unsafe fn transpose(square: &mut [Self; LANES]) {
        let mut rows = [Lanes::ZERO; LANES];
        // SAFETY: the trait's contract; rows are sixteen floats.
        unsafe {
            for (row, numbers) in rows.iter_mut().zip(square.iter()) {
                numbers.store(row);
            }
            for (i, numbers) in square.iter_mut().enumerate() {
                *numbers = Self::load(&Lanes(rows.map(|row| row.0[i])));
            }
        }
    }
    /// Sum over lanes: lane i with lane i+8, then +4, +2, +1.
    unsafe fn sum(self) -> f32;
    /// Where `self > than`; not where either is not a number.
    unsafe fn greater(self, than: Self) -> Self::Mask;
    /// Where `self > than`, or `self` is not a number.
    unsafe fn greater_or_nan(self, than: Self) -> Self::Mask;
    /// `yes` where `mask`, else `no`.
    unsafe fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;
    /// Lane i as bit i.
    unsafe fn bits(mask: Self::Mask) -> u16;
    /// Bit i as lane i.
    unsafe fn mask(bits: u16) -> Self::Mask;
    unsafe fn words(words: &[u32; LANES]) -> Self::Words;
    unsafe fn splat_word(word: u32) -> Self::Words;
    unsafe fn xor(a: Self::Words, b: Self::Words) -> Self::Words;
    /// High and low words of the products with `factor`.
    unsafe fn multiply(a: Self::Words, factor: Self::Words) -> (Self::Words, Self::Words);
    /// Where the lower half of each word is at least `threshold`, and where the upper half is.
    unsafe fn halves_at_least(words: Self::Words, threshold: u16) -> [Self::Mask; 2];
}

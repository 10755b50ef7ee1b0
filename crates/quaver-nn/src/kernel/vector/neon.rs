//! 128-bit registers: sixteen floats in four.

use super::{LANES, Lanes, Vector};
use std::arch::aarch64::*;

#[derive(Clone, Copy)]
pub(crate) struct Neon([float32x4_t; 4]);

#[inline(always)]
fn zip<A: Copy, B: Copy, C>(a: [A; 4], b: [B; 4], f: impl Fn(A, B) -> C) -> [C; 4] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

/// Bit i + 4 · `quarter` in lane i.
#[inline(always)]
unsafe fn bit(quarter: usize) -> uint32x4_t {
    let bits: [u32; 4] = std::array::from_fn(|i| 1 << (4 * quarter + i));
    // SAFETY: NEON is part of every aarch64 target; four words are read.
    unsafe { vld1q_u32(bits.as_ptr()) }
}

// SAFETY of the blocks below: NEON is part of every aarch64 target, and pointers are valid by
// the trait's contract.
impl Vector for Neon {
    const WIDE: bool = false;
    const SUMS: usize = 6;
    type Mask = [uint32x4_t; 4];
    type Words = [uint32x4_t; 4];
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: as above.
        Self([unsafe { vdupq_n_f32(value) }; 4])
    }
    #[inline(always)]
    unsafe fn load(from: *const Lanes) -> Self {
        // SAFETY: as above.
        unsafe { Self::load_floats(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut Lanes) {
        // SAFETY: as above.
        unsafe { self.store_floats(to.cast()) }
    }
    #[inline(always)]
    unsafe fn load_floats(from: *const f32) -> Self {
        // SAFETY: as above.
        Self(std::array::from_fn(|i| unsafe {
            vld1q_f32(from.add(4 * i))
        }))
    }
    #[inline(always)]
    unsafe fn store_floats(self, to: *mut f32) {
        for (i, v) in self.0.into_iter().enumerate() {
            // SAFETY: as above.
            unsafe { vst1q_f32(to.add(4 * i), v) }
        }
    }
    #[inline(always)]
    unsafe fn add(self, more: Self) -> Self {
        // SAFETY: as above.
        Self(zip(self.0, more.0, |a, b| unsafe { vaddq_f32(a, b) }))
    }
    #[inline(always)]
    unsafe fn mul(self, by: Self) -> Self {
        // SAFETY: as above.
        Self(zip(self.0, by.0, |a, b| unsafe { vmulq_f32(a, b) }))
    }
    #[inline(always)]
    unsafe fn fma(self, a: Self, b: Self) -> Self {
        // SAFETY: as above.
        Self(std::array::from_fn(|i| unsafe {
            vfmaq_f32(self.0[i], a.0[i], b.0[i])
        }))
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        // SAFETY: as above.
        unsafe {
            let low = vaddq_f32(self.0[0], self.0[2]);
            let high = vaddq_f32(self.0[1], self.0[3]);
            let v = vaddq_f32(low, high);
            let v = vadd_f32(vget_low_f32(v), vget_high_f32(v));
            vget_lane_f32::<0>(v) + vget_lane_f32::<1>(v)
        }
    }
    #[inline(always)]
    unsafe fn greater(self, than: Self) -> Self::Mask {
        // SAFETY: as above.
        zip(self.0, than.0, |a, b| unsafe { vcgtq_f32(a, b) })
    }
    #[inline(always)]
    unsafe fn greater_or_nan(self, than: Self) -> Self::Mask {
        // SAFETY: as above. A number equals itself.
        zip(self.0, than.0, |a, b| unsafe {
            vorrq_u32(vcgtq_f32(a, b), vmvnq_u32(vceqq_f32(a, a)))
        })
    }
    #[inline(always)]
    unsafe fn select(mask: Self::Mask, yes: Self, no: Self) -> Self {
        // SAFETY: as above.
        Self(std::array::from_fn(|i| unsafe {
            vbslq_f32(mask[i], yes.0[i], no.0[i])
        }))
    }
    #[inline(always)]
    unsafe fn bits(mask: Self::Mask) -> u16 {
        // SAFETY: as above.
        (0..4).fold(0, |bits, i| unsafe {
            bits | vaddvq_u32(vandq_u32(mask[i], bit(i))) as u16
        })
    }
    #[inline(always)]
    unsafe fn mask(bits: u16) -> Self::Mask {
        // SAFETY: as above.
        std::array::from_fn(|i| unsafe { vtstq_u32(vdupq_n_u32(u32::from(bits)), bit(i)) })
    }
    #[inline(always)]
    unsafe fn words(words: &[u32; LANES]) -> Self::Words {
        // SAFETY: as above; sixteen words are read.
        std::array::from_fn(|i| unsafe { vld1q_u32(words.as_ptr().add(4 * i)) })
    }
    #[inline(always)]
    unsafe fn splat_word(word: u32) -> Self::Words {
        // SAFETY: as above.
        [unsafe { vdupq_n_u32(word) }; 4]
    }
    #[inline(always)]
    unsafe fn xor(a: Self::Words, b: Self::Words) -> Self::Words {
        // SAFETY: as above.
        zip(a, b, |a, b| unsafe { veorq_u32(a, b) })
    }
    #[inline(always)]
    unsafe fn multiply(a: Self::Words, factor: Self::Words) -> (Self::Words, Self::Words) {
        // SAFETY: as above.
        let products = zip(a, factor, |a, b| unsafe {
            let low = vreinterpretq_u32_u64(vmull_u32(vget_low_u32(a), vget_low_u32(b)));
            let high = vreinterpretq_u32_u64(vmull_high_u32(a, b));
            (vuzp2q_u32(low, high), vuzp1q_u32(low, high))
        });
        (products.map(|p| p.0), products.map(|p| p.1))
    }
    #[inline(always)]
    unsafe fn halves_at_least(words: Self::Words, threshold: u16) -> [Self::Mask; 2] {
        // SAFETY: as above.
        unsafe {
            let threshold = vdupq_n_u32(u32::from(threshold));
            [
                words.map(|w| vcgeq_u32(vandq_u32(w, vdupq_n_u32(0xFFFF)), threshold)),
                words.map(|w| vcgeq_u32(vshrq_n_u32::<16>(w), threshold)),
            ]
        }
    }
}

//! [`Words`] and [`WordVector`]: 64 bits of sixteen examples, and the few operations the
//! product of bits needs of them, for each instruction set.

use super::LANES;

/// 64 bits of each of sixteen examples.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub(crate) struct Words(pub(crate) [u64; LANES]);

impl Words {
    pub(crate) const ZERO: Self = Self([0; LANES]);
}

/// Words of some examples in a register.
///
/// Ones are counted in two stages: [`WordVector::add_differing`] up to [`WordVector::SPAN`]
/// times into narrow counters, then [`WordVector::widen`] makes them one counter a word.
///
/// # Safety
/// Methods may only be called where the machine has the implementation's instruction set;
/// pointers must be valid for `WIDTH` elements.
pub(crate) trait WordVector: Copy {
    /// Examples in it; divides sixteen.
    const WIDTH: usize;
    /// Words that narrow counters can take; `usize::MAX`: they are wide already.
    const SPAN: usize;
    /// Positions of a tile whose counters, four for each, fit in registers.
    const POSITIONS: usize;
    unsafe fn splat(word: u64) -> Self;
    unsafe fn load(from: *const u64) -> Self;
    /// Counts the bits in which `x` and `w` differ.
    unsafe fn add_differing(self, x: Self, w: Self) -> Self;
    /// Counts those of them that `keep` has.
    unsafe fn add_differing_kept(self, x: Self, w: Self, keep: Self) -> Self;
    unsafe fn widen(self) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    /// Writes `n - 2 · self` as floats.
    unsafe fn store_sums(self, n: Self, to: *mut f32);
}

/// One example; its bits are counted as the target does.
#[derive(Clone, Copy)]
pub(crate) struct ScalarWord(u64);

impl WordVector for ScalarWord {
    const WIDTH: usize = 1;
    const SPAN: usize = usize::MAX;
    const POSITIONS: usize = 2;
    #[inline(always)]
    unsafe fn splat(word: u64) -> Self {
        Self(word)
    }
    #[inline(always)]
    unsafe fn load(from: *const u64) -> Self {
        // SAFETY: the caller's pointer is valid.
        Self(unsafe { *from })
    }
    #[inline(always)]
    unsafe fn add_differing(self, x: Self, w: Self) -> Self {
        Self(self.0 + u64::from((x.0 ^ w.0).count_ones()))
    }
    #[inline(always)]
    unsafe fn add_differing_kept(self, x: Self, w: Self, keep: Self) -> Self {
        Self(self.0 + u64::from(((x.0 ^ w.0) & keep.0).count_ones()))
    }
    #[inline(always)]
    unsafe fn widen(self) -> Self {
        self
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
    #[inline(always)]
    unsafe fn store_sums(self, n: Self, to: *mut f32) {
        // SAFETY: the caller's pointer is valid.
        unsafe { *to = (n.0 as i64 - 2 * self.0 as i64) as f32 }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::WordVector;
    use std::arch::x86_64::*;

    /// Eight examples; needs VPOPCNTDQ beside what `Simd::Avx512` stands for.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx512Words(__m512i);

    impl WordVector for Avx512Words {
        const WIDTH: usize = 8;
        const SPAN: usize = usize::MAX;
        const POSITIONS: usize = 5;
        #[inline(always)]
        unsafe fn splat(word: u64) -> Self {
            // SAFETY: the trait's contract.
            Self(unsafe { _mm512_set1_epi64(word as i64) })
        }
        #[inline(always)]
        unsafe fn load(from: *const u64) -> Self {
            // SAFETY: the trait's contract.
            Self(unsafe { _mm512_loadu_si512(from.cast()) })
        }
        #[inline(always)]
        unsafe fn add_differing(self, x: Self, w: Self) -> Self {
            // SAFETY: the trait's contract.
            unsafe {
                let ones = _mm512_popcnt_epi64(_mm512_xor_si512(x.0, w.0));
                Self(_mm512_add_epi64(self.0, ones))
            }
        }
        #[inline(always)]
        unsafe fn add_differing_kept(self, x: Self, w: Self, keep: Self) -> Self {
            // SAFETY: the trait's contract. 0x28 is the truth table of (x ^ w) & keep.
            unsafe {
                let differing = _mm512_ternarylogic_epi64::<0x28>(x.0, w.0, keep.0);
                Self(_mm512_add_epi64(self.0, _mm512_popcnt_epi64(differing)))
            }
        }
        #[inline(always)]
        unsafe fn widen(self) -> Self {
            self
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: the trait's contract.
            Self(unsafe { _mm512_add_epi64(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn store_sums(self, n: Self, to: *mut f32) {
            // SAFETY: the trait's contract.
            unsafe {
                let sums = _mm512_sub_epi64(n.0, _mm512_slli_epi64::<1>(self.0));
                _mm256_storeu_ps(to, _mm512_cvtepi64_ps(sums));
            }
        }
    }

    /// Four examples, counted by bytes with a table of sixteen.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx2Words(__m256i);

    impl Avx2Words {
        /// Adds the ones of each byte of `v`.
        #[inline(always)]
        unsafe fn add_ones(self, v: __m256i) -> Self {
            // SAFETY: the caller is compiled for AVX2.
            unsafe {
                let table = _mm256_setr_epi8(
                    0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2,
                    2, 3, 2, 3, 3, 4,
                );
                let low = _mm256_set1_epi8(15);
                let high = _mm256_and_si256(_mm256_srli_epi16::<4>(v), low);
                let sum =
                    _mm256_add_epi8(self.0, _mm256_shuffle_epi8(table, _mm256_and_si256(v, low)));
                Self(_mm256_add_epi8(sum, _mm256_shuffle_epi8(table, high)))
            }
        }
    }

    impl WordVector for Avx2Words {
        const WIDTH: usize = 4;
        // A word adds at most 8 to a byte.
        const SPAN: usize = 31;
        const POSITIONS: usize = 2;
        #[inline(always)]
        unsafe fn splat(word: u64) -> Self {
            // SAFETY: the trait's contract.
            Self(unsafe { _mm256_set1_epi64x(word as i64) })
        }
        #[inline(always)]
        unsafe fn load(from: *const u64) -> Self {
            // SAFETY: the trait's contract.
            Self(unsafe { _mm256_loadu_si256(from.cast()) })
        }
        #[inline(always)]
        unsafe fn add_differing(self, x: Self, w: Self) -> Self {
            // SAFETY: the trait's contract.
            unsafe { self.add_ones(_mm256_xor_si256(x.0, w.0)) }
        }
        #[inline(always)]
        unsafe fn add_differing_kept(self, x: Self, w: Self, keep: Self) -> Self {
            // SAFETY: the trait's contract.
            unsafe { self.add_ones(_mm256_and_si256(_mm256_xor_si256(x.0, w.0), keep.0)) }
        }
        #[inline(always)]
        unsafe fn widen(self) -> Self {
            // SAFETY: the trait's contract.
            Self(unsafe { _mm256_sad_epu8(self.0, _mm256_setzero_si256()) })
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: the trait's contract.
            Self(unsafe { _mm256_add_epi64(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn store_sums(self, n: Self, to: *mut f32) {
            // SAFETY: the trait's contract. Sums fit in the low half of their words.
            unsafe {
                let sums = _mm256_sub_epi64(n.0, _mm256_slli_epi64::<1>(self.0));
                let halves = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
                let low = _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(sums, halves));
                _mm_storeu_ps(to, _mm_cvtepi32_ps(low));
            }
        }
    }
}
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2Words, Avx512Words};

#[cfg(target_arch = "aarch64")]
mod arm {
    use super::WordVector;
    use std::arch::aarch64::*;

    /// Two examples, counted by bytes.
    #[derive(Clone, Copy)]
    pub(crate) struct NeonWords(uint64x2_t);

    impl NeonWords {
        /// Adds the ones of each byte of `v`.
        #[inline(always)]
        unsafe fn add_ones(self, v: uint64x2_t) -> Self {
            // SAFETY: NEON is part of every aarch64 target.
            unsafe {
                let ones = vcntq_u8(vreinterpretq_u8_u64(v));
                let sum = vaddq_u8(vreinterpretq_u8_u64(self.0), ones);
                Self(vreinterpretq_u64_u8(sum))
            }
        }
    }

    impl WordVector for NeonWords {
        const WIDTH: usize = 2;
        // A word adds at most 8 to a byte.
        const SPAN: usize = 31;
        const POSITIONS: usize = 3;
        #[inline(always)]
        unsafe fn splat(word: u64) -> Self {
            // SAFETY: NEON is part of every aarch64 target.
            Self(unsafe { vdupq_n_u64(word) })
        }
        #[inline(always)]
        unsafe fn load(from: *const u64) -> Self {
            // SAFETY: the trait's contract.
            Self(unsafe { vld1q_u64(from) })
        }
        #[inline(always)]
        unsafe fn add_differing(self, x: Self, w: Self) -> Self {
            // SAFETY: NEON is part of every aarch64 target.
            unsafe { self.add_ones(veorq_u64(x.0, w.0)) }
        }
        #[inline(always)]
        unsafe fn add_differing_kept(self, x: Self, w: Self, keep: Self) -> Self {
            // SAFETY: NEON is part of every aarch64 target.
            unsafe { self.add_ones(vandq_u64(veorq_u64(x.0, w.0), keep.0)) }
        }
        #[inline(always)]
        unsafe fn widen(self) -> Self {
            // SAFETY: NEON is part of every aarch64 target.
            unsafe {
                let pairs = vpaddlq_u8(vreinterpretq_u8_u64(self.0));
                Self(vpaddlq_u32(vpaddlq_u16(pairs)))
            }
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: NEON is part of every aarch64 target.
            Self(unsafe { vaddq_u64(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn store_sums(self, n: Self, to: *mut f32) {
            // SAFETY: the trait's contract. Sums fit in the low half of their words.
            unsafe {
                let sums = vsubq_u64(n.0, vshlq_n_u64::<1>(self.0));
                let low = vmovn_s64(vreinterpretq_s64_u64(sums));
                vst1_f32(to, vcvt_f32_s32(low));
            }
        }
    }
}
#[cfg(target_arch = "aarch64")]
pub(crate) use arm::NeonWords;

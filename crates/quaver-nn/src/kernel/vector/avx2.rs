//! 256-bit registers: sixteen floats in two.

use super::{LANES, Lanes, Vector};
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
pub(crate) struct Avx2(__m256, __m256);

/// The upper word of each pair.
const ODD: i32 = 0xAA;

/// Lane i with lane i+4, then +2, +1.
#[inline(always)]
pub(super) unsafe fn sum(v: __m256) -> f32 {
    // SAFETY: called from functions compiled for AVX2.
    unsafe {
        let v = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
        let v = _mm_add_ps(v, _mm_movehl_ps(v, v));
        _mm_cvtss_f32(_mm_add_ss(v, _mm_shuffle_ps::<1>(v, v)))
    }
}

/// Number i of each becomes a register. No closures: they would not be compiled for AVX2.
#[inline(always)]
unsafe fn transpose(rows: &mut [__m256; 8]) {
    // SAFETY: called from functions compiled for AVX2.
    unsafe {
        // Pairs of rows, then fours of them: half q of `fours[4 i + j]` is column 4 q + j of rows
        // 4 i to 4 i + 3.
        let mut fours = [_mm256_setzero_ps(); 8];
        for i in 0..2 {
            let (a, b, c, d) = (
                rows[4 * i],
                rows[4 * i + 1],
                rows[4 * i + 2],
                rows[4 * i + 3],
            );
            let low = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
            let high = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
            fours[4 * i] = _mm256_shuffle_ps::<0x44>(low.0, low.1);
            fours[4 * i + 1] = _mm256_shuffle_ps::<0xEE>(low.0, low.1);
            fours[4 * i + 2] = _mm256_shuffle_ps::<0x44>(high.0, high.1);
            fours[4 * i + 3] = _mm256_shuffle_ps::<0xEE>(high.0, high.1);
        }
        for i in 0..4 {
            rows[i] = _mm256_permute2f128_ps::<0x20>(fours[i], fours[4 + i]);
            rows[4 + i] = _mm256_permute2f128_ps::<0x31>(fours[i], fours[4 + i]);
        }
    }
}

#[inline(always)]
unsafe fn multiply(a: __m256i, factor: __m256i) -> (__m256i, __m256i) {
    // SAFETY: called from functions compiled for AVX2.
    unsafe {
        let even = _mm256_mul_epu32(a, factor);
        let odd = _mm256_mul_epu32(_mm256_srli_epi64::<32>(a), factor);
        (
            _mm256_blend_epi32::<ODD>(_mm256_srli_epi64::<32>(even), odd),
            _mm256_blend_epi32::<ODD>(even, _mm256_slli_epi64::<32>(odd)),
        )
    }
}

/// Where each word, below 2¹⁶, is at least `threshold`, above 0 or not.
#[inline(always)]
unsafe fn at_least(words: [__m256i; 2], threshold: u16) -> [__m256; 2] {
    // SAFETY: called from functions compiled for AVX2.
    unsafe {
        let below = _mm256_set1_epi32(i32::from(threshold) - 1);
        words.map(|words| _mm256_castsi256_ps(_mm256_cmpgt_epi32(words, below)))
    }
}

impl Vector for Avx2 {
    const WIDE: bool = false;
    const SUMS: usize = 6;
    type Mask = [__m256; 2];
    type Words = [__m256i; 2];
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the trait's contract.
        unsafe {
            let v = _mm256_set1_ps(value);
            Self(v, v)
        }
    }
    #[inline(always)]
    unsafe fn load(from: *const Lanes) -> Self {
        // SAFETY: the trait's contract; `Lanes` is aligned to 64 bytes.
        unsafe {
            let from = from.cast::<f32>();
            Self(_mm256_load_ps(from), _mm256_load_ps(from.add(8)))
        }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut Lanes) {
        // SAFETY: as `load`.
        unsafe {
            let to = to.cast::<f32>();
            _mm256_store_ps(to, self.0);
            _mm256_store_ps(to.add(8), self.1);
        }
    }
    #[inline(always)]
    unsafe fn load_floats(from: *const f32) -> Self {
        // SAFETY: the trait's contract.
        unsafe { Self(_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))) }
    }
    #[inline(always)]
    unsafe fn store_floats(self, to: *mut f32) {
        // SAFETY: the trait's contract.
        unsafe {
            _mm256_storeu_ps(to, self.0);
            _mm256_storeu_ps(to.add(8), self.1);
        }
    }
    #[inline(always)]
    unsafe fn add(self, more: Self) -> Self {
        // SAFETY: the trait's contract.
        unsafe { Self(_mm256_add_ps(self.0, more.0), _mm256_add_ps(self.1, more.1)) }
    }
    #[inline(always)]
    unsafe fn mul(self, by: Self) -> Self {
        // SAFETY: the trait's contract.
        unsafe { Self(_mm256_mul_ps(self.0, by.0), _mm256_mul_ps(self.1, by.1)) }
    }
    #[inline(always)]
    unsafe fn fma(self, a: Self, b: Self) -> Self {
        // SAFETY: the trait's contract.
        unsafe {
            Self(
                _mm256_fmadd_ps(a.0, b.0, self.0),
                _mm256_fmadd_ps(a.1, b.1, self.1),
            )
        }
    }
    #[inline(always)]
    unsafe fn transpose(square: &mut [Self; LANES]) {
        // SAFETY: the trait's contract.
        unsafe {
            let mut quarters = [[_mm256_setzero_ps(); 8]; 4];
            for i in 0..8 {
                (quarters[0][i], quarters[2][i]) = (square[i].0, square[i].1);
                (quarters[1][i], quarters[3][i]) = (square[8 + i].0, square[8 + i].1);
            }
            for quarter in &mut quarters {
                transpose(quarter);
            }
            for i in 0..8 {
                square[i] = Self(quarters[0][i], quarters[1][i]);
                square[8 + i] = Self(quarters[2][i], quarters[3][i]);
            }
        }
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        // SAFETY: the trait's contract.
        unsafe { sum(_mm256_add_ps(self.0, self.1)) }
    }
    #[inline(always)]
    unsafe fn greater(self, than: Self) -> Self::Mask {
        // SAFETY: the trait's contract.
        unsafe {
            [
                _mm256_cmp_ps::<_CMP_GT_OQ>(self.0, than.0),
                _mm256_cmp_ps::<_CMP_GT_OQ>(self.1, than.1),
            ]
        }
    }
    #[inline(always)]
    unsafe fn greater_or_nan(self, than: Self) -> Self::Mask {
        // SAFETY: the trait's contract.
        unsafe {
            let [low, high] = self.greater(than);
            [
                _mm256_or_ps(low, _mm256_cmp_ps::<_CMP_UNORD_Q>(self.0, self.0)),
                _mm256_or_ps(high, _mm256_cmp_ps::<_CMP_UNORD_Q>(self.1, self.1)),
            ]
        }
    }
    #[inline(always)]
    unsafe fn select([low, high]: Self::Mask, yes: Self, no: Self) -> Self {
        // SAFETY: the trait's contract.
        unsafe {
            Self(
                _mm256_blendv_ps(no.0, yes.0, low),
                _mm256_blendv_ps(no.1, yes.1, high),
            )
        }
    }
    #[inline(always)]
    unsafe fn bits([low, high]: Self::Mask) -> u16 {
        // SAFETY: the trait's contract.
        unsafe { (_mm256_movemask_ps(low) | _mm256_movemask_ps(high) << 8) as u16 }
    }
    #[inline(always)]
    unsafe fn mask(bits: u16) -> Self::Mask {
        // SAFETY: the trait's contract.
        unsafe {
            let bits = _mm256_set1_epi32(i32::from(bits));
            let low = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let high = _mm256_slli_epi32::<8>(low);
            [
                _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(bits, low), low)),
                _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(bits, high), high)),
            ]
        }
    }
    #[inline(always)]
    unsafe fn words(words: &[u32; LANES]) -> Self::Words {
        let from = words.as_ptr().cast::<__m256i>();
        // SAFETY: the trait's contract; sixteen words are read.
        unsafe { [_mm256_loadu_si256(from), _mm256_loadu_si256(from.add(1))] }
    }
    #[inline(always)]
    unsafe fn splat_word(word: u32) -> Self::Words {
        // SAFETY: the trait's contract.
        [unsafe { _mm256_set1_epi32(word as i32) }; 2]
    }
    #[inline(always)]
    unsafe fn xor(a: Self::Words, b: Self::Words) -> Self::Words {
        // SAFETY: the trait's contract.
        unsafe { [_mm256_xor_si256(a[0], b[0]), _mm256_xor_si256(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn multiply(a: Self::Words, factor: Self::Words) -> (Self::Words, Self::Words) {
        // SAFETY: the trait's contract.
        let (low, high) = unsafe { (multiply(a[0], factor[0]), multiply(a[1], factor[1])) };
        ([low.0, high.0], [low.1, high.1])
    }
    #[inline(always)]
    unsafe fn halves_at_least(words: Self::Words, threshold: u16) -> [Self::Mask; 2] {
        // SAFETY: the trait's contract.
        unsafe {
            let half = _mm256_set1_epi32(0xFFFF);
            let low = [
                _mm256_and_si256(words[0], half),
                _mm256_and_si256(words[1], half),
            ];
            let high = [
                _mm256_srli_epi32::<16>(words[0]),
                _mm256_srli_epi32::<16>(words[1]),
            ];
            [at_least(low, threshold), at_least(high, threshold)]
        }
    }
}

//! 512-bit registers: sixteen floats in one.

use super::{LANES, Lanes, Vector};
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
pub(crate) struct Avx512(__m512);

/// The upper word of each pair.
const ODD: __mmask16 = 0xAAAA;

impl Vector for Avx512 {
    const WIDE: bool = true;
    const SUMS: usize = 18;
    type Mask = __mmask16;
    type Words = __m512i;
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the trait's contract.
        Self(unsafe { _mm512_set1_ps(value) })
    }
    #[inline(always)]
    unsafe fn load(from: *const Lanes) -> Self {
        // SAFETY: the trait's contract; `Lanes` is aligned to 64 bytes.
        Self(unsafe { _mm512_load_ps(from.cast()) })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut Lanes) {
        // SAFETY: as `load`.
        unsafe { _mm512_store_ps(to.cast(), self.0) }
    }
    #[inline(always)]
    unsafe fn load_floats(from: *const f32) -> Self {
        // SAFETY: the trait's contract.
        Self(unsafe { _mm512_loadu_ps(from) })
    }
    #[inline(always)]
    unsafe fn store_floats(self, to: *mut f32) {
        // SAFETY: the trait's contract.
        unsafe { _mm512_storeu_ps(to, self.0) }
    }
    #[inline(always)]
    unsafe fn add(self, more: Self) -> Self {
        // SAFETY: the trait's contract.
        Self(unsafe { _mm512_add_ps(self.0, more.0) })
    }
    #[inline(always)]
    unsafe fn mul(self, by: Self) -> Self {
        // SAFETY: the trait's contract.
        Self(unsafe { _mm512_mul_ps(self.0, by.0) })
    }
    #[inline(always)]
    unsafe fn fma(self, a: Self, b: Self) -> Self {
        // SAFETY: the trait's contract.
        Self(unsafe { _mm512_fmadd_ps(a.0, b.0, self.0) })
    }
    #[inline(always)]
    unsafe fn compress(self, kept: u16, to: *mut f32) {
        // SAFETY: the trait's contract. Compressing into memory is slow on some machines.
        unsafe { Self(_mm512_maskz_compress_ps(kept, self.0)).store_floats(to) }
    }
    #[inline(always)]
    unsafe fn transpose(square: &mut [Self; LANES]) {
        // SAFETY: the trait's contract.
        unsafe {
            // Pairs of rows, then fours of them: quarter q of `fours[4 i + j]` is column 4 q + j
            // of rows 4 i to 4 i + 3.
            let mut fours = [_mm512_setzero_pd(); LANES];
            for i in 0..4 {
                let [a, b, c, d] = [0, 1, 2, 3].map(|row| square[4 * i + row].0);
                let low = [_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d)];
                let high = [_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d)];
                for (j, pair) in [low, high].into_iter().enumerate() {
                    let [first, second] = pair.map(|v| _mm512_castps_pd(v));
                    fours[4 * i + 2 * j] = _mm512_unpacklo_pd(first, second);
                    fours[4 * i + 2 * j + 1] = _mm512_unpackhi_pd(first, second);
                }
            }
            for j in 0..4 {
                let [a, b, c, d] = [0, 4, 8, 12].map(|i| fours[i + j]);
                let even = [
                    _mm512_shuffle_f64x2::<0x88>(a, b),
                    _mm512_shuffle_f64x2::<0x88>(c, d),
                ];
                let odd = [
                    _mm512_shuffle_f64x2::<0xDD>(a, b),
                    _mm512_shuffle_f64x2::<0xDD>(c, d),
                ];
                for (q, [first, second]) in [even, odd].into_iter().enumerate() {
                    let low = _mm512_shuffle_f64x2::<0x88>(first, second);
                    let high = _mm512_shuffle_f64x2::<0xDD>(first, second);
                    square[4 * q + j] = Self(_mm512_castpd_ps(low));
                    square[8 + 4 * q + j] = Self(_mm512_castpd_ps(high));
                }
            }
        }
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        // SAFETY: the trait's contract.
        unsafe {
            let low = _mm512_castps512_ps256(self.0);
            super::avx2::sum(_mm256_add_ps(low, _mm512_extractf32x8_ps::<1>(self.0)))
        }
    }
    #[inline(always)]
    unsafe fn greater(self, than: Self) -> Self::Mask {
        // SAFETY: the trait's contract.
        unsafe { _mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0, than.0) }
    }
    #[inline(always)]
    unsafe fn greater_or_nan(self, than: Self) -> Self::Mask {
        // SAFETY: the trait's contract.
        unsafe { self.greater(than) | _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(self.0, self.0) }
    }
    #[inline(always)]
    unsafe fn select(mask: Self::Mask, yes: Self, no: Self) -> Self {
        // SAFETY: the trait's contract.
        Self(unsafe { _mm512_mask_blend_ps(mask, no.0, yes.0) })
    }
    #[inline(always)]
    unsafe fn bits(mask: Self::Mask) -> u16 {
        mask
    }
    #[inline(always)]
    unsafe fn mask(bits: u16) -> Self::Mask {
        bits
    }
    #[inline(always)]
    unsafe fn words(words: &[u32; LANES]) -> Self::Words {
        // SAFETY: the trait's contract; sixteen words are read.
        unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
    }
    #[inline(always)]
    unsafe fn splat_word(word: u32) -> Self::Words {
        // SAFETY: the trait's contract.
        unsafe { _mm512_set1_epi32(word as i32) }
    }
    #[inline(always)]
    unsafe fn xor(a: Self::Words, b: Self::Words) -> Self::Words {
        // SAFETY: the trait's contract.
        unsafe { _mm512_xor_si512(a, b) }
    }
    #[inline(always)]
    unsafe fn multiply(a: Self::Words, factor: Self::Words) -> (Self::Words, Self::Words) {
        // SAFETY: the trait's contract.
        unsafe {
            let even = _mm512_mul_epu32(a, factor);
            let odd = _mm512_mul_epu32(_mm512_srli_epi64::<32>(a), factor);
            (
                _mm512_mask_blend_epi32(ODD, _mm512_srli_epi64::<32>(even), odd),
                _mm512_mask_blend_epi32(ODD, even, _mm512_slli_epi64::<32>(odd)),
            )
        }
    }
    #[inline(always)]
    unsafe fn halves_at_least(words: Self::Words, threshold: u16) -> [Self::Mask; 2] {
        // SAFETY: the trait's contract.
        unsafe {
            let threshold = _mm512_set1_epi32(i32::from(threshold));
            let low = _mm512_and_si512(words, _mm512_set1_epi32(0xFFFF));
            let high = _mm512_srli_epi32::<16>(words);
            [
                _mm512_cmpge_epu32_mask(low, threshold),
                _mm512_cmpge_epu32_mask(high, threshold),
            ]
        }
    }
}

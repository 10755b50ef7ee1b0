//! [`Vector`]: the few operations the tiled kernels need of sixteen floats, for each
//! instruction set.

use super::{LANES, Lanes};

/// Sixteen floats in registers.
///
/// # Safety
/// Methods may only be called where the machine has the implementation's instruction set;
/// pointers must be valid for sixteen floats.
pub(crate) trait Vector: Copy {
    /// Whether at least 24 accumulators fit in registers (else six).
    const WIDE: bool;
    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const Lanes) -> Self;
    unsafe fn store(self, to: *mut Lanes);
    /// `self + a * b`, rounded once.
    unsafe fn fma(self, a: Self, b: Self) -> Self;
    /// Sum over lanes: lane i with lane i+8, then +4, +2, +1.
    unsafe fn sum(self) -> f32;
}

#[derive(Clone, Copy)]
pub(crate) struct Scalar([f32; LANES]);

impl Vector for Scalar {
    const WIDE: bool = false;
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; LANES])
    }
    #[inline(always)]
    unsafe fn load(from: *const Lanes) -> Self {
        // SAFETY: the caller's pointer is valid.
        Self(unsafe { (*from).0 })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut Lanes) {
        // SAFETY: the caller's pointer is valid.
        unsafe { (*to).0 = self.0 }
    }
    #[inline(always)]
    unsafe fn fma(self, a: Self, b: Self) -> Self {
        let mut out = self;
        for i in 0..LANES {
            out.0[i] = a.0[i].mul_add(b.0[i], self.0[i]);
        }
        out
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let mut v = self.0;
        for width in [8, 4, 2, 1] {
            for i in 0..width {
                v[i] += v[i + width];
            }
        }
        v[0]
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Lanes, Vector};
    use std::arch::x86_64::*;

    #[inline(always)]
    unsafe fn sum256(v: __m256) -> f32 {
        // SAFETY: called from functions compiled for AVX2.
        unsafe {
            let v = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let v = _mm_add_ps(v, _mm_movehl_ps(v, v));
            _mm_cvtss_f32(_mm_add_ss(v, _mm_shuffle_ps::<1>(v, v)))
        }
    }

    #[derive(Clone, Copy)]
    pub(crate) struct Avx512(__m512);

    impl Vector for Avx512 {
        const WIDE: bool = true;
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
        unsafe fn fma(self, a: Self, b: Self) -> Self {
            // SAFETY: the trait's contract.
            Self(unsafe { _mm512_fmadd_ps(a.0, b.0, self.0) })
        }
        #[inline(always)]
        unsafe fn sum(self) -> f32 {
            // SAFETY: the trait's contract.
            unsafe {
                let low = _mm512_castps512_ps256(self.0);
                sum256(_mm256_add_ps(low, _mm512_extractf32x8_ps::<1>(self.0)))
            }
        }
    }

    #[derive(Clone, Copy)]
    pub(crate) struct Avx2(__m256, __m256);

    impl Vector for Avx2 {
        const WIDE: bool = false;
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
        unsafe fn sum(self) -> f32 {
            // SAFETY: the trait's contract.
            unsafe { sum256(_mm256_add_ps(self.0, self.1)) }
        }
    }
}
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

#[cfg(target_arch = "aarch64")]
mod arm {
    use super::{Lanes, Vector};
    use std::arch::aarch64::*;

    #[derive(Clone, Copy)]
    pub(crate) struct Neon([float32x4_t; 4]);

    impl Vector for Neon {
        const WIDE: bool = false;
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: NEON is part of every aarch64 target.
            Self([unsafe { vdupq_n_f32(value) }; 4])
        }
        #[inline(always)]
        unsafe fn load(from: *const Lanes) -> Self {
            let from = from.cast::<f32>();
            // SAFETY: the trait's contract.
            unsafe {
                Self([
                    vld1q_f32(from),
                    vld1q_f32(from.add(4)),
                    vld1q_f32(from.add(8)),
                    vld1q_f32(from.add(12)),
                ])
            }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut Lanes) {
            let to = to.cast::<f32>();
            for (i, v) in self.0.into_iter().enumerate() {
                // SAFETY: the trait's contract.
                unsafe { vst1q_f32(to.add(4 * i), v) }
            }
        }
        #[inline(always)]
        unsafe fn fma(self, a: Self, b: Self) -> Self {
            let mut out = self;
            for i in 0..4 {
                // SAFETY: NEON is part of every aarch64 target.
                out.0[i] = unsafe { vfmaq_f32(self.0[i], a.0[i], b.0[i]) };
            }
            out
        }
        #[inline(always)]
        unsafe fn sum(self) -> f32 {
            // SAFETY: NEON is part of every aarch64 target.
            unsafe {
                let low = vaddq_f32(self.0[0], self.0[2]);
                let high = vaddq_f32(self.0[1], self.0[3]);
                let v = vaddq_f32(low, high);
                let v = vadd_f32(vget_low_f32(v), vget_high_f32(v));
                vget_lane_f32::<0>(v) + vget_lane_f32::<1>(v)
            }
        }
    }
}
#[cfg(target_arch = "aarch64")]
pub(crate) use arm::Neon;

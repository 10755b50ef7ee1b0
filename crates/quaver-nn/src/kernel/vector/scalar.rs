//! Plain Rust: any machine, and what the others are compared with.

use super::{LANES, Lanes, Vector};

#[derive(Clone, Copy)]
pub(crate) struct Scalar([f32; LANES]);

#[inline(always)]
fn zip<A: Copy, B: Copy, C>(a: [A; LANES], b: [B; LANES], f: impl Fn(A, B) -> C) -> [C; LANES] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

impl Vector for Scalar {
    const WIDE: bool = false;
    const SUMS: usize = 1;
    type Mask = [bool; LANES];
    type Words = [u32; LANES];
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
    unsafe fn load_floats(from: *const f32) -> Self {
        // SAFETY: the caller's pointer is valid.
        Self(unsafe { from.cast::<[f32; LANES]>().read() })
    }
    #[inline(always)]
    unsafe fn store_floats(self, to: *mut f32) {
        // SAFETY: the caller's pointer is valid.
        unsafe { to.cast::<[f32; LANES]>().write(self.0) }
    }
    #[inline(always)]
    unsafe fn add(self, more: Self) -> Self {
        Self(zip(self.0, more.0, |a, b| a + b))
    }
    #[inline(always)]
    unsafe fn mul(self, by: Self) -> Self {
        Self(zip(self.0, by.0, |a, b| a * b))
    }
    #[inline(always)]
    unsafe fn fma(self, a: Self, b: Self) -> Self {
        Self(std::array::from_fn(|i| a.0[i].mul_add(b.0[i], self.0[i])))
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        Lanes(self.0).sum()
    }
    #[inline(always)]
    unsafe fn greater(self, than: Self) -> Self::Mask {
        zip(self.0, than.0, |a, b| a > b)
    }
    #[inline(always)]
    unsafe fn greater_or_nan(self, than: Self) -> Self::Mask {
        zip(self.0, than.0, |a, b| a > b || a.is_nan())
    }
    #[inline(always)]
    unsafe fn select(mask: Self::Mask, yes: Self, no: Self) -> Self {
        Self(std::array::from_fn(|i| {
            if mask[i] { yes.0[i] } else { no.0[i] }
        }))
    }
    #[inline(always)]
    unsafe fn bits(mask: Self::Mask) -> u16 {
        (0..LANES).fold(0, |bits, i| bits | u16::from(mask[i]) << i)
    }
    #[inline(always)]
    unsafe fn mask(bits: u16) -> Self::Mask {
        std::array::from_fn(|i| bits >> i & 1 == 1)
    }
    #[inline(always)]
    unsafe fn words(words: &[u32; LANES]) -> Self::Words {
        *words
    }
    #[inline(always)]
    unsafe fn splat_word(word: u32) -> Self::Words {
        [word; LANES]
    }
    #[inline(always)]
    unsafe fn xor(a: Self::Words, b: Self::Words) -> Self::Words {
        zip(a, b, |a, b| a ^ b)
    }
    #[inline(always)]
    unsafe fn multiply(a: Self::Words, factor: Self::Words) -> (Self::Words, Self::Words) {
        let products = zip(a, factor, |a, b| u64::from(a) * u64::from(b));
        (
            products.map(|p| (p >> 32) as u32),
            products.map(|p| p as u32),
        )
    }
    #[inline(always)]
    unsafe fn halves_at_least(words: Self::Words, threshold: u16) -> [Self::Mask; 2] {
        [
            words.map(|w| w as u16 >= threshold),
            words.map(|w| (w >> 16) as u16 >= threshold),
        ]
    }
}

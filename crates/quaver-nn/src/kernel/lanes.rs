//! [`Lanes`]: one number of sixteen examples.

/// Examples side by side.
pub(crate) const LANES: usize = 16;

/// One number of sixteen examples, aligned so that a load never crosses a cache line.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub(crate) struct Lanes(pub [f32; LANES]);

impl Lanes {
    /// Sixteen zeros.
    pub(crate) const ZERO: Self = Self([0.0; LANES]);

    /// The same number in every lane.
    #[inline(always)]
    pub(crate) const fn splat(value: f32) -> Self {
        Self([value; LANES])
    }

    /// Sum over lanes in the order of the tiled kernels: lane i with lane i+8, then +4, +2, +1.
    #[inline(always)]
    pub(crate) fn sum(self) -> f32 {
        let mut v = self.0;
        for width in [8, 4, 2, 1] {
            for i in 0..width {
                v[i] += v[i + width];
            }
        }
        v[0]
    }

    /// `f` on every lane.
    #[inline(always)]
    pub(crate) fn map(self, mut f: impl FnMut(f32) -> f32) -> Self {
        let mut out = self;
        for v in &mut out.0 {
            *v = f(*v);
        }
        out
    }

    /// `f` on the lanes of two.
    #[inline(always)]
    pub(crate) fn zip(self, other: Self, mut f: impl FnMut(f32, f32) -> f32) -> Self {
        let mut out = self;
        for (v, w) in out.0.iter_mut().zip(other.0) {
            *v = f(*v, w);
        }
        out
    }
}

/// The numbers of `lanes`, sixteen examples after sixteen examples.
pub(crate) fn flat(lanes: &[Lanes]) -> &[f32] {
    // SAFETY: `Lanes` is sixteen f32 without padding.
    unsafe { std::slice::from_raw_parts(lanes.as_ptr().cast(), lanes.len() * LANES) }
}

/// The numbers of `lanes`, to write.
pub(crate) fn flat_mut(lanes: &mut [Lanes]) -> &mut [f32] {
    // SAFETY: `Lanes` is sixteen f32 without padding.
    unsafe { std::slice::from_raw_parts_mut(lanes.as_mut_ptr().cast(), lanes.len() * LANES) }
}

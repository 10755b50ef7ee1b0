//! From one number of sixteen examples side by side to sixteen numbers of one example, and back.

use super::{Kernel, LANES, Lanes, Vector};

/// Puts numbers of a block side by side for each of its examples.
pub(crate) struct ToExamples<'a, At> {
    pub(crate) block: &'a [Lanes],
    /// How many numbers, and where in `block` each lies.
    pub(crate) n: usize,
    pub(crate) at: At,
    /// Up to sixteen examples, `example` numbers apart.
    pub(crate) out: &'a mut [f32],
    pub(crate) example: usize,
}

impl<At: Fn(usize) -> usize> Kernel for ToExamples<'_, At> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let (n, whole) = (self.n, self.n - self.n % LANES);
        let examples = || self.out.len().saturating_sub(n) / self.example + 1;
        let examples = examples().min(LANES);
        assert!((examples - 1) * self.example + n <= self.out.len());
        // SAFETY: `V` is available by `run`'s contract; what is stored was just checked.
        unsafe {
            for first in (0..whole).step_by(LANES) {
                let mut square = [V::splat(0.0); LANES];
                for i in 0..LANES {
                    square[i] = V::load(&raw const self.block[(self.at)(first + i)]);
                }
                V::transpose(&mut square);
                for l in 0..LANES {
                    if l < examples {
                        square[l].store_floats(self.out.as_mut_ptr().add(l * self.example + first));
                    }
                }
            }
        }
        for i in whole..n {
            let lanes = &self.block[(self.at)(i)];
            for l in 0..examples {
                self.out[l * self.example + i] = lanes.0[l];
            }
        }
    }
}

/// The way back of [`ToExamples`].
pub(crate) struct FromExamples<'a, Numbers, At> {
    /// Up to sixteen; lanes behind them get zeros.
    pub(crate) examples: usize,
    /// Puts an example's numbers from the given one on into lanes, as many as fit or there are.
    pub(crate) numbers: Numbers,
    /// How many numbers, and where in `block` each lies.
    pub(crate) n: usize,
    pub(crate) at: At,
    pub(crate) block: &'a mut [Lanes],
}

impl<Numbers, At> Kernel for FromExamples<'_, Numbers, At>
where
    Numbers: Fn(usize, usize, &mut [f32; LANES]),
    At: Fn(usize) -> usize,
{
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        for first in (0..self.n).step_by(LANES) {
            let mut rows = [Lanes::ZERO; LANES];
            for (l, row) in rows.iter_mut().take(self.examples).enumerate() {
                (self.numbers)(l, first, &mut row.0);
            }
            // SAFETY: `V` is available by `run`'s contract.
            unsafe {
                let mut square = [V::splat(0.0); LANES];
                for l in 0..LANES {
                    square[l] = V::load(&raw const rows[l]);
                }
                V::transpose(&mut square);
                for i in 0..LANES {
                    if first + i < self.n {
                        square[i].store(&raw mut self.block[(self.at)(first + i)]);
                    }
                }
            }
        }
    }
}

/// The first numbers of `from`, as many as fit or there are, made floats by `value`.
#[inline(always)]
pub(crate) fn take<T: Copy>(from: &[T], to: &mut [f32; LANES], value: impl Fn(T) -> f32) {
    match from.first_chunk::<LANES>() {
        Some(whole) => *to = whole.map(value),
        None => to
            .iter_mut()
            .zip(from)
            .for_each(|(to, from)| *to = value(*from)),
    }
}

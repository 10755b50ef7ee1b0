//! Dropout: a mask drawn for each example, element after element.

use super::{Kernel, LANES, Lanes, Vector};
use crate::noise::{LayerDraw, PHILOX_FACTORS, PHILOX_ROUNDS, philox_keys};

/// Elements that one draw of Philox decides: two halves of four words.
const GROUP: usize = 8;

/// `to = from · scale` where the element's draw is at least `threshold`, else 0.
pub(crate) struct Mask<'a> {
    pub(crate) draw: LayerDraw,
    /// Ids of the examples in the lanes, an array a block.
    pub(crate) ids: &'a [[u64; LANES]],
    pub(crate) threshold: u16,
    pub(crate) scale: f32,
    pub(crate) from: &'a [Lanes],
    pub(crate) to: &'a mut [Lanes],
}

impl Kernel for Mask<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        assert_eq!(self.from.len(), self.to.len());
        let size = self.to.len() / self.ids.len();
        let keys = philox_keys(self.draw.key);
        let blocks = self
            .from
            .chunks_exact(size)
            .zip(self.to.chunks_exact_mut(size));
        // SAFETY: `V` is available by `run`'s contract, and every pointer is a slice's element.
        unsafe {
            let (pass, scale) = (V::splat_word(self.draw.pass), V::splat(self.scale));
            for (ids, (from, to)) in self.ids.iter().zip(blocks) {
                let low = V::words(&ids.map(|id| id as u32));
                let high = V::words(&ids.map(|id| (id >> 32) as u32));
                let groups = from.chunks(GROUP).zip(to.chunks_mut(GROUP));
                for (group, (from, to)) in groups.enumerate() {
                    let counter = [low, high, pass, V::splat_word(group as u32)];
                    let words = philox::<V>(&keys, counter);
                    for (word, (from, to)) in words.iter().zip(from.chunks(2).zip(to.chunks_mut(2)))
                    {
                        let kept = V::halves_at_least(*word, self.threshold);
                        for (kept, (from, to)) in kept.iter().zip(from.iter().zip(to)) {
                            let scaled = V::load(from).mul(scale);
                            V::select(*kept, scaled, V::splat(0.0)).store(to);
                        }
                    }
                }
            }
        }
    }
}

/// [`crate::noise::philox`] in registers.
#[inline(always)]
unsafe fn philox<V: Vector>(
    keys: &[[u32; 2]; PHILOX_ROUNDS],
    [mut a, mut b, mut c, mut d]: [V::Words; 4],
) -> [V::Words; 4] {
    // SAFETY: the caller's contract.
    unsafe {
        let [first, second] = PHILOX_FACTORS;
        let factors = [V::splat_word(first), V::splat_word(second)];
        for key in keys {
            let (p_high, p_low) = V::multiply(a, factors[0]);
            let (q_high, q_low) = V::multiply(c, factors[1]);
            a = V::xor(V::xor(q_high, b), V::splat_word(key[0]));
            c = V::xor(V::xor(p_high, d), V::splat_word(key[1]));
            (b, d) = (q_low, p_low);
        }
    }
    [a, b, c, d]
}

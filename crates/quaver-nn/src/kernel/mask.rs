//! Dropout: a mask drawn for each example, element after element.

use super::random::{keys, philox_in};
use super::{Kernel, LANES, Lanes, Vector};

/// Elements that one draw of Philox decides: two halves of four words.
const GROUP: usize = 8;

/// `to = from · scale` where the element's draw is at least `threshold`, else 0.
pub(crate) struct Mask<'a> {
    /// Key of the layer's draw, and the number of the pass.
    pub(crate) key: u64,
    pub(crate) pass: u32,
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
        let keys = keys(self.key);
        let blocks = self
            .from
            .chunks_exact(size)
            .zip(self.to.chunks_exact_mut(size));
        // SAFETY: `V` is available by `run`'s contract, and every pointer is a slice's element.
        unsafe {
            let (pass, scale) = (V::splat_word(self.pass), V::splat(self.scale));
            for (ids, (from, to)) in self.ids.iter().zip(blocks) {
                let low = V::words(&ids.map(|id| id as u32));
                let high = V::words(&ids.map(|id| (id >> 32) as u32));
                let groups = from.chunks(GROUP).zip(to.chunks_mut(GROUP));
                for (group, (from, to)) in groups.enumerate() {
                    let counter = [low, high, pass, V::splat_word(group as u32)];
                    let words = philox_in::<V>(&keys, counter);
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

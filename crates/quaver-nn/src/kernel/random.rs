//! Philox, a generator that turns a key and a counter into random words.

use super::{LANES, Vector};

/// Rounds of Philox 4×32.
pub(super) const ROUNDS: usize = 10;
/// Factors of its two multiplications.
pub(super) const FACTORS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];

/// The round keys of `key`.
pub(super) fn keys(key: u64) -> [[u32; 2]; ROUNDS] {
    let step = |word: u32, by: u32, round: usize| word.wrapping_add(by.wrapping_mul(round as u32));
    std::array::from_fn(|round| {
        [
            step(key as u32, 0x9E37_79B9, round),
            step((key >> 32) as u32, 0xBB67_AE85, round),
        ]
    })
}

/// Ten rounds of Philox 4×32 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
/// 2011) in sixteen lanes.
pub(crate) fn philox(key: u64, counter: [[u32; LANES]; 4]) -> [[u32; LANES]; 4] {
    let [mut a, mut b, mut c, mut d] = counter;
    for [k0, k1] in keys(key) {
        for i in 0..LANES {
            let p = u64::from(a[i]) * u64::from(FACTORS[0]);
            let q = u64::from(c[i]) * u64::from(FACTORS[1]);
            a[i] = (q >> 32) as u32 ^ b[i] ^ k0;
            b[i] = q as u32;
            c[i] = (p >> 32) as u32 ^ d[i] ^ k1;
            d[i] = p as u32;
        }
    }
    [a, b, c, d]
}

/// [`philox`] in registers, under the round keys of its key.
#[inline(always)]
pub(super) unsafe fn philox_in<V: Vector>(
    keys: &[[u32; 2]; ROUNDS],
    [mut a, mut b, mut c, mut d]: [V::Words; 4],
) -> [V::Words; 4] {
    // SAFETY: the caller runs where the machine has `V`'s instruction set.
    unsafe {
        let [first, second] = FACTORS;
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

//! Which randomness a call uses, as a value: never a flag on a module.

use crate::kernel::LANES;
use crate::kernel::random::philox;
use serde::{Deserialize, Serialize};

/// What a stream of random numbers is drawn for. Streams of different purposes
/// never share a number, so a model is never scored on the draws it was attacked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Starting weights and the order of training images.
    Init,
    /// Training steps (the pass is the step).
    Train,
    /// The one pass that guesses labels for an attack.
    Label,
    /// Gradients of an attack (the pass is the step, or the step times the samples).
    Attack,
    /// Second, independent draw of an attack that runs backward through other noise.
    AttackBackward,
    /// Deciding whether an attack succeeded.
    Success,
    /// Monte-Carlo passes of an evaluation.
    Passes,
    /// Honesty checks.
    Check,
    /// Timing.
    Bench,
}

/// One draw of a network's randomness. What is drawn is a pure function of
/// (seed, purpose, pass, layer name) and, for noise drawn per example, the example's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Draw {
    /// Run seed.
    pub seed: u64,
    /// What the draw is for.
    pub purpose: Purpose,
    /// Number of the pass or step.
    pub pass: u32,
}

/// Which noise a call uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Noise {
    /// Dropout is the identity; stochastic weights take their most likely value.
    Off,
    /// Noise as drawn.
    Draw(Draw),
}

/// How an output is random while [`Noise`] is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Randomness {
    /// Not at all.
    None,
    /// Drawn for each example (dropout).
    PerExample,
    /// Drawn once for each pass, shared by all examples (stochastic weights), maybe dropout too.
    PerPass,
}

impl Noise {
    /// A draw of `purpose` at `pass`.
    pub const fn draw(seed: u64, purpose: Purpose, pass: u32) -> Self {
        Self::Draw(Draw {
            seed,
            purpose,
            pass,
        })
    }
}

/// A draw of one layer: the stream's key and pass.
#[derive(Clone, Copy, Debug)]
pub struct LayerDraw {
    pub(crate) key: u64,
    pub(crate) pass: u32,
    /// What the draw is for.
    pub purpose: Purpose,
}

impl Draw {
    /// The stream of the layer called `name`.
    pub fn of_layer(self, name: &str) -> LayerDraw {
        let mut hash = 0xCBF2_9CE4_8422_2325_u64;
        let tag = [self.purpose as u8];
        for byte in self
            .seed
            .to_le_bytes()
            .iter()
            .chain(&tag)
            .chain(name.as_bytes())
        {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
        // Finalizer of SplitMix64: FNV alone leaves high bits of short inputs poorly mixed.
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        LayerDraw {
            key: hash ^ (hash >> 31),
            pass: self.pass,
            purpose: self.purpose,
        }
    }
}

impl LayerDraw {
    /// Sixteen-bit uniform integers of eight consecutive elements for sixteen examples:
    /// element `8 * group + i` of the example in lane l is `[i][l]`.
    pub(crate) fn uniform_u16(self, ids: &[u64; LANES], group: u32) -> [[u16; LANES]; 8] {
        let low = ids.map(|id| id as u32);
        let high = ids.map(|id| (id >> 32) as u32);
        let words = philox(self.key, [low, high, [self.pass; LANES], [group; LANES]]);
        let mut out = [[0; LANES]; 8];
        for (w, word) in words.iter().enumerate() {
            for l in 0..LANES {
                out[2 * w][l] = word[l] as u16;
                out[2 * w + 1][l] = (word[l] >> 16) as u16;
            }
        }
        out
    }

    /// Sixteen-bit uniform integer of one element of the example `id`: what dropout compares
    /// with p · 2¹⁶ to drop the element.
    pub fn element(self, id: u64, element: usize) -> u16 {
        let drawn = self.uniform_u16(&[id; LANES], (element / 8) as u32);
        drawn[element % 8][0]
    }

    /// 24-bit uniform numbers in [0, 1) that no example keys: one for each weight.
    pub fn uniforms(self, out: &mut [f32]) {
        for (group, out) in out.chunks_mut(4 * LANES).enumerate() {
            let mut lane = [0; LANES];
            for (l, lane) in lane.iter_mut().enumerate() {
                *lane = (group * LANES + l) as u32;
            }
            // The second word tells weights from examples with small ids.
            let words = philox(
                self.key,
                [lane, [u32::MAX; LANES], [self.pass; LANES], [0; LANES]],
            );
            for (word, out) in words.iter().zip(out.chunks_mut(LANES)) {
                for (value, word) in out.iter_mut().zip(word) {
                    *value = (word >> 8) as f32 * (1.0 / 16_777_216.0);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_known_answers() {
        // Published known answers of the generator's reference distribution.
        let zero = philox(0, [[0; LANES]; 4]);
        assert_eq!(
            zero.map(|w| w[3]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        let ones = philox(u64::MAX, [[u32::MAX; LANES]; 4]);
        assert_eq!(
            ones.map(|w| w[0]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
    }

    #[test]
    fn streams_differ_by_every_part_of_the_key() {
        let ids: [u64; LANES] = std::array::from_fn(|i| i as u64);
        let base = Draw {
            seed: 1,
            purpose: Purpose::Train,
            pass: 0,
        };
        let first = base.of_layer("9").uniform_u16(&ids, 0);
        for other in [
            Draw { seed: 2, ..base }.of_layer("9"),
            Draw {
                purpose: Purpose::Passes,
                ..base
            }
            .of_layer("9"),
            Draw { pass: 1, ..base }.of_layer("9"),
            base.of_layer("12"),
        ] {
            assert_ne!(first, other.uniform_u16(&ids, 0));
        }
        assert_ne!(first[0][0], first[0][1]);
    }

    #[test]
    fn uniforms_are_uniform() {
        let mut out = vec![0.0; 100_003];
        Draw {
            seed: 0,
            purpose: Purpose::Init,
            pass: 0,
        }
        .of_layer("w")
        .uniforms(&mut out);
        let mean = out.iter().map(|&v| f64::from(v)).sum::<f64>() / out.len() as f64;
        assert!((mean - 0.5).abs() < 0.005, "{mean}");
        assert!(out.iter().all(|v| (0.0..1.0).contains(v)));
        assert_ne!(out[0], out[64]);
    }
}

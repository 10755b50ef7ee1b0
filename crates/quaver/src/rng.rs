//! Counter-based random numbers: every stream is a pure function of
//! (seed, purpose, id), so no draw depends on threads, batches or the order of calls.

/// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
///
/// The key is the 64-bit FNV-1a hash of the purpose, xored with the seed: streams of one
/// purpose never share a key. The counter holds the number of the block of four words
/// (low half) and the id (high half).
#[derive(Clone, Debug)]
pub struct Rng {
    key: [u32; 2],
    id: u64,
    block: u64,
    words: [u32; 4],
    used: usize,
}

impl Rng {
    /// The stream of `purpose` for sample `id` under the run's `seed`, from its beginning.
    #[must_use]
    pub fn new(seed: u64, purpose: &str, id: u64) -> Self {
        Self {
            key: halves(fnv1a(purpose.as_bytes()) ^ seed),
            id,
            block: 0,
            words: [0; 4],
            used: 4,
        }
    }

    /// The next 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            let [b0, b1] = halves(self.block);
            let [i0, i1] = halves(self.id);
            self.words = philox([b0, b1, i0, i1], self.key);
            self.block = self.block.wrapping_add(1);
            self.used = 0;
        }
        let word = self.words[self.used];
        self.used += 1;
        word
    }

    /// The next 64 bits, low word first.
    pub fn next_u64(&mut self) -> u64 {
        let low = u64::from(self.next_u32());
        low | u64::from(self.next_u32()) << 32
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in 0..n without bias (Lemire, "Fast random integer generation in an
    /// interval", 2019). 0 where `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        let n = n as u64;
        if n == 0 {
            return 0;
        }
        let biased = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            if product as u64 >= biased {
                return (product >> 64) as usize;
            }
        }
    }

    /// Standard normal (Box and Muller, 1958; the cosine half). Its logarithm and cosine
    /// are portable code, so the bits do not depend on the system's mathematics library.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(1.0 - self.uniform())).sqrt();
        radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }

    /// Standard normals, 32 random bits each, by the inverse of their distribution function:
    /// faster than [`Rng::normal`], in single precision (Wichura, "Algorithm AS 241: the
    /// percentage points of the normal distribution", 1988; its PPND7).
    pub fn normals(&mut self, out: &mut [f32]) {
        out.fill_with(|| quantile(self.next_u32()));
    }

    /// Puts `items` into a uniformly random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// Below this standard normals are (word + 1/2) / 2^32 of all.
fn quantile(word: u32) -> f32 {
    let ratio = |r: f32, above: [f32; 4], below: [f32; 4]| {
        let polynomial = |[a, b, c, d]: [f32; 4]| ((d * r + c) * r + b) * r + a;
        polynomial(above) / polynomial(below)
    };
    const SCALE: f32 = 1.0 / 4_294_967_296.0;
    // From the middle, and from the nearer end: neither loses digits.
    let middle = word as i32 ^ i32::MIN;
    let q = (middle as f32 + 0.5) * SCALE;
    if q.abs() <= 0.425 {
        let above = [3.387_132_7, 50.434_273, 159.291_13, 59.109_375];
        let below = [1.0, 17.895_17, 78.757_76, 67.187_56];
        return q * ratio(0.180_625 - q * q, above, below);
    }
    let end = if middle < 0 { word } else { !word };
    let tail = (end as f32 + 0.5) * SCALE;
    let r = (-libm::logf(tail)).sqrt() - 1.6;
    let above = [1.423_437_3, 2.756_815_4, 1.306_728_5, 0.170_238_2];
    let below = [1.0, 0.737_001_6, 0.120_211_33, 0.0];
    ratio(r, above, below).copysign(q)
}

fn halves(v: u64) -> [u32; 2] {
    [v as u32, (v >> 32) as u32]
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Ten rounds of Philox on a counter of four words.
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let [low0, high0] = halves(0xD251_1F53 * u64::from(counter[0]));
        let [low1, high1] = halves(0xCD9E_8D57 * u64::from(counter[2]));
        counter = [
            high1 ^ counter[1] ^ key[0],
            low1,
            high0 ^ counter[3] ^ key[1],
            low0,
        ];
        key = [
            key[0].wrapping_add(0x9E37_79B9),
            key[1].wrapping_add(0xBB67_AE85),
        ];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of the authors' Random123 library (`kat_vectors`, philox4x32 10).
    #[test]
    fn philox_gives_the_published_answers() {
        assert_eq!(
            philox([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn fnv1a_gives_the_published_answers() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn streams_differ_in_seed_purpose_and_id_and_replay() {
        let first = |seed, purpose, id| {
            let mut rng = Rng::new(seed, purpose, id);
            [(); 9].map(|()| rng.next_u32())
        };
        let here = first(1, "split", 2);
        assert_eq!(here, first(1, "split", 2));
        assert_ne!(here, first(2, "split", 2));
        assert_ne!(here, first(1, "bootstrap", 2));
        assert_ne!(here, first(1, "split", 3));
        assert_ne!(here[..4], here[4..8]);
    }

    #[test]
    fn uniform_has_its_moments_and_stays_below_one() {
        let mut rng = Rng::new(0, "test", 0);
        let values: Vec<f64> = (0..20_000).map(|_| rng.uniform()).collect();
        assert!(values.iter().all(|v| (0.0..1.0).contains(v)));
        let mean = values.iter().sum::<f64>() / 20_000.0;
        assert!((mean - 0.5).abs() < 4.0 * (1.0f64 / 12.0 / 20_000.0).sqrt());
    }

    #[test]
    fn below_reaches_every_value_alike() {
        let mut rng = Rng::new(0, "test", 1);
        let mut counts = [0u32; 3];
        for _ in 0..30_000 {
            counts[rng.below(3)] += 1;
        }
        assert!(
            counts.iter().all(|&c| c.abs_diff(10_000) < 400),
            "{counts:?}"
        );
        assert_eq!((rng.below(1), rng.below(0)), (0, 0));
    }

    #[test]
    fn normal_has_mean_zero_and_variance_one() {
        let mut rng = Rng::new(3, "test", 2);
        let values: Vec<f64> = (0..20_000).map(|_| rng.normal()).collect();
        let mean = values.iter().sum::<f64>() / 20_000.0;
        let variance = values.iter().map(|v| v * v).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.04);
    }

    #[test]
    fn quantiles_of_the_normal_distribution() {
        // Words of equal distance, their quantiles from tables.
        for (word, expected) in [
            (0x7fff_ffff, 0.0),
            (0x8000_0000, 0.0),
            (0xC000_0000, 0.674_489_75),
            (0x4000_0000, -0.674_489_75),
            (0xF999_9999, 1.959_964),
            (0x0028_F5C2, -3.227_218_4),
            (0, -6.337_958),
            (u32::MAX, 6.337_958),
        ] {
            let got = quantile(word);
            assert!((got - expected).abs() < 3e-6, "{word:x}: {got} {expected}");
        }
        let mut values = vec![0.0; 20_000];
        Rng::new(3, "test", 2).normals(&mut values);
        let mean = |f: &dyn Fn(f64) -> f64| {
            values.iter().map(|v| f(f64::from(*v))).sum::<f64>() / 20_000.0
        };
        assert!(mean(&|v| v).abs() < 0.03 && (mean(&|v| v * v) - 1.0).abs() < 0.04);
        assert!((mean(&|v| v.powi(4)) - 3.0).abs() < 0.25);
    }

    #[test]
    fn shuffle_keeps_the_items() {
        let mut items: Vec<u32> = (0..50).collect();
        Rng::new(0, "test", 3).shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}

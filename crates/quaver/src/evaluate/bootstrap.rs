//! The bootstrap: how a statistic varies over images like these, by drawing them again
//! with replacement.

use rayon::prelude::*;

use super::interval::Estimate;
use crate::rng::Rng;

/// Resamples behind every interval and p value: the 2.5 % ends are the 50th from either
/// side, and the smallest p value is 1/2000.
pub const N_REPLICATES: u64 = 1999;

/// A statistic and its replicates over resampled units (Efron, "Bootstrap methods:
/// another look at the jackknife", 1979).
#[derive(Clone, Debug, PartialEq)]
pub struct Bootstrap {
    n: usize,
    value: f64,
    /// Ascending, at least one.
    replicates: Vec<f64>,
}

impl Bootstrap {
    /// Resamples `n` units (images, for paired rows the same ones in every row).
    /// `statistic` is computed from how often each unit was drawn, `(n)`; it is called with
    /// ones for the value itself. Replicates without a value (no adversarial input drawn)
    /// are left out. `None` where the statistic itself has no finite value.
    ///
    /// The same `seed` gives the same bits at any number of threads.
    pub fn new(
        n: usize,
        seed: u64,
        statistic: impl Fn(&[u32]) -> Option<f64> + Sync,
    ) -> Option<Self> {
        Self::from_replicates(n, statistic(&vec![1; n]), |replicate| {
            statistic(&drawn(n, &mut Rng::new(seed, "bootstrap", replicate)))
        })
    }

    /// Resamples `n` images and `n_passes` passes independently of one another (Owen, "The
    /// pigeonhole bootstrap", 2007), for numbers whose passes draw weights that all images share.
    /// `statistic` is computed from how often each image `(n)` and each pass `(n_passes)` was
    /// drawn; otherwise as [`Bootstrap::new`].
    pub fn two_way(
        n: usize,
        n_passes: usize,
        seed: u64,
        statistic: impl Fn(&[u32], &[u32]) -> Option<f64> + Sync,
    ) -> Option<Self> {
        let value = statistic(&vec![1; n], &vec![1; n_passes]);
        Self::from_replicates(n, value, |replicate| {
            let mut rng = Rng::new(seed, "two-way bootstrap", replicate);
            let images = drawn(n, &mut rng);
            statistic(&images, &drawn(n_passes, &mut rng))
        })
    }

    fn from_replicates(
        n: usize,
        value: Option<f64>,
        replicate: impl Fn(u64) -> Option<f64> + Sync,
    ) -> Option<Self> {
        let value = value.filter(|v| n > 0 && v.is_finite())?;
        let mut replicates: Vec<f64> = (0..N_REPLICATES)
            .into_par_iter()
            .filter_map(&replicate)
            .filter(|v| v.is_finite())
            .collect();
        replicates.sort_unstable_by(f64::total_cmp);
        (!replicates.is_empty()).then_some(Self {
            n,
            value,
            replicates,
        })
    }

    /// The statistic on the units as they are.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.value
    }

    /// The statistic with its 95 % percentile interval, widened to hold the statistic.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        Estimate {
            n: self.n as u64,
            value: self.value,
            low: self.quantile(0.025).min(self.value),
            high: self.quantile(0.975).max(self.value),
        }
    }

    /// One-sided p value of "at most `threshold`" against "above": the share of replicates
    /// not above it, the statistic counted as one (Davison and Hinkley, "Bootstrap methods
    /// and their application", 1997, section 4.4).
    #[must_use]
    pub fn p_above(&self, threshold: f64) -> f64 {
        self.share(|replicate| replicate <= threshold)
    }

    /// One-sided p value of "at least `threshold`" against "below".
    #[must_use]
    pub fn p_below(&self, threshold: f64) -> f64 {
        self.share(|replicate| replicate >= threshold)
    }

    fn share(&self, contrary: impl Fn(f64) -> bool) -> f64 {
        let count = self.replicates.iter().filter(|&&r| contrary(r)).count();
        (count + 1) as f64 / (self.replicates.len() + 1) as f64
    }

    /// Linear interpolation between the neighboring replicates.
    fn quantile(&self, q: f64) -> f64 {
        let last = self.replicates.len() - 1;
        let place = q * last as f64;
        let below = self.replicates[place.floor() as usize];
        let above = self.replicates[(place.floor() as usize + 1).min(last)];
        below + (above - below) * place.fract()
    }
}

/// The mean of `values` over resampled units; `None` where there are none or one is not
/// finite.
#[must_use]
pub fn mean(values: &[f64], seed: u64) -> Option<Bootstrap> {
    Bootstrap::new(values.len(), seed, |times| weighted_mean(values, times))
}

/// Mean of `values`, each counted `times`; `None` where none is.
#[must_use]
pub fn weighted_mean(values: &[f64], times: &[u32]) -> Option<f64> {
    let pairs = || values.iter().zip(times);
    let n: u64 = pairs().map(|(_, &t)| u64::from(t)).sum();
    let sum: f64 = pairs().map(|(v, &t)| v * f64::from(t)).sum();
    (n > 0).then(|| sum / n as f64)
}

/// How often each of `n` units comes up in `n` draws with replacement.
fn drawn(n: usize, rng: &mut Rng) -> Vec<u32> {
    let mut times = vec![0; n];
    for _ in 0..n {
        times[rng.below(n)] += 1;
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The percentile interval of a share of half of 400 is about 1.96 · sqrt(0.25 / 400).
    #[test]
    fn interval_of_a_share_is_near_the_normal_one() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 2)).collect();
        let estimate = mean(&values, 0).unwrap().estimate();
        assert_eq!((estimate.n, estimate.value), (400, 0.5));
        assert!((estimate.high - 0.549).abs() < 0.006, "{estimate:?}");
        assert!((estimate.low - 0.451).abs() < 0.006, "{estimate:?}");
    }

    #[test]
    fn p_values_are_small_where_the_data_are_clear() {
        let values: Vec<f64> = (0..100).map(|i| f64::from(i % 10)).collect();
        let bootstrap = mean(&values, 1).unwrap();
        assert_eq!(bootstrap.p_above(0.0), 1.0 / 2000.0);
        assert_eq!(bootstrap.p_below(0.0), 1.0);
        assert!((0.4..0.6).contains(&bootstrap.p_above(4.5)));
    }

    #[test]
    fn shared_passes_widen_the_interval() {
        // Every image is right in the same half of the passes.
        let share =
            |_: &[u32], passes: &[u32]| Some(f64::from(passes[..5].iter().sum::<u32>()) / 10.0);
        let two_way = Bootstrap::two_way(200, 10, 0, share).unwrap().estimate();
        assert_eq!((two_way.value, two_way.n), (0.5, 200));
        assert!((two_way.high - 0.81).abs() < 0.11, "{two_way:?}");
    }

    #[test]
    fn threads_do_not_change_the_bits() {
        let values: Vec<f64> = (0..83).map(|i| f64::from(i * i % 17)).collect();
        let run = |n_threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads);
            pool.build().unwrap().install(|| mean(&values, 3))
        };
        assert_eq!(run(1), run(2));
        assert_ne!(mean(&values, 3), mean(&values, 4));
    }

    #[test]
    fn nothing_has_no_statistic() {
        assert_eq!(mean(&[], 0), None);
        assert_eq!(mean(&[1.0, f64::NAN], 0), None);
    }
}

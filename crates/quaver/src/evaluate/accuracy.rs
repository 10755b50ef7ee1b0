//! Accuracy of verdicts, of single passes, and under several attacks at once.

use ndarray::{ArrayView1, ArrayView2, Axis};

use super::interval::{Estimate, Rate, Z_95};
use crate::classifier::Randomness;
use crate::decision::Verdict;

/// Which images are answered rightly. Of unequal lengths the shorter counts: an
/// interrupted run has verdicts for the first images only.
#[must_use]
pub fn correct(verdicts: &[Verdict], labels: &[usize]) -> Vec<bool> {
    let pairs = verdicts.iter().zip(labels);
    pairs.map(|(verdict, &label)| verdict.is(label)).collect()
}

/// Share of verdicts that are the label; abstaining and rejecting count as wrong. `None`
/// where there are none.
#[must_use]
pub fn accuracy(verdicts: &[Verdict], labels: &[usize]) -> Option<Rate> {
    Rate::of(correct(verdicts, labels))
}

/// Mean over all passes of the accuracy of a single pass, gathered image by image in the memory
/// of a few numbers.
#[derive(Clone, Copy, Debug)]
pub struct SinglePasses {
    n_passes: u32,
    n: u64,
    hits: u64,
    squares: u128,
}

impl SinglePasses {
    /// No images yet, `n_passes` passes over each.
    #[must_use]
    pub fn new(n_passes: u32) -> Self {
        Self {
            n_passes,
            n: 0,
            hits: 0,
            squares: 0,
        }
    }

    /// Takes an image of which `hits` passes are right.
    pub fn push(&mut self, hits: u32) {
        self.n += 1;
        self.hits += u64::from(hits);
        self.squares += u128::from(hits).pow(2);
    }

    /// The mean with its normal 95 % interval over images like these; `None` where there are no
    /// images or no passes. Where each pass draws weights that all images share, `by_pass` says
    /// how many images each pass gets right: then passes count as drawn too, by the variance of
    /// the bootstrap of rows and columns (Owen, "The pigeonhole bootstrap", 2007, section 3).
    #[must_use]
    pub fn estimate(&self, by_pass: Option<&[u64]>) -> Option<Estimate> {
        if self.n == 0 || self.n_passes == 0 {
            return None;
        }
        let (n, passes) = (self.n as f64, f64::from(self.n_passes));
        let (total, squares) = (self.hits as f64, self.squares as f64);
        let value = total / (n * passes);
        let second_moment = match by_pass {
            // Draws with replacement: two of the n are the same with probability 1 / n.
            None => (1.0 - 1.0 / n) * total * total + squares,
            Some(by_pass) => {
                let columns: f64 = by_pass.iter().map(|&hits| (hits as f64).powi(2)).sum();
                (1.0 - 1.0 / n) * (1.0 - 1.0 / passes) * total * total
                    + (1.0 - 1.0 / passes) * squares
                    + (1.0 - 1.0 / n) * columns
                    + total
            }
        };
        let variance = (second_moment - total * total) / (n * passes).powi(2);
        let half = Z_95 * variance.max(0.0).sqrt();
        Some(Estimate {
            n: self.n,
            value,
            low: (value - half).max(0.0),
            high: (value + half).min(1.0),
        })
    }
}

/// [`SinglePasses`] of `hits` `(n, n_passes)`: whether each pass is right.
#[must_use]
pub fn mean_single(hits: ArrayView2<'_, bool>, randomness: Randomness) -> Option<Estimate> {
    let count = |cells: ArrayView1<'_, bool>| cells.iter().filter(|hit| **hit).count();
    let mut seen = SinglePasses::new(u32::try_from(hits.ncols()).ok()?);
    for row in hits.outer_iter() {
        seen.push(count(row) as u32);
    }
    let columns = hits.axis_iter(Axis(1));
    let by_pass: Vec<u64> = columns.map(|pass| count(pass) as u64).collect();
    let shared = randomness == Randomness::PerPass;
    seen.estimate(shared.then_some(&by_pass[..]))
}

/// Which images stay right under every one of `attacks` (each: right or not, an image).
/// Images beyond the shortest list are left out; `None` without attacks.
#[must_use]
pub fn worst_case(attacks: &[&[bool]]) -> Option<Vec<bool>> {
    let n = attacks.iter().map(|right| right.len()).min()?;
    let stays = |image: usize| attacks.iter().all(|right| right[image]);
    Some((0..n).map(stays).collect())
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::rng::Rng;

    #[test]
    fn abstaining_and_rejecting_are_wrong() {
        let verdicts = [
            Verdict::Class(3),
            Verdict::Class(0),
            Verdict::Abstain,
            Verdict::Rejected,
        ];
        assert_eq!(accuracy(&verdicts, &[3, 1, 0, 0]), Rate::new(1, 4));
        assert_eq!(accuracy(&[], &[]), None);
    }

    #[test]
    fn shared_weights_make_single_passes_less_certain() {
        // Right in the even passes, whatever the image.
        let hits = Array2::from_shape_fn((50, 4), |(_, pass)| pass % 2 == 0);
        let per_pass = mean_single(hits.view(), Randomness::PerPass).unwrap();
        let per_example = mean_single(hits.view(), Randomness::PerExample).unwrap();
        assert_eq!((per_pass.value, per_example.value), (0.5, 0.5));
        assert!((per_example.high - per_example.low).abs() < 1e-6);
        assert!(per_pass.low < 0.3 && per_pass.high > 0.7);
        let none = Array2::from_elem((0, 4), false);
        assert_eq!(mean_single(none.view(), Randomness::PerPass), None);
        assert_eq!(mean_single(none.view(), Randomness::None), None);
    }

    /// The closed form against a bootstrap that is run.
    #[test]
    fn the_interval_is_the_pigeonhole_bootstraps() {
        let cell = |row: usize, pass: usize| {
            Rng::new(1, "cell", (row * 30 + pass) as u64).uniform()
                < 0.4 + 0.02 * (pass % 11) as f64
        };
        let hits = Array2::from_shape_fn((40, 30), |(row, pass)| cell(row, pass));
        let seen = mean_single(hits.view(), Randomness::PerPass).unwrap();
        let resampled = |replicate| {
            let mut rng = Rng::new(2, "resample", replicate);
            let mut drawn = |n: usize| -> Vec<usize> { (0..n).map(|_| rng.below(n)).collect() };
            let (rows, passes) = (drawn(40), drawn(30));
            let row_hits = |&row: &usize| passes.iter().filter(|&&p| hits[[row, p]]).count();
            rows.iter().map(row_hits).sum::<usize>() as f64 / 1200.0
        };
        let values: Vec<f64> = (0..4000).map(resampled).collect();
        let deviation = crate::evaluate::spread::Spread::of(&values)
            .unwrap()
            .standard_deviation;
        let half = (seen.high - seen.low) / 2.0;
        assert!(
            (half / (Z_95 * deviation) - 1.0).abs() < 0.05,
            "{half} {deviation}"
        );
    }

    #[test]
    fn one_success_is_enough_for_the_worst_case() {
        let (fgsm, pgd) = ([true, true, false], [true, false, true]);
        assert_eq!(worst_case(&[&fgsm, &pgd]), Some(vec![true, false, false]));
        assert_eq!(worst_case(&[]), None);
    }
}

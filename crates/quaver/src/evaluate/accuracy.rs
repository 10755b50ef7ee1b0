//! Accuracy of verdicts, of single passes, and under several attacks at once.

use super::bootstrap::{self, Bootstrap};
use super::interval::{Estimate, Rate};
use crate::classifier::Randomness;
use crate::decision::Verdict;
use crate::uncertainty::McOutputs;

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

/// Mean over all passes of the accuracy of a single pass. Where each pass draws weights
/// that all images share, the interval resamples images and passes, else images alone.
/// `None` where there are no images or no passes.
#[must_use]
pub fn mean_single(
    outputs: &McOutputs,
    labels: &[usize],
    randomness: Randomness,
    seed: u64,
) -> Option<Estimate> {
    let n_passes = outputs.classes.ncols();
    let rows = outputs.classes.outer_iter().zip(labels);
    let hits: Vec<u8> = rows
        .flat_map(|(row, &label)| row.mapv(|class| u8::from(usize::from(class) == label)))
        .collect();
    let bootstrap = match randomness {
        Randomness::PerPass => Bootstrap::two_way(&hits, n_passes, seed),
        Randomness::None | Randomness::PerExample => {
            let shares: Vec<f64> = hits
                .chunks_exact(n_passes.max(1))
                .map(|row| row.iter().map(|&hit| f64::from(hit)).sum::<f64>() / row.len() as f64)
                .collect();
            bootstrap::mean(&shares, seed)
        }
    };
    bootstrap.map(|seen| seen.estimate())
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
    use crate::uncertainty::UNDECIDED;

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

    fn outputs(n: usize) -> McOutputs {
        McOutputs {
            images: Vec::new(),
            // Right in the even passes; an undecided pass is wrong whatever the label.
            classes: Array2::from_shape_fn((n, 4), |(_, pass)| [7, 1, 7, UNDECIDED][pass]),
        }
    }

    #[test]
    fn shared_weights_make_single_passes_less_certain() {
        let labels = [7; 50];
        let per_pass = mean_single(&outputs(50), &labels, Randomness::PerPass, 0).unwrap();
        let per_example = mean_single(&outputs(50), &labels, Randomness::PerExample, 0).unwrap();
        assert_eq!((per_pass.value, per_example.value), (0.5, 0.5));
        assert_eq!(per_example.low, 0.5);
        assert!(per_pass.low < 0.3 && per_pass.high > 0.7);
        assert_eq!(mean_single(&outputs(0), &[], Randomness::PerPass, 0), None);
        assert_eq!(mean_single(&outputs(0), &[], Randomness::None, 0), None);
    }

    #[test]
    fn one_success_is_enough_for_the_worst_case() {
        let (fgsm, pgd) = ([true, true, false], [true, false, true]);
        assert_eq!(worst_case(&[&fgsm, &pgd]), Some(vec![true, false, false]));
        assert_eq!(worst_case(&[]), None);
    }
}

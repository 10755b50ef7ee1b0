//! [`monte_carlo`]: the passes, run.

use ndarray::{Axis, Slice};

use super::{Accumulator, Measure};
use crate::classifier::{Batch, Classifier, ClassifierError, Draw, reduce_passes};
use crate::decision::{Decision, Verdict, softmax};
use crate::observe::Observer;

/// Images between two questions to the observer. Bounds how long stopping takes and how
/// often per-pass weights are drawn anew; results do not depend on it.
const SLICE: usize = 512;

/// Passes over a slice between two questions to the observer.
const PASSES: u32 = 500;

/// Takes the class that a pass names, `None` where an output is not a number:
/// `(row in the batch, pass from 0, class)`. Passes of a row arrive in order, rows in any.
pub type ClassSink<'a> = dyn Fn(usize, u32, Option<usize>) + Sync + 'a;

/// What is kept of the passes over a batch, however many they are: its first images, all of
/// them unless the observer stopped the call.
#[derive(Clone, Debug)]
pub struct McOutputs {
    /// One an image, in batch order.
    pub images: Vec<Accumulator>,
}

impl McOutputs {
    /// The answer about each image under `decision`.
    #[must_use]
    pub fn verdicts(&self, decision: Decision) -> Vec<Verdict> {
        let verdict = |seen: &Accumulator| decision.verdict(seen.tally());
        self.images.iter().map(verdict).collect()
    }

    /// The uncertainty of each image; `None` where an output was not a number.
    #[must_use]
    pub fn scores(&self, measure: Measure) -> Vec<Option<f64>> {
        self.images.iter().map(|seen| measure.of(seen)).collect()
    }
}

/// Monte-Carlo inference: `n_passes` passes over each image of `batch` on the randomness
/// of `draw`, reduced to accumulators as they arrive (Gal and Ghahramani, "Dropout as a
/// Bayesian approximation", 2016). Outputs depend on each image and its id, not on the batch.
///
/// The observer counts images. When it stops the call, the images finished so far return.
///
/// # Errors
/// What the classifier refuses.
pub fn monte_carlo(
    classifier: &dyn Classifier,
    batch: Batch<'_>,
    draw: Draw,
    n_passes: u32,
    observer: &dyn Observer,
) -> Result<McOutputs, ClassifierError> {
    monte_carlo_classes(classifier, batch, draw, n_passes, observer, &|_, _, _| ())
}

/// [`monte_carlo`] that hands the class of every pass to `class`.
///
/// # Errors
/// What the classifier refuses.
pub fn monte_carlo_classes(
    classifier: &dyn Classifier,
    batch: Batch<'_>,
    draw: Draw,
    n_passes: u32,
    observer: &dyn Observer,
    class: &ClassSink<'_>,
) -> Result<McOutputs, ClassifierError> {
    let n = batch.ids.len();
    let n_classes = classifier.n_classes();
    let mut images: Vec<Accumulator> = Vec::with_capacity(n);
    observer.begin("passes", n as u64);
    for start in (0..n).step_by(SLICE) {
        let end = n.min(start + SLICE);
        let slice = Batch {
            x: batch.x.slice_axis(Axis(0), Slice::from(start..end)),
            ids: &batch.ids[start..end],
        };
        let mut rows = vec![Accumulator::new(n_classes); slice.ids.len()];
        for from in (0..n_passes).step_by(PASSES as usize) {
            if !observer.go_on() {
                observer.end();
                return Ok(McOutputs { images });
            }
            let part = Draw {
                pass: draw.pass + from,
                ..draw
            };
            let n = PASSES.min(n_passes - from);
            rows = reduce_passes(classifier, slice, part, n, rows, |row, seen, logits| {
                let pass = seen.n();
                class(start + row, pass, seen.push(&softmax(logits)));
            })?;
        }
        images.extend(rows);
        observer.progress(end as u64, "");
    }
    observer.end();
    Ok(McOutputs { images })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    use ndarray::{Array2, Array4, ArrayView4};

    use super::*;
    use crate::classifier::{Noise, Purpose, Randomness, Tap, Upstream, Vjp};
    use crate::observe::Silent;
    use crate::rng::Rng;
    use crate::uncertainty::measure;

    /// Two classes; logits are the pixel and a normal draw of (seed, id, pass).
    struct Noisy;

    impl Classifier for Noisy {
        fn input_shape(&self) -> [usize; 3] {
            [1, 1, 1]
        }
        fn n_classes(&self) -> usize {
            2
        }
        fn randomness(&self) -> Randomness {
            Randomness::PerExample
        }
        fn logits(&self, batch: Batch<'_>, noise: Noise) -> Result<Array2<f32>, ClassifierError> {
            Ok(Array2::from_shape_fn(
                (batch.ids.len(), 2),
                |(row, class)| match (class, noise) {
                    (0, _) => batch.x[[row, 0, 0, 0]],
                    (_, Noise::Off) => 0.0,
                    (_, Noise::Draw(draw)) => {
                        let purpose = format!("pass {}", draw.pass);
                        Rng::new(draw.seed, &purpose, batch.ids[row]).normal() as f32
                    }
                },
            ))
        }
        fn has_gradient(&self) -> bool {
            false
        }
        fn vjp(
            &self,
            _: Batch<'_>,
            _: &[Noise],
            _: &[Tap<'_>],
            _: &Upstream<'_>,
        ) -> Result<Vjp, ClassifierError> {
            Err(ClassifierError::NoGradient)
        }
    }

    const DRAW: Draw = Draw {
        seed: 5,
        purpose: Purpose::Passes,
        pass: 0,
    };

    fn run(x: ArrayView4<'_, f32>, ids: &[u64], observer: &dyn Observer) -> McOutputs {
        monte_carlo(&Noisy, Batch { x, ids }, DRAW, 8, observer).unwrap()
    }

    #[test]
    fn a_batch_equals_its_singles() {
        let x = Array4::from_shape_fn((5, 1, 1, 1), |(i, ..)| i as f32 * 0.3);
        let ids = [3, 1, 4, 1_000_000_007, 5];
        let all = run(x.view(), &ids, &Silent);
        for row in 0..5 {
            let single = run(
                x.slice_axis(Axis(0), Slice::from(row..=row)),
                &ids[row..=row],
                &Silent,
            );
            assert_eq!(single.images[0], all.images[row]);
        }
    }

    #[test]
    fn classes_counts_and_scores_agree() {
        let x = Array4::from_elem((1, 1, 1, 1), 0.2);
        let classes = Mutex::new(Vec::new());
        let note = |row, pass, class| classes.lock().unwrap().push((row, pass, class));
        let batch = Batch {
            x: x.view(),
            ids: &[9],
        };
        let outputs = monte_carlo_classes(&Noisy, batch, DRAW, 8, &Silent, &note).unwrap();
        let classes = classes.into_inner().unwrap();
        assert!((0..8).eq(classes.iter().map(|(_, pass, _)| *pass)));
        let named_1 = classes.iter().filter(|(.., class)| *class == Some(1));
        assert_eq!(
            outputs.images[0].tally().counts()[1] as usize,
            named_1.count()
        );
        let first = classes[0].2.unwrap();
        assert_eq!(outputs.verdicts(Decision::First), [Verdict::Class(first)]);
        let variance = outputs.scores(measure("variance").unwrap())[0].unwrap();
        assert!(variance > 0.0);
    }

    #[test]
    fn not_a_number_is_undecided_and_has_no_score() {
        let x = Array4::from_elem((1, 1, 1, 1), f32::NAN);
        let outputs = run(x.view(), &[9], &Silent);
        assert_eq!(outputs.images[0].tally().counts(), [0, 0]);
        assert_eq!(outputs.scores(measure("margin").unwrap()), [None]);
    }

    /// Stops after the first slice.
    #[derive(Default)]
    struct Once(AtomicU64);

    impl Observer for Once {
        fn progress(&self, done: u64, _: &str) {
            self.0.store(done, Ordering::Relaxed);
        }
        fn go_on(&self) -> bool {
            self.0.load(Ordering::Relaxed) == 0
        }
    }

    #[test]
    fn stopping_keeps_the_finished_images() {
        let n = SLICE + 3;
        let x = Array4::zeros((n, 1, 1, 1));
        let ids: Vec<u64> = (0..n as u64).collect();
        let outputs = run(x.view(), &ids, &Once::default());
        assert_eq!(outputs.images.len(), SLICE);
    }
}

//! [`Summary`]: accuracy and uncertainty of a network over passes, gathered slice by slice.

use ndarray::Array2;
use std::sync::atomic::{AtomicU64, Ordering};

use super::accuracy::SinglePasses;
use super::interval::{Estimate, Rate};
use super::spread::{Running, Spread};
use crate::classifier::{Batch, Classifier, ClassifierError, Draw, Noise, Purpose, Randomness};
use crate::decision::{Decision, Verdict, argmax};
use crate::observe::Observer;
use crate::uncertainty::{Accumulator, MEASURES, Measure, monte_carlo_classes};

/// What is known of all images so far. Its memory does not grow with images, and with passes
/// only by eight bytes each where passes draw weights that all images share.
#[derive(Debug)]
pub struct Summary {
    draw: Draw,
    decision: Decision,
    /// Images, and those rightly answered with the noise off, by the first pass, by all, and by
    /// the decision.
    n: u64,
    right: [u64; 4],
    abstained: u64,
    single_passes: SinglePasses,
    by_pass: Option<Vec<u64>>,
    uncertainty: Vec<Running>,
}

/// What a network answers about the images of a slice.
#[derive(Clone, Debug)]
pub struct Answers {
    /// Outputs with the noise off, `(n, n_classes)`.
    pub logits: Array2<f32>,
    /// The passes over each image.
    pub images: Vec<Accumulator>,
}

impl Summary {
    /// No images yet; passes over each, as many as `decision` reads, will be on the randomness of
    /// `seed`.
    #[must_use]
    pub fn new(decision: Decision, randomness: Randomness, seed: u64) -> Self {
        let n_passes = decision.n_passes();
        Self {
            draw: Draw {
                seed,
                purpose: Purpose::Passes,
                pass: 0,
            },
            decision,
            n: 0,
            right: [0; 4],
            abstained: 0,
            single_passes: SinglePasses::new(n_passes),
            by_pass: (randomness == Randomness::PerPass).then(|| vec![0; n_passes as usize]),
            uncertainty: vec![Running::default(); MEASURES.len()],
        }
    }

    /// Asks `classifier` about a slice and counts the answers; `labels` are the true ones, one an
    /// image, or none. `None`, and nothing counted, where `observer` stops it.
    ///
    /// # Errors
    /// What the classifier refuses.
    pub fn ask(
        &mut self,
        classifier: &dyn Classifier,
        batch: Batch<'_>,
        labels: Option<&[usize]>,
        observer: &dyn Observer,
    ) -> Result<Option<Answers>, ClassifierError> {
        let logits = classifier.logits(batch, Noise::Off)?;
        let by_pass = self.by_pass.iter().flatten();
        let hits: Vec<AtomicU64> = by_pass.map(|_| AtomicU64::new(0)).collect();
        let note = |row: usize, pass: u32, class: Option<usize>| {
            let is_hit = labels.is_some_and(|labels| class == Some(labels[row]));
            if let Some(hits) = hits.get(pass as usize).filter(|_| is_hit) {
                hits.fetch_add(1, Ordering::Relaxed);
            }
        };
        let (draw, n_passes) = (self.draw, self.decision.n_passes());
        let seen = monte_carlo_classes(classifier, batch, draw, n_passes, observer, &note)?;
        if seen.images.len() < batch.ids.len() {
            return Ok(None);
        }
        for (sum, hits) in self.by_pass.iter_mut().flatten().zip(hits) {
            *sum += hits.into_inner();
        }
        let images = seen.images;
        self.n += images.len() as u64;
        for (measure, running) in MEASURES.iter().zip(&mut self.uncertainty) {
            let scores = images.iter().map(|image| measure.of(image));
            scores.for_each(|score| running.push(score.unwrap_or(f64::NAN)));
        }
        let verdicts = images
            .iter()
            .map(|seen| self.decision.verdict(seen.tally()));
        let verdicts: Vec<Verdict> = verdicts.collect();
        let abstained = verdicts.iter().filter(|verdict| verdict.class().is_none());
        self.abstained += abstained.count() as u64;
        for (row, &label) in labels.unwrap_or_default().iter().enumerate() {
            let tally = images[row].tally();
            let off: Vec<f64> = logits.row(row).iter().map(|&l| f64::from(l)).collect();
            let rights = [
                argmax(&off) == Some(label),
                Decision::First.verdict(tally).is(label),
                Decision::Mean(n_passes).verdict(tally).is(label),
                verdicts[row].is(label),
            ];
            for (count, right) in self.right.iter_mut().zip(rights) {
                *count += u64::from(right);
            }
            self.single_passes.push(tally.counts()[label]);
        }
        Ok(Some(Answers { logits, images }))
    }

    /// Images so far.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Accuracy with the noise off, of the first pass, of the mean of all passes, and of the
    /// decision. Without labels all is wrong: ask only with them.
    #[must_use]
    pub fn accuracies(&self) -> [Option<Rate>; 4] {
        self.right.map(|right| Rate::new(right, self.n))
    }

    /// Share of images on which the decision names no class.
    #[must_use]
    pub fn abstained(&self) -> Option<Rate> {
        Rate::new(self.abstained, self.n)
    }

    /// Mean over passes of the accuracy of a single one.
    #[must_use]
    pub fn mean_single(&self) -> Option<Estimate> {
        self.single_passes.estimate(self.by_pass.as_deref())
    }

    /// How each measure of uncertainty is spread over the images; `None` where an output was not
    /// a number.
    pub fn uncertainty(&self) -> impl Iterator<Item = (&'static Measure, Option<Spread>)> {
        let pairs = MEASURES.iter().zip(&self.uncertainty);
        pairs.map(|(measure, running)| (measure, running.spread()))
    }
}

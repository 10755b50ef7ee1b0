//! [`Seen`]: what has been asked of a classifier about a batch, for all features to read.

use ndarray::Array2;

use crate::classifier::{Batch, Classifier, ClassifierError, Draw, Noise, Tap};
use crate::observe::Observer;
use crate::uncertainty::{Accumulator, monte_carlo};

/// A classifier's passes over a batch, and its outputs with the noise off.
pub struct Seen<'a> {
    /// Who was asked, for features that ask more.
    pub classifier: &'a dyn Classifier,
    /// The images.
    pub batch: Batch<'a>,
    /// The randomness of the first pass.
    pub draw: Draw,
    /// The passes over each image.
    pub images: Vec<Accumulator>,
    outputs: Vec<(Tap<'a>, Array2<f32>)>,
}

impl<'a> Seen<'a> {
    /// Takes `n_passes` passes from `draw` on, and the outputs `taps` with the noise off. `None`
    /// where `observer` stops it; it counts images.
    ///
    /// # Errors
    /// What the classifier refuses.
    pub fn ask(
        classifier: &'a dyn Classifier,
        batch: Batch<'a>,
        (draw, n_passes): (Draw, u32),
        taps: &[Tap<'a>],
        observer: &dyn Observer,
    ) -> Result<Option<Self>, ClassifierError> {
        let images = monte_carlo(classifier, batch, draw, n_passes, observer)?.images;
        if images.len() < batch.ids.len() {
            return Ok(None);
        }
        let outputs = match taps {
            [] => Vec::new(),
            _ => classifier.outputs(batch, Noise::Off, taps)?,
        };
        Ok(Some(Self {
            classifier,
            batch,
            draw,
            images,
            outputs: taps.iter().copied().zip(outputs).collect(),
        }))
    }

    /// The output `tap` with the noise off, `(n, width)`.
    ///
    /// # Errors
    /// [`ClassifierError::UnknownTap`] of one that was not asked for.
    pub fn output(&self, tap: Tap<'_>) -> Result<&Array2<f32>, ClassifierError> {
        let found = self.outputs.iter().find(|(asked, _)| *asked == tap);
        let found = found.map(|(_, output)| output);
        found.ok_or_else(|| ClassifierError::UnknownTap {
            got: format!("{tap:?}"),
            allowed: "those that were asked for".into(),
        })
    }

    /// The noise of every pass.
    #[must_use]
    pub fn noises(&self) -> Vec<Noise> {
        let n_passes = self.images.first().map_or(0, Accumulator::n);
        let noise = |pass| {
            let pass = self.draw.pass + pass;
            Noise::Draw(Draw { pass, ..self.draw })
        };
        (0..n_passes).map(noise).collect()
    }
}

//! [`Outputs`]: what an attack was answered.

use ndarray::Array2;

use crate::decision::{argmax, softmax};

use super::active::Active;
use super::objective::Loss;

/// A logit that is further below the largest one has a probability under 2^-25, which leaves 1
/// where it is taken from 1 in single precision.
const SATURATED: f32 = 17.33;

/// What a classifier answered under each draw of a query.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// Layer outputs that were asked for beside the logits.
    taps: Vec<String>,
    /// Draw after draw: the logits, then the taps, `(n, width)` each, rows side by side.
    arrays: Vec<Array2<f32>>,
}

impl Outputs {
    pub(super) fn new(taps: &[String], arrays: impl IntoIterator<Item = Array2<f32>>) -> Self {
        let in_rows = |array: Array2<f32>| match array.is_standard_layout() {
            true => array,
            false => array.as_standard_layout().into_owned(),
        };
        Self {
            taps: taps.to_vec(),
            arrays: arrays.into_iter().map(in_rows).collect(),
        }
    }

    /// Logits under the first draw, `(n, n_classes)`.
    pub(super) fn logits(&self) -> &Array2<f32> {
        &self.arrays[0]
    }

    /// Outputs for the image at `place`, as [`super::objective::View`] has them.
    pub(super) fn of_image(&self, place: usize) -> Vec<&[f32]> {
        let all = self.arrays.iter();
        let rows = all.map(|array| (array.as_slice().unwrap_or_default(), array.ncols()));
        rows.map(|(all, width)| &all[place * width..][..width])
            .collect()
    }

    /// Softmax of the image at `place`, averaged over the draws, `(n_classes)`.
    #[must_use]
    pub fn probs(&self, place: usize) -> Vec<f64> {
        let mut mean = vec![0.0; self.arrays[0].ncols()];
        let draws = self.arrays.iter().step_by(1 + self.taps.len());
        let n_draws = draws.len() as f64;
        for logits in draws {
            for (mean, p) in mean.iter_mut().zip(softmax(&logits.row(place).to_vec())) {
                *mean += p / n_draws;
            }
        }
        mean
    }

    /// Class of the image at `place` by the mean softmax, the lowest at ties; `None` if an output
    /// is not a number.
    #[must_use]
    pub fn class(&self, place: usize) -> Option<usize> {
        argmax(&self.probs(place))
    }

    /// Whether the softmax of the image at `place` is so sure under every draw that the largest
    /// probability is 1 in single precision.
    pub(super) fn saturates(&self, place: usize) -> bool {
        let mut draws = self.arrays.iter().step_by(1 + self.taps.len());
        draws.all(|logits| {
            let row = logits.row(place);
            let best = row.iter().fold(f32::NEG_INFINITY, |best, z| best.max(*z));
            let near = row.iter().filter(|z| **z > best - SATURATED);
            near.count() == 1
        })
    }

    /// The loss of the image at `place` among `active`.
    #[must_use]
    pub fn value<S>(&self, place: usize, loss: &Loss, active: &Active<'_, S>) -> f64 {
        loss.value(&active.view(place, &self.taps, &self.of_image(place)))
    }
}

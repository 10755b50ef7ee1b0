//! The references' loss gradient, rounding included.

use ndarray::Array2;
use quaver::classifier::{Batch, Classifier, ClassifierError, Noise, Randomness, Upstream, Vjp};

/// A classifier whose cross-entropy gradient at the logits is formed in float32, as the
/// references form it: p − 1 keeps nothing of a p that rounds to 1. The program forms it in
/// float64.
pub(crate) struct Float32Loss<'a>(pub(crate) &'a dyn Classifier);

/// Softmax in float32 by way of its logarithm, less 1 at the label.
fn gradient(logits: &[f32], label: usize, upstream: &mut [f32]) {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f32 = logits.iter().map(|z| (z - largest).exp()).sum();
    let log_total = total.ln();
    for (up, z) in upstream.iter_mut().zip(logits) {
        *up = (z - largest - log_total).exp();
    }
    upstream[label] -= 1.0;
}

impl Classifier for Float32Loss<'_> {
    fn input_shape(&self) -> [usize; 3] {
        self.0.input_shape()
    }

    fn n_classes(&self) -> usize {
        self.0.n_classes()
    }

    fn randomness(&self) -> Randomness {
        self.0.randomness()
    }

    fn logits(&self, batch: Batch<'_>, noise: Noise) -> Result<Array2<f32>, ClassifierError> {
        self.0.logits(batch, noise)
    }

    fn has_gradient(&self) -> bool {
        true
    }

    fn vjp(
        &self,
        batch: Batch<'_>,
        noises: &[Noise],
        at: Option<&str>,
        upstream: &Upstream<'_>,
    ) -> Result<Vjp, ClassifierError> {
        self.0.vjp(batch, noises, at, &|row, draw, logits, up| {
            upstream(row, draw, logits, up);
            // Of p − 1[label] only the label's entry is negative.
            if let Some(label) = up.iter().position(|u| *u < 0.0) {
                gradient(logits, label, up);
            }
        })
    }
}

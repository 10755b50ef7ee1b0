//! The loss gradient without the rounding of the frameworks.

use ndarray::Array2;
use quaver::classifier::{Batch, Classifier, ClassifierError, Noise, Randomness, Upstream, Vjp};
use quaver::decision::softmax;

/// A classifier whose cross-entropy gradient at the logits is formed in float64. The dialects
/// of the frameworks form it in float32, where p − 1 keeps nothing of a p that rounds to 1.
pub(crate) struct Float64Loss<'a>(pub(crate) &'a dyn Classifier);

/// Softmax less 1 at the label, which is minus the sum of the others.
fn gradient(logits: &[f32], label: usize, upstream: &mut [f32]) {
    let probs = softmax(logits);
    for (up, p) in upstream.iter_mut().zip(&probs) {
        *up = *p as f32;
    }
    let others = probs
        .iter()
        .enumerate()
        .filter(|(class, _)| *class != label);
    upstream[label] = -others.map(|(_, p)| p).sum::<f64>() as f32;
}

impl Classifier for Float64Loss<'_> {
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
            // Of p − 1[label] only the label's entry is not positive; in float32 both may be 0.
            let label = (0..up.len()).min_by(|a, b| up[*a].total_cmp(&up[*b]));
            gradient(logits, label.unwrap_or(0), up);
        })
    }
}

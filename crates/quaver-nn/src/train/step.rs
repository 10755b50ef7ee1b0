//! [`Step`]: one way to learn from a batch; [`CrossEntropy`], the plain one.

use super::trainer::Trainer;
use crate::batch::Batch;
use crate::loss::{argmax, cross_entropy};
use crate::network::UnknownNode;
use crate::noise::Draw;
use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One way to learn from a batch. Adversarial training, penalties and noise are steps too: what
/// they need of the network as it stands, its outputs and gradients with respect to images,
/// [`Trainer::network`] tells.
pub trait Step: Debug + Send + Sync {
    /// Takes optimizer steps on the examples of `batch`, whose labels are `labels`, and returns
    /// the summed loss and the number of correct answers. Draws are functions of `draw` and the
    /// examples' ids.
    ///
    /// # Errors
    /// When it asks the network for a layer that there is not.
    fn run(
        &self,
        trainer: &mut Trainer,
        batch: &Batch<'_>,
        labels: &[usize],
        draw: Draw,
    ) -> Result<(f64, usize), UnknownNode>;
}

/// Mean softmax cross-entropy of the batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct CrossEntropy;

impl Step for CrossEntropy {
    fn run(
        &self,
        trainer: &mut Trainer,
        batch: &Batch<'_>,
        labels: &[usize],
        draw: Draw,
    ) -> Result<(f64, usize), UnknownNode> {
        let weight = 1.0 / labels.len() as f32;
        let correct = AtomicUsize::new(0);
        let loss = trainer.step(batch, draw, &|row, logits, upstream| {
            let label = labels[row];
            correct.fetch_add(
                usize::from(argmax(logits) == Some(label)),
                Ordering::Relaxed,
            );
            cross_entropy(logits, label, weight, upstream)
        });
        Ok((loss, correct.into_inner()))
    }
}

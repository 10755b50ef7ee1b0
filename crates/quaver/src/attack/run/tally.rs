//! Passes over attacked images: on fresh noise, or from logits that are known.

use ndarray::{Array2, ArrayView1};

use crate::classifier::{
    Batch, Classifier, ClassifierError, Draw, Noise, Randomness, reduce_passes,
};
use crate::decision::{Decision, Tally, softmax};

/// The passes that `decision` reads, from `draw` on; one pass for a deterministic classifier.
pub(crate) fn tallies(
    model: &dyn Classifier,
    batch: Batch<'_>,
    decision: Decision,
    draw: Draw,
) -> Result<Vec<Tally>, ClassifierError> {
    if model.randomness() == Randomness::None {
        return Ok(of_logits(&model.logits(batch, Noise::Off)?));
    }
    let empty = vec![Tally::new(model.n_classes()); batch.ids.len()];
    let n_passes = decision.n_passes();
    reduce_passes(model, batch, draw, n_passes, empty, |_, tally, logits| {
        tally.push(&softmax(logits));
    })
}

/// One pass that gave these logits.
pub(super) fn of_logits(logits: &Array2<f32>) -> Vec<Tally> {
    let of_row = |logits: ArrayView1<'_, f32>| {
        let mut tally = Tally::new(logits.len());
        tally.push(&softmax(&logits.to_vec()));
        tally
    };
    logits.outer_iter().map(of_row).collect()
}

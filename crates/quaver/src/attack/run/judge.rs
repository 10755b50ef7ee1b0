//! What a classifier answers on fresh passes.

use std::sync::{Mutex, PoisonError};

use crate::classifier::{Batch, Classifier, ClassifierError, Draw, Noise, Randomness};
use crate::decision::{Decision, Tally, softmax};

/// The passes that `decision` reads, from `draw` on; one pass for a deterministic classifier.
pub(super) fn tallies(
    model: &dyn Classifier,
    batch: Batch<'_>,
    decision: Decision,
    draw: Draw,
) -> Result<Vec<Tally>, ClassifierError> {
    let n_classes = model.n_classes();
    let tallies: Vec<Mutex<Tally>> = batch
        .ids
        .iter()
        .map(|_| Mutex::new(Tally::new(n_classes)))
        .collect();
    let push = |row: usize, logits: &[f32]| {
        let mut tally = tallies[row].lock().unwrap_or_else(PoisonError::into_inner);
        tally.push(&softmax(logits));
    };
    if model.randomness() == Randomness::None {
        for (row, logits) in model.logits(batch, Noise::Off)?.outer_iter().enumerate() {
            push(row, &logits.to_vec());
        }
    } else {
        let n_passes = decision.n_passes();
        model.passes(batch, draw, n_passes, &|row, _, logits| push(row, logits))?;
    }
    let unlock = |tally: Mutex<Tally>| tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(tallies.into_iter().map(unlock).collect())
}

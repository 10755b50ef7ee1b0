//! What a classifier answers on fresh passes.

use std::sync::{Mutex, PoisonError};

use crate::classifier::{Batch, Classifier, ClassifierError, Draw, Noise, Randomness};
use crate::decision::{Decision, Tally, softmax};
use ndarray::{Array2, ArrayView1};

/// The passes that `decision` reads, from `draw` on; one pass for a deterministic classifier.
pub(super) fn tallies(
    model: &dyn Classifier,
    batch: Batch<'_>,
    decision: Decision,
    draw: Draw,
) -> Result<Vec<Tally>, ClassifierError> {
    if model.randomness() == Randomness::None {
        return Ok(of_logits(&model.logits(batch, Noise::Off)?));
    }
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
    model.passes(batch, draw, decision.n_passes(), &|row, _, logits| {
        push(row, logits);
    })?;
    let unlock = |tally: Mutex<Tally>| tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(tallies.into_iter().map(unlock).collect())
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

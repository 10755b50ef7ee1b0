//! [`fit`]: epochs over a training set in an order drawn from the seed.

use super::trainer::{State, Trainer};
use crate::batch::{Batch, Pixels};
use crate::engine::Engine;
use crate::loss::{argmax, cross_entropy};
use crate::model::Model;
use crate::noise::{Draw, Purpose};
use crate::optim::Adam;
use crate::parallel::awake;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Settings of a training run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Passes over the training set.
    pub epochs: u32,
    /// Images a step, at least 1; a last batch of one joins the one before.
    pub batch_size: usize,
    /// Optimizer.
    pub adam: Adam,
    /// Seed of order and noise.
    pub seed: u64,
}

/// Training images; a row's number is its id.
#[derive(Clone, Copy, Debug)]
pub struct Set<'a> {
    /// `(n, example size)`.
    pub pixels: Pixels<'a>,
    /// `(n)`.
    pub labels: &'a [usize],
}

/// What an epoch came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Epoch {
    /// Number of the epoch, from 1.
    pub number: u32,
    /// Mean loss, in nats.
    pub loss: f64,
    /// Accuracy over the training batches with noise on, a fraction.
    pub accuracy: f64,
}

/// One way to learn from a batch. Adversarial training, penalties and noise are steps too.
pub trait Step: Sync {
    /// Takes optimizer steps on the images `rows` and returns the summed loss and the number
    /// of correct answers.
    fn run(&self, trainer: &mut Trainer, set: &Set<'_>, rows: &[usize], draw: Draw)
    -> (f64, usize);
}

/// Mean softmax cross-entropy of the batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct CrossEntropy;

impl Step for CrossEntropy {
    fn run(
        &self,
        trainer: &mut Trainer,
        set: &Set<'_>,
        rows: &[usize],
        draw: Draw,
    ) -> (f64, usize) {
        let ids: Vec<u64> = rows.iter().map(|&row| row as u64).collect();
        let batch = Batch {
            pixels: set.pixels,
            rows: Some(rows),
            ids: &ids,
        };
        let weight = 1.0 / rows.len() as f32;
        let correct = AtomicUsize::new(0);
        let loss = trainer.step(&batch, draw, &|row, logits, upstream| {
            let label = set.labels[rows[row]];
            correct.fetch_add(usize::from(argmax(logits) == label), Ordering::Relaxed);
            cross_entropy(logits, label, weight, upstream)
        });
        (loss, correct.into_inner())
    }
}

/// Follows a training run and may stop it.
pub trait Watch: Send {
    /// `done` images of the epoch so far, at this mean loss and accuracy. `false` stops.
    fn step(&mut self, so_far: Epoch, done: usize) -> bool {
        let _ = (so_far, done);
        true
    }
    /// An epoch is over; a checkpoint may be written. `false` stops.
    ///
    /// # Errors
    /// When the checkpoint cannot be written.
    fn epoch(&mut self, epoch: Epoch, trainer: &Trainer) -> Result<bool, std::io::Error> {
        let _ = (epoch, trainer);
        Ok(true)
    }
}

impl Watch for () {}

/// Training failed.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// The loss or a weight is no longer a number.
    #[error("training diverged in epoch {epoch}: the loss is {loss}")]
    Diverged {
        /// Epoch, from 1.
        epoch: u32,
        /// The loss.
        loss: f64,
    },
    /// The checkpoint could not be written.
    #[error("the checkpoint cannot be written: {0}")]
    Checkpoint(#[from] std::io::Error),
    /// There is too little to train on.
    #[error("training needs at least 2 images, got {0}")]
    TooFew(usize),
    /// Steps would take no images.
    #[error("batch_size must be at least 1, got 0")]
    NoBatch,
}

/// Order of the images in `epoch` (from 0): a shuffle drawn from the seed.
fn order(n: usize, seed: u64, epoch: u32) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    let mut uniforms = vec![0.0; 2 * n];
    let draw = Draw {
        seed,
        purpose: Purpose::Init,
        pass: epoch,
    };
    draw.of_layer("order").uniforms(&mut uniforms);
    for i in (1..n).rev() {
        // Two draws of 24 bits make one of 48: no bias that 60 000 images could show.
        let u = f64::from(uniforms[2 * i]) + f64::from(uniforms[2 * i + 1]) / 16_777_216.0;
        order.swap(i, (u * (i + 1) as f64) as usize);
    }
    order
}

/// Trains from epoch `done` on. `state` is the optimizer's when the run continues.
/// Returns the model and whether it is finished (`watch` may stop it).
///
/// # Errors
/// When there is too little to train on, the loss stops being a number or a checkpoint cannot
/// be written.
pub fn fit(
    model: Model,
    from: (u32, Option<State>),
    set: &Set<'_>,
    config: &Config,
    step: &dyn Step,
    engine: Arc<Engine>,
    watch: &mut dyn Watch,
) -> Result<(Model, bool), FitError> {
    let n = set.labels.len();
    if n < 2 {
        return Err(FitError::TooFew(n));
    }
    if config.batch_size == 0 {
        return Err(FitError::NoBatch);
    }
    let (done, state) = from;
    let trainer = Trainer::new(model, Arc::clone(&engine), config.adam, state);
    // Steps are too short to hand each to the engine's threads anew.
    let helpers = trainer.helpers(config.batch_size);
    let epochs = || run_epochs(trainer, done, set, config, step, watch);
    engine.install(|| awake(helpers, epochs))
}

fn run_epochs(
    mut trainer: Trainer,
    done: u32,
    set: &Set<'_>,
    config: &Config,
    step: &dyn Step,
    watch: &mut dyn Watch,
) -> Result<(Model, bool), FitError> {
    for number in done + 1..=config.epochs {
        let Some(epoch) = run_epoch(&mut trainer, number, set, config, step, watch)? else {
            return Ok((trainer.into_model(), false));
        };
        if let Some(record) = &mut trainer.model_mut().info.training {
            record.epochs = number;
            (record.loss, record.accuracy) = (epoch.loss, epoch.accuracy);
        }
        if !watch.epoch(epoch, &trainer)? && number < config.epochs {
            return Ok((trainer.into_model(), false));
        }
    }
    Ok((trainer.into_model(), true))
}

/// Every image once, in the order of the epoch called `number`, from 1. `None`: `watch` stopped it.
fn run_epoch(
    trainer: &mut Trainer,
    number: u32,
    set: &Set<'_>,
    config: &Config,
    step: &dyn Step,
    watch: &mut dyn Watch,
) -> Result<Option<Epoch>, FitError> {
    let n = set.labels.len();
    let order = order(n, config.seed, number - 1);
    let mut so_far = Epoch {
        number,
        ..Epoch::default()
    };
    let (mut loss, mut correct, mut at) = (0.0, 0, 0);
    while at < n {
        let mut to = n.min(at + config.batch_size);
        if n - to == 1 {
            to = n;
        }
        let draw = Draw {
            seed: config.seed,
            purpose: Purpose::Train,
            pass: trainer.state().step as u32,
        };
        let (batch_loss, right) = step.run(trainer, set, &order[at..to], draw);
        at = to;
        loss += batch_loss;
        correct += right;
        so_far.loss = loss / at as f64;
        so_far.accuracy = correct as f64 / at as f64;
        if !so_far.loss.is_finite() {
            let (epoch, loss) = (number, so_far.loss);
            return Err(FitError::Diverged { epoch, loss });
        }
        if !watch.step(so_far, at) {
            return Ok(None);
        }
    }
    Ok(Some(so_far))
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn order_is_a_permutation_that_changes_by_epoch() {
        let (a, b) = (order(1000, 0, 0), order(1000, 0, 1));
        assert_ne!(a, b);
        let mut sorted = a.clone();
        sorted.sort_unstable();
        assert!(sorted.iter().copied().eq(0..1000));
        let fixed = a.iter().enumerate().filter(|(i, v)| i == *v).count();
        assert!(fixed < 10, "{fixed}");
    }
}

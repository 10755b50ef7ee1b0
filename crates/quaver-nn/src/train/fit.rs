//! [`fit`]: epochs over a training set in an order drawn from the seed.

use super::schedule::{At, Schedule};
use super::state::State;
use super::step::Step;
use super::trainer::Trainer;
use crate::batch::{Batch, Pixels};
use crate::engine::Engine;
use crate::model::Model;
use crate::network::UnknownNode;
use crate::noise::{Draw, Purpose};
use crate::optim::Optimizer;
use crate::parallel::{awake, each};
use std::fmt::Debug;
use std::sync::Arc;

/// How to train.
#[derive(Debug)]
pub struct Method<'a> {
    /// Passes over the training set.
    pub epochs: u32,
    /// Images a step, at least 1; a last batch of one joins the one before.
    pub batch_size: usize,
    /// Learning rate, positive and finite.
    pub learning_rate: f64,
    /// Seed of order, augmentation and noise.
    pub seed: u64,
    /// How the learning rate changes.
    pub schedule: &'a dyn Schedule,
    /// What is done with a batch.
    pub step: &'a dyn Step,
    /// How images are changed before, one change after another.
    pub augment: &'a [Box<dyn Augment>],
}

/// A random change of training images.
pub trait Augment: Debug + Send + Sync {
    /// Changes an image of `[channels, height, width]` in place: a function of the image and the
    /// key, so that no result depends on batches or threads.
    fn change(&self, image: &mut [f32], shape: [usize; 3], key: ImageKey);
}

/// What the randomness of an image in an epoch is drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageKey {
    /// Seed of the run.
    pub seed: u64,
    /// Number of the epoch, from 1.
    pub epoch: u32,
    /// Id of the image.
    pub id: u64,
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
    /// The step asked the network for a layer that there is not.
    #[error(transparent)]
    Step(#[from] UnknownNode),
    /// There is too little to train on.
    #[error("training needs at least 2 images, got {0}")]
    TooFew(usize),
    /// Steps would take no images.
    #[error("batch_size must be at least 1, got 0")]
    NoBatch,
    /// The run continues from the state of another optimizer.
    #[error("the optimizer keeps {allowed}, the checkpoint has {got}")]
    OtherOptimizer {
        /// What the checkpoint has.
        got: String,
        /// What the optimizer keeps.
        allowed: String,
    },
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

/// Trains with `optimizer` from epoch `done` on; `state` is the optimizer's when the run continues.
/// Returns the model and whether it is finished (`watch` may stop it).
///
/// # Errors
/// When there is too little to train on, the state is another optimizer's, the loss stops being a
/// number or a checkpoint cannot be written.
pub fn fit(
    model: Model,
    (done, state): (u32, Option<State>),
    set: &Set<'_>,
    method: &Method<'_>,
    optimizer: Box<dyn Optimizer>,
    engine: Arc<Engine>,
    watch: &mut dyn Watch,
) -> Result<(Model, bool), FitError> {
    let n = set.labels.len();
    if n < 2 {
        return Err(FitError::TooFew(n));
    }
    if method.batch_size == 0 {
        return Err(FitError::NoBatch);
    }
    if let Some(other) = state.as_ref().filter(|state| !state.is_of(&*optimizer)) {
        let got: Vec<&str> = other.values.iter().map(|(name, _)| &name[..]).collect();
        return Err(FitError::OtherOptimizer {
            got: got.join(", "),
            allowed: optimizer.states().join(", "),
        });
    }
    let trainer = Trainer::new(model, Arc::clone(&engine), optimizer, state);
    // Steps are too short to hand each to the engine's threads anew.
    let helpers = trainer.helpers(method.batch_size);
    let epochs = || run_epochs(trainer, done, set, method, watch);
    engine.install(|| awake(helpers, epochs))
}

fn run_epochs(
    mut trainer: Trainer,
    done: u32,
    set: &Set<'_>,
    method: &Method<'_>,
    watch: &mut dyn Watch,
) -> Result<(Model, bool), FitError> {
    for number in done + 1..=method.epochs {
        let Some(epoch) = run_epoch(&mut trainer, number, set, method, watch)? else {
            return Ok((trainer.into_model(), false));
        };
        if let Some(record) = &mut trainer.model_mut().info.training {
            record.epochs = number;
            (record.loss, record.accuracy) = (epoch.loss, epoch.accuracy);
        }
        if !watch.epoch(epoch, &trainer)? && number < method.epochs {
            return Ok((trainer.into_model(), false));
        }
    }
    Ok((trainer.into_model(), true))
}

/// Where the batches of an epoch end: a last one of one image joins the one before.
fn ends(n: usize, batch_size: usize) -> Vec<usize> {
    let mut ends: Vec<usize> = (batch_size..n).step_by(batch_size).collect();
    if ends.last().is_some_and(|last| n - last == 1) {
        ends.pop();
    }
    ends.push(n);
    ends
}

/// Every image once, in the order of the epoch called `number`, from 1. `None`: `watch` stopped it.
fn run_epoch(
    trainer: &mut Trainer,
    number: u32,
    set: &Set<'_>,
    method: &Method<'_>,
    watch: &mut dyn Watch,
) -> Result<Option<Epoch>, FitError> {
    let n = set.labels.len();
    let order = order(n, method.seed, number - 1);
    let ends = ends(n, method.batch_size);
    let per_epoch = ends.len() as u64;
    let mut so_far = Epoch {
        number,
        ..Epoch::default()
    };
    let (mut loss, mut correct, mut at) = (0.0, 0, 0);
    for (to, batch) in ends.into_iter().zip(u64::from(number - 1) * per_epoch..) {
        let factor = method.schedule.factor(At {
            batch,
            per_epoch,
            epochs: method.epochs,
        });
        trainer.set_learning_rate(method.learning_rate * factor);
        let (batch_loss, right) = run_batch(trainer, number, set, method, &order[at..to])?;
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

/// The step on the images `rows`: the sum of the losses and the number of correct answers.
fn run_batch(
    trainer: &mut Trainer,
    epoch: u32,
    set: &Set<'_>,
    method: &Method<'_>,
    rows: &[usize],
) -> Result<(f64, usize), UnknownNode> {
    let ids: Vec<u64> = rows.iter().map(|&row| row as u64).collect();
    let labels: Vec<usize> = rows.iter().map(|&row| set.labels[row]).collect();
    let draw = Draw {
        seed: method.seed,
        purpose: Purpose::Train,
        pass: trainer.state().step as u32,
    };
    let batch = Batch {
        pixels: set.pixels,
        rows: Some(rows),
        ids: &ids,
    };
    let shape = match trainer.model().graph.input_shape()[..] {
        [c, h, w] if !method.augment.is_empty() => [c, h, w],
        _ => return method.step.run(trainer, &batch, &labels, draw),
    };
    let size = shape.iter().product();
    let mut changed = vec![0.0; rows.len() * size];
    each(changed.chunks_mut(size).enumerate(), |(row, image)| {
        batch.copy(row, image);
        let key = ImageKey {
            seed: method.seed,
            epoch,
            id: ids[row],
        };
        for augment in method.augment {
            augment.change(image, shape, key);
        }
    });
    let batch = Batch {
        pixels: Pixels::F32(&changed),
        rows: None,
        ids: &ids,
    };
    method.step.run(trainer, &batch, &labels, draw)
}

#[cfg(test)]
mod tests {
    use super::{ends, order};

    #[test]
    fn a_last_batch_of_one_joins_the_one_before() {
        for (n, size, expected) in [
            (10, 4, vec![4, 8, 10]),
            (9, 4, vec![4, 9]),
            (8, 4, vec![4, 8]),
            (3, 4, vec![3]),
            (5, 4, vec![5]),
            (3, 1, vec![1, 3]),
        ] {
            assert_eq!(ends(n, size), expected, "{n} by {size}");
        }
    }

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

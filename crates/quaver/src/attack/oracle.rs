//! [`Oracle`]: how an attack asks a classifier. It hands out logits and gradients under a
//! noise mode and counts what they cost.

use std::sync::OnceLock;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::classifier::{
    Batch, Classifier, ClassifierError, Images, Noise, Purpose, Randomness, Tap, pixels,
};
use crate::decision::{argmax, softmax};

use super::noise::NoiseMode;
use super::objective::{Aim, Objective};

/// What an attack asked of the classifier, in images times passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Forward passes.
    pub n_forward: u64,
    /// Backward passes.
    pub n_backward: u64,
}

/// Logits of a step under each of its draws.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// `(n, n_classes)` for each draw.
    draws: Vec<Array2<f32>>,
}

impl Outputs {
    /// Softmax of image `row`, averaged over the draws, `(n_classes)`.
    #[must_use]
    pub fn probs(&self, row: usize) -> Vec<f64> {
        let mut mean = vec![0.0; self.draws[0].ncols()];
        for logits in &self.draws {
            for (mean, p) in mean.iter_mut().zip(softmax(&logits.row(row).to_vec())) {
                *mean += p / self.draws.len() as f64;
            }
        }
        mean
    }

    /// Class of image `row` by the mean softmax, the lowest at ties; `None` if an output is not
    /// a number.
    #[must_use]
    pub fn class(&self, row: usize) -> Option<usize> {
        argmax(&self.probs(row))
    }

    /// Mean of `objective` over the draws for image `row`.
    #[must_use]
    pub fn value(&self, row: usize, objective: Objective, aim: Aim) -> f64 {
        let values = self
            .draws
            .iter()
            .map(|z| objective.value(&z.row(row).to_vec(), aim));
        values.sum::<f64>() / self.draws.len() as f64
    }
}

/// A classifier under one noise mode, as an attack sees it.
pub struct Oracle<'a> {
    model: &'a dyn Classifier,
    noise: NoiseMode,
    seed: u64,
    first_pass: u32,
    cost: Cost,
    /// Images whose logits are kept once they are asked for.
    kept: &'a [f32],
    logits: Option<Array2<f32>>,
}

impl<'a> Oracle<'a> {
    /// Draws are keyed by `seed` and number from `first_pass` on. A classifier that is not
    /// random is asked once a step, whatever the mode.
    #[must_use]
    pub fn new(model: &'a dyn Classifier, noise: NoiseMode, seed: u64, first_pass: u32) -> Self {
        let noise = if model.randomness() == Randomness::None {
            NoiseMode::Off
        } else {
            noise
        };
        Self {
            model,
            noise,
            seed,
            first_pass,
            cost: Cost::default(),
            kept: &[],
            logits: None,
        }
    }

    /// Keeps the logits of a batch of just these pixels, where the classifier is not random.
    pub(super) fn keeping(mut self, pixels: &'a [f32]) -> Self {
        if self.model.randomness() == Randomness::None {
            self.kept = pixels;
        }
        self
    }

    /// The logits that were kept, if they were asked for.
    pub(super) fn into_logits(self) -> Option<Array2<f32>> {
        self.logits
    }

    fn keep(&mut self, batch: Batch<'_>, logits: &Array2<f32>) {
        let wanted = self.logits.is_none() && !self.kept.is_empty();
        if wanted && *pixels(batch.x) == *self.kept {
            self.logits = Some(logits.clone());
        }
    }

    /// The noise mode in force; off for a classifier without randomness.
    #[must_use]
    pub const fn noise(&self) -> NoiseMode {
        self.noise
    }

    /// Number of classes.
    #[must_use]
    pub fn n_classes(&self) -> usize {
        self.model.n_classes()
    }

    /// What was asked so far.
    #[must_use]
    pub const fn cost(&self) -> Cost {
        self.cost
    }

    /// Draws of `step`.
    fn draws(&self, step: u32) -> Vec<Noise> {
        let n_draws = self.noise.n_draws();
        (0..n_draws)
            .map(|k| match self.noise {
                NoiseMode::Off => Noise::Off,
                NoiseMode::Fixed => Noise::draw(self.seed, Purpose::Attack, 0),
                _ => Noise::draw(
                    self.seed,
                    Purpose::Attack,
                    self.first_pass + step * n_draws + k,
                ),
            })
            .collect()
    }

    /// Logits of `batch` under the draws of `step`.
    ///
    /// # Errors
    /// What the classifier refuses.
    pub fn outputs(&mut self, batch: Batch<'_>, step: u32) -> Result<Outputs, ClassifierError> {
        let noises = self.draws(step);
        self.cost.n_forward += (batch.ids.len() * noises.len()) as u64;
        let draws = noises
            .into_iter()
            .map(|noise| self.model.logits(batch, noise));
        Ok(Outputs {
            draws: draws.collect::<Result<_, _>>()?,
        })
    }

    /// Logits of `batch` under the draws of `step`, and the gradient of the mean objective
    /// over them, image after image; `aims` has one entry an image.
    ///
    /// # Errors
    /// What the classifier refuses.
    pub fn gradient(
        &mut self,
        batch: Batch<'_>,
        step: u32,
        objective: Objective,
        aims: &[Aim],
    ) -> Result<(Outputs, Vec<f32>), ClassifierError> {
        let n = batch.ids.len();
        let noises = self.draws(step);
        self.cost.n_forward += (n * noises.len()) as u64;
        self.cost.n_backward += (n * noises.len()) as u64;
        if self.noise == NoiseMode::PerBackward {
            return self.gradient_through_other_noise(batch, step, objective, aims);
        }
        if let [noise] = noises[..] {
            let vjp = self.model.vjp(
                batch,
                &[noise],
                &[Tap::Logits],
                &|row, _, outputs, upstream| {
                    objective.upstream(outputs[0], aims[row], 1.0, upstream[0]);
                },
            )?;
            self.keep(batch, &vjp.outputs[0]);
            return Ok((Outputs { draws: vjp.outputs }, flat(vjp.gradient)));
        }
        let weight = 1.0 / noises.len() as f64;
        let seen: Vec<OnceLock<Vec<f32>>> = vec![OnceLock::new(); n * noises.len()];
        let vjp = self.model.vjp(
            batch,
            &noises,
            &[Tap::Logits],
            &|row, k, outputs, upstream| {
                seen[k * n + row].get_or_init(|| outputs[0].to_vec());
                objective.upstream(outputs[0], aims[row], weight, upstream[0]);
            },
        )?;
        Ok((
            Outputs {
                draws: collect_draws(&seen, n, self.n_classes()),
            },
            flat(vjp.gradient),
        ))
    }

    fn gradient_through_other_noise(
        &mut self,
        batch: Batch<'_>,
        step: u32,
        objective: Objective,
        aims: &[Aim],
    ) -> Result<(Outputs, Vec<f32>), ClassifierError> {
        let outputs = self.outputs(batch, step)?;
        let logits = &outputs.draws[0];
        let through = Noise::draw(self.seed, Purpose::AttackBackward, self.first_pass + step);
        let vjp = self
            .model
            .vjp(batch, &[through], &[Tap::Logits], &|row, _, _, upstream| {
                objective.upstream(&logits.row(row).to_vec(), aims[row], 1.0, upstream[0]);
            })?;
        Ok((outputs, flat(vjp.gradient)))
    }
}

/// Pixels image after image; copied only if they do not lie so already.
fn flat(images: Images) -> Vec<f32> {
    if images.is_standard_layout() {
        images.into_raw_vec_and_offset().0
    } else {
        images.iter().copied().collect()
    }
}

/// One `(n, n_classes)` array a draw; what the classifier never showed is not a number.
fn collect_draws(seen: &[OnceLock<Vec<f32>>], n: usize, n_classes: usize) -> Vec<Array2<f32>> {
    seen.chunks(n)
        .map(|rows| {
            Array2::from_shape_fn((n, n_classes), |(row, class)| {
                rows[row]
                    .get()
                    .and_then(|z| z.get(class))
                    .copied()
                    .unwrap_or(f32::NAN)
            })
        })
        .collect()
}

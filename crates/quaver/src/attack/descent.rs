//! Steps that make the distance small: what DDN and FMN are made of.

use rayon::prelude::*;

use crate::threat::{Distances, Norm, PixelRange, every};

use super::active::Active;
use super::objective::Loss;
use super::oracle::Oracle;
use super::smallest::Smallest;
use super::{AttackError, Case, Perturbed};

/// How an attack walks.
#[derive(Clone, Copy, Debug)]
pub struct Descent<'a> {
    /// What is pushed up.
    pub loss: &'a Loss,
    /// Number of steps.
    pub n_steps: u32,
    /// How the distance is measured.
    pub norm: Norm,
}

/// What a step knows of one image.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The clean image.
    pub x: &'a [f32],
    /// Gradient of the loss, finite.
    pub gradient: &'a [f32],
    /// The loss.
    pub loss: f64,
    /// Whether the image is adversarial.
    pub met: bool,
    /// Distance of the nearest adversarial image so far; infinite until there is one.
    pub nearest: f64,
    /// Number of the step.
    pub step: u32,
    /// Values a pixel may take.
    pub range: PixelRange,
}

struct Walker<S> {
    own: S,
    smallest: Smallest,
}

impl Descent<'_> {
    /// Walks from the clean images, `advance` moving one image at a time, and returns the nearest
    /// adversarial one that was met, or the clean image. An image whose gradient is not finite
    /// stops.
    ///
    /// # Errors
    /// What the oracle refuses.
    pub fn run<S: Clone + Send + Sync>(
        &self,
        oracle: &mut Oracle<'_>,
        case: &Case<'_>,
        first: &S,
        advance: impl Fn(Seen<'_>, &mut [f32], &mut S) + Sync,
    ) -> Result<Perturbed, AttackError> {
        let n = case.ids.len();
        let mut found = Perturbed::unchanged(case.pixels.to_vec(), n);
        let walkers = (0..n).map(|row| Walker {
            own: first.clone(),
            smallest: Smallest::of(case.image(row)),
        });
        let mut active = Active::all(case, case.pixels.to_vec(), walkers.collect());
        for step in 0..self.n_steps {
            if active.is_empty() {
                return Ok(found);
            }
            let (outputs, gradient) = oracle.gradient(&active, step, self.loss)?;
            let seen = |place: usize| {
                let met = active.aims[place].is_met(outputs.class(place));
                (met, outputs.value(place, self.loss, &active))
            };
            let seen: Vec<(bool, f64)> = (0..active.rows.len()).map(seen).collect();
            let finite = self.advance(case, &mut active, step, &seen, &gradient, &advance);
            for (place, row) in active.rows.iter().enumerate() {
                found.set(*row, &active.states[place].smallest.image);
                let gradient = &gradient[place * case.n_features()..][..case.n_features()];
                found.n_steps[*row] += u32::from(finite[place]);
                found.flags[*row].non_finite |= !finite[place];
                found.flags[*row].zero_gradient |= every(gradient, |g| *g == 0.0);
            }
            active.retain(&finite);
        }
        if active.is_empty() {
            return Ok(found);
        }
        let outputs = oracle.outputs(&active, self.n_steps, self.loss)?;
        for place in 0..active.rows.len() {
            if active.aims[place].is_met(outputs.class(place)) {
                let row = active.rows[place];
                let distance = Distances::between(case.image(row), active.image(place));
                let image = active.image(place).to_vec();
                let smallest = &mut active.states[place].smallest;
                smallest.take(&image, distance.get(self.norm));
                found.set(row, &smallest.image);
            }
        }
        Ok(found)
    }

    /// One step of every image; `false` for those whose gradient is not finite.
    fn advance<S: Send>(
        &self,
        case: &Case<'_>,
        active: &mut Active<'_, Walker<S>>,
        step: u32,
        seen: &[(bool, f64)],
        gradient: &[f32],
        advance: &(impl Fn(Seen<'_>, &mut [f32], &mut S) + Sync),
    ) -> Vec<bool> {
        let d = case.n_features();
        let rows = &active.rows;
        let images = active.pixels.par_chunks_mut(d).zip(&mut active.states);
        let images = images.zip(gradient.par_chunks(d)).enumerate();
        images
            .map(|(place, ((image, walker), gradient))| {
                let (met, loss) = seen[place];
                let x = case.image(rows[place]);
                if met {
                    let distance = Distances::between(x, image).get(self.norm);
                    walker.smallest.take(image, distance);
                }
                if !every(gradient, |g| g.is_finite()) || loss.is_nan() {
                    return false;
                }
                let seen = Seen {
                    x,
                    gradient,
                    loss,
                    met,
                    nearest: walker.smallest.distance,
                    step,
                    range: case.setting.range,
                };
                advance(seen, image, &mut walker.own);
                true
            })
            .collect()
    }
}

/// From `first` to `last` along half a wave, at `step` of `n_steps`.
#[must_use]
pub fn half_wave(first: f64, last: f64, step: u32, n_steps: u32) -> f64 {
    let done = f64::from(step) / f64::from(n_steps);
    last + (first - last) * (1.0 + libm::cos(std::f64::consts::PI * done)) / 2.0
}

/// What a gradient is multiplied by to have Euclidean length `size`; 0 where it is 0.
#[must_use]
pub fn scale_to(size: f64, gradient: &[f32]) -> f64 {
    let squares: f64 = gradient.iter().map(|g| f64::from(*g).powi(2)).sum();
    let scale = size / squares.sqrt();
    if scale.is_finite() { scale } else { 0.0 }
}

//! [`Walk`]: from adversarial images toward the clean ones, by classes alone.

use rayon::prelude::*;

use crate::threat::{Distances, Norm};

use super::active::Active;
use super::noise::NoiseMode;
use super::oracle::{Oracle, Query};
use super::{AttackError, Case, Perturbed};

/// Queries in a row that must find an image adversarial where each draws fresh noise.
pub const N_DRAWS: u32 = 5;

/// An attack that begins at adversarial images and makes the distance small.
pub struct Walk<'a, 'o> {
    oracle: &'a mut Oracle<'o>,
    case: &'a Case<'a>,
    norm: Norm,
    query: Query,
    /// Whether every query draws noise of its own.
    fresh: bool,
    /// The nearest adversarial images so far, the clean ones where there are none.
    found: Perturbed,
    /// Their distances, infinite where there are none.
    distances: Vec<f64>,
}

impl<'a, 'o> Walk<'a, 'o> {
    /// In `norm`, L-infinity or L2.
    pub fn new(oracle: &'a mut Oracle<'o>, case: &'a Case<'a>, norm: Norm) -> Self {
        let n = case.ids.len();
        let fresh = !matches!(oracle.noise(), NoiseMode::Off | NoiseMode::Fixed);
        Self {
            oracle,
            case,
            norm,
            query: Query::from(0),
            fresh,
            found: Perturbed::unchanged(case.pixels.to_vec(), n),
            distances: vec![f64::INFINITY; n],
        }
    }

    /// The images for which there is a start, at their starts. One that meets its aim as it is,
    /// without fresh noise, is finished: nothing is nearer.
    ///
    /// # Errors
    /// What the classifier refuses.
    pub fn begin<S: Default>(&mut self) -> Result<Active<'a, S>, AttackError> {
        let case = self.case;
        let start = case.start.unwrap_or(case.pixels);
        let states = case.ids.iter().map(|_| S::default()).collect();
        let mut active = Active::all(case, start.to_vec(), states);
        let moved = |row: &usize| active.image(*row) != case.image(*row);
        let moved: Vec<bool> = active.rows.iter().map(moved).collect();
        active.retain(&moved);
        if !self.fresh && !active.is_empty() {
            let places: Vec<usize> = (0..active.rows.len()).collect();
            let clean = active.rows.iter().flat_map(|row| case.image(*row)).copied();
            let met = self.met(&active.candidates(&places, clean.collect()))?;
            let open: Vec<bool> = met.iter().map(|met| !met).collect();
            active.retain(&open);
        }
        self.keep(&active);
        Ok(active)
    }

    /// Turns to a step, from 1: what is asked from here on draws its noise.
    pub fn turn_to<S>(&mut self, step: u32, active: &Active<'_, S>) {
        self.query = Query::from(step);
        for row in &active.rows {
            self.found.n_steps[*row] = step;
        }
    }

    /// Gives the next query of the step a number above all before it, for when other images may have
    /// taken more queries than this one.
    pub const fn number_from(&mut self, number: u32) {
        self.query.number = number;
    }

    /// Whether the candidates are adversarial: classified as their aims want, under fresh noise by
    /// [`N_DRAWS`] queries in a row. One would let through what is only lucky once, and a walk
    /// toward the image is a search for that.
    ///
    /// # Errors
    /// What the classifier refuses.
    pub fn met(&mut self, candidates: &Active<'_>) -> Result<Vec<bool>, AttackError> {
        let number = self.query.number;
        let mut met = self.met_once(candidates)?;
        for _ in 1..if self.fresh { N_DRAWS } else { 1 } {
            let places: Vec<usize> = (0..met.len()).filter(|place| met[*place]).collect();
            if places.is_empty() {
                break;
            }
            let pixels = places.iter().flat_map(|place| candidates.image(*place));
            let again = candidates.candidates(&places, pixels.copied().collect());
            for (place, again) in places.iter().zip(self.met_once(&again)?) {
                met[*place] = again;
            }
        }
        self.query.number = number + N_DRAWS;
        Ok(met)
    }

    /// Whether the candidates are classified as their aims want by one query.
    ///
    /// # Errors
    /// What the classifier refuses.
    pub fn met_once(&mut self, candidates: &Active<'_>) -> Result<Vec<bool>, AttackError> {
        let classes = self.oracle.classes(candidates, self.query)?;
        self.query.number += 1;
        let answers = classes.into_iter().zip(&candidates.aims);
        Ok(answers.map(|(class, aim)| aim.is_met(class)).collect())
    }

    /// Distance of the image at `place` from the clean one.
    #[must_use]
    pub fn distance<S>(&self, active: &Active<'_, S>, place: usize) -> f64 {
        let clean = self.case.image(active.rows[place]);
        Distances::between(clean, active.image(place)).get(self.norm)
    }

    /// Keeps the active images, which are adversarial, where they are nearer than those before.
    pub fn keep<S>(&mut self, active: &Active<'_, S>) {
        for (place, row) in active.rows.iter().enumerate() {
            let distance = self.distance(active, place);
            if distance < self.distances[*row] {
                self.distances[*row] = distance;
                self.found.set(*row, active.image(place));
            }
        }
    }

    /// Moves every active image, which is adversarial, to the boundary between it and the clean
    /// one, where it still is: up to `tolerance` of the way, by halving. The way is a straight
    /// line in L2; in L-infinity the changes are clipped ever closer.
    ///
    /// # Errors
    /// What the classifier refuses.
    pub fn bisect<S>(
        &mut self,
        active: &mut Active<'_, S>,
        tolerance: f64,
    ) -> Result<(), AttackError> {
        let n = active.rows.len();
        let places: Vec<usize> = (0..n).collect();
        let lengths: Vec<f64> = places.iter().map(|i| self.distance(active, *i)).collect();
        let mut shares = vec![(0.0, 1.0); n];
        for _ in 0..libm::ceil(-libm::log2(tolerance)) as u32 {
            let middle: Vec<f64> = shares
                .iter()
                .map(|(low, high)| (low + high) / 2.0)
                .collect();
            let pixels = self.between(active, &middle, &lengths);
            let met = self.met(&active.candidates(&places, pixels))?;
            for (share, (middle, met)) in shares.iter_mut().zip(middle.into_iter().zip(met)) {
                *(if met { &mut share.1 } else { &mut share.0 }) = middle;
            }
        }
        let ends: Vec<f64> = shares.iter().map(|(_, high)| *high).collect();
        active.pixels = self.between(active, &ends, &lengths);
        Ok(())
    }

    /// Images at these shares of the way from the clean to the active ones, which are `lengths`
    /// away.
    fn between<S>(&self, active: &Active<'_, S>, shares: &[f64], lengths: &[f64]) -> Vec<f32> {
        let (d, rows) = (self.case.n_features(), &active.rows);
        let mut pixels = active.pixels.clone();
        let images = pixels.par_chunks_mut(d).enumerate();
        images.for_each(|(place, image)| {
            let share = shares[place];
            let limit = share * lengths[place];
            let x = self.case.image(rows[place]);
            for (pixel, x) in image.iter_mut().zip(x).filter(|_| share < 1.0) {
                let (x, change) = (f64::from(*x), f64::from(*pixel) - f64::from(*x));
                let change = match self.norm {
                    Norm::Linf => change.clamp(-limit, limit),
                    _ => share * change,
                };
                *pixel = (x + change) as f32;
            }
        });
        pixels
    }

    /// What was found.
    #[must_use]
    pub fn finish(self) -> Perturbed {
        self.found
    }
}

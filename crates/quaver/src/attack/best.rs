//! [`Best`]: the best iterate of each image so far.

use rayon::prelude::*;

use super::Perturbed;
use super::active::Active;
use super::noise::NoiseMode;
use super::objective::Loss;
use super::outputs::Outputs;

/// How good the best iterate of each image is: whether it met the aim, then the loss.
pub struct Best {
    ranks: Vec<Option<(bool, f64)>>,
    latest: bool,
}

impl Best {
    /// Of `n` images that nothing is known of yet. With the noise off the latest of those that
    /// meet the aim is the best: it is mostly the last, and so what other programs return. What
    /// met it on one draw may not on another, so under noise the loss decides.
    #[must_use]
    pub fn new(n: usize, noise: NoiseMode) -> Self {
        Self {
            ranks: vec![None; n],
            latest: noise == NoiseMode::Off,
        }
    }

    /// Keeps in `found` the active images that are better than all before them. An image whose
    /// loss is not a number is not.
    pub fn take<S: Sync>(
        &mut self,
        outputs: &Outputs,
        loss: &Loss,
        active: &Active<'_, S>,
        found: &mut Perturbed,
    ) {
        let d = active.image(0).len();
        let mut place_of = vec![None; self.ranks.len()];
        for (place, row) in active.rows.iter().enumerate() {
            place_of[*row] = Some(place);
        }
        let latest = self.latest;
        let images = found.pixels.par_chunks_mut(d).zip(&mut self.ranks);
        images.zip(place_of).for_each(|((image, best), place)| {
            let Some(place) = place else { return };
            let value = outputs.value(place, loss, active);
            let met = active.goal(place).is_met(outputs.class(place));
            let better = match *best {
                None => true,
                Some((before, _)) if met != before => met,
                Some((_, before)) => (met && latest) || value > before,
            };
            if better && !value.is_nan() {
                *best = Some((met, value));
                image.copy_from_slice(active.image(place));
            }
        });
    }
}

//! Adversarial images to begin from, for attacks that cannot do without.

use crate::attack::active::Active;
use crate::attack::oracle::{Cost, Oracle};
use crate::attack::{AttackError, Case};
use crate::rng::Rng;

/// Images that are tried before the search is given up.
const N_TRIES: u32 = 100;

/// Starts for the images of a case.
pub(super) struct Starts {
    /// Adversarial images, image after image; the clean image where none was found.
    pub(super) pixels: Vec<f32>,
    /// Whether one was found, `(n)`.
    pub(super) found: Vec<bool>,
    /// What that took, `(n)`.
    pub(super) costs: Vec<Cost>,
}

/// Looks for an image that is classified as the aim wants: the one given in `case.start` if there
/// is one, then random pixels, in turn over the whole range and over a random part of it.
pub(super) fn find(mut oracle: Oracle<'_>, case: &Case<'_>) -> Result<Starts, AttackError> {
    let n = case.ids.len();
    let mut pixels = case.pixels.to_vec();
    let mut found = vec![false; n];
    let d = case.n_features();
    let mut active = Active::all(case, pixels.clone(), vec![(); n]);
    for attempt in 0..N_TRIES {
        if active.is_empty() {
            break;
        }
        let rows = active.rows.clone();
        for (row, image) in rows.iter().zip(active.pixels.chunks_mut(d)) {
            match case.start.filter(|_| attempt == 0) {
                Some(start) => image.copy_from_slice(&start[row * d..][..d]),
                None => random(case, *row, attempt, image),
            }
        }
        let classes = oracle.classes(&active, attempt)?;
        let answers = classes.into_iter().zip(&active.aims);
        let met: Vec<bool> = answers.map(|(class, aim)| aim.is_met(class)).collect();
        for (place, row) in rows.iter().enumerate().filter(|(place, _)| met[*place]) {
            found[*row] = true;
            pixels[row * d..][..d].copy_from_slice(active.image(place));
        }
        let open: Vec<bool> = met.iter().map(|met| !met).collect();
        active.retain(&open);
    }
    let costs = oracle.finish().costs;
    Ok(Starts {
        pixels,
        found,
        costs,
    })
}

fn random(case: &Case<'_>, row: usize, attempt: u32, image: &mut [f32]) {
    let purpose = format!("attack-start-{}-{attempt}", case.restart);
    let mut rng = Rng::new(case.seed, &purpose, case.ids[row]);
    let (low, width) = match attempt % 2 {
        0 => (0.0, 1.0),
        _ => {
            let (a, b) = (rng.uniform(), rng.uniform());
            (a.min(b), (a - b).abs())
        }
    };
    let range = case.setting.range;
    let (from, to) = (f64::from(range.low), f64::from(range.high));
    for pixel in image {
        let share = low + width * rng.uniform();
        *pixel = range.clip((from + (to - from) * share) as f32);
    }
}

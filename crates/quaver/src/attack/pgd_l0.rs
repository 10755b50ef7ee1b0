//! PGD in L0.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::rng::Rng;
use crate::spec::{Allowed, Interval, Parameter, Spec, SpecError};
use crate::threat::{Bound, Budget, Norm, PixelRange, every};

use super::active::Active;
use super::ascent::{LOSS, N_STEPS};
use super::best::Best;
use super::noise::NoiseMode;
use super::objective::Loss;
use super::oracle::{Oracle, Query};
use super::{Access, Attack, AttackError, Case, Dialect, Entry, Perturbed, Setting, Start};

pub(super) const ENTRY: Entry = Entry {
    id: "pgd-l0",
    short: "PGD-L0",
    title: "Projected gradient descent on a number of pixels",
    paper: "Sparse and Imperceivable Adversarial Attacks (2019)",
    access: Access::WhiteBox,
    norms: &[Norm::L0],
    dialects: &[Dialect::Corrected],
    start: Start::Optional,
    always_targeted: false,
    parameters: &[
        Parameter {
            name: "eps",
            default: "10",
            allowed: Allowed::Integer(0, 1_000_000),
            about: "number of pixels that may change",
        },
        Parameter {
            name: "step_size",
            default: "0.15",
            allowed: Allowed::Real(&[Interval::above(0.0, 1000.0)]),
            about: "mean change of a pixel in a step before it is projected, in widths of the range",
        },
        N_STEPS.or("20"),
        LOSS,
    ],
    build: |values| {
        let params = values.read()?;
        Ok(Box::new(PgdL0 { params }))
    },
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Params {
    eps: u32,
    step_size: f64,
    n_steps: u32,
    loss: Loss,
}

/// Projected gradient descent on a number of pixels (PGD-L0): steps along the gradient, of
/// which only the most useful pixels are kept.
///
/// # Method
/// x' = P(x' + step_size · N · g / ‖g‖₁), N the number of pixels. P is the exact projection on eps changed
/// pixels and the pixel range together: where u is the change that is wanted and v what the range
/// leaves of it, it keeps the eps pixels of largest u² - (u - v)². The start is the projection of uniform pixels,
/// or in the first restart an image that is given.
///
/// # Source
/// "Sparse and Imperceivable Adversarial Attacks" (2019), section 3.1. Differs: the length
/// of a step is given for each pixel, with the value that the paper's has on CIFAR-10; the best iterate is returned, and an image that met the aim is finished
/// (noise off); channels of a pixel count one by one.
///
/// # Cost
/// `n_steps` forward and backward passes for each draw of noise and one forward pass more, under
/// noise up to 20 more.
///
/// # Limits
/// Which pixels change is decided early, so that restarts help.
#[derive(Clone, Debug)]
pub struct PgdL0 {
    params: Params,
}

/// Iterates that are compared under noise, and on which draws.
const JUDGED: u32 = 20;
const OWN_DRAWS: Query = Query { step: 0, number: 1 };

impl PgdL0 {
    /// Where image `row` begins.
    fn start(&self, case: &Case<'_>, row: usize) -> Vec<f32> {
        let x = case.image(row);
        let range = case.setting.range;
        let wanted = match case.start {
            Some(start) => start[row * x.len()..][..x.len()].to_vec(),
            None => {
                let purpose = format!("attack-start-{}", case.restart);
                let mut rng = Rng::new(case.seed, &purpose, case.ids[row]);
                let (low, high) = (f64::from(range.low), f64::from(range.high));
                let pixels = x.iter().map(|_| low + (high - low) * rng.uniform());
                pixels.map(|pixel| pixel as f32).collect()
            }
        };
        let mut image = x.to_vec();
        project(self.params.eps as usize, range, x, &wanted, &mut image);
        image
    }

    /// Moves an image; `None` if the gradient is not finite, else whether it was zero everywhere.
    fn step(
        &self,
        (range, x): (PixelRange, &[f32]),
        image: &mut [f32],
        gradient: &mut [f32],
    ) -> Option<bool> {
        if !every(gradient, |g| g.is_finite()) {
            return None;
        }
        let sum: f64 = gradient.iter().map(|g| f64::from(g.abs())).sum();
        if sum == 0.0 {
            return Some(true);
        }
        let width = f64::from(range.high) - f64::from(range.low);
        let scale = self.params.step_size * width * x.len() as f64 / sum;
        for (g, pixel) in gradient.iter_mut().zip(image.iter()) {
            *g = (f64::from(*pixel) + scale * f64::from(*g)) as f32;
        }
        project(self.params.eps as usize, range, x, gradient, image);
        Some(false)
    }
}

/// Writes to `image` the point nearest to `wanted` that is in range and has at most `eps` pixels
/// other than `x`; the first of pixels that are as useful.
fn project(eps: usize, range: PixelRange, x: &[f32], wanted: &[f32], image: &mut [f32]) {
    let change = |i: usize| {
        let (wanted, left) = (wanted[i] - x[i], range.clip(wanted[i]) - x[i]);
        // wanted² - (wanted - left)²
        left * (2.0 * wanted - left)
    };
    let mut gains: Vec<(f32, usize)> = (0..x.len()).map(|i| (change(i), i)).collect();
    image.copy_from_slice(x);
    if eps < gains.len() {
        let most_first =
            |a: &(f32, usize), b: &(f32, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        gains.select_nth_unstable_by(eps, most_first);
        gains.truncate(eps);
    }
    for (_, i) in gains {
        image[i] = range.clip(wanted[i]);
    }
}

impl Attack for PgdL0 {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn spec(&self, _: Dialect) -> Result<Spec, SpecError> {
        Spec::of(ENTRY.id, &self.params)
    }

    fn bound(&self, _: Setting) -> Bound {
        Bound::Ball(Budget {
            norm: Norm::L0,
            eps: self.params.eps as f32,
        })
    }

    fn n_steps(&self, _: Setting) -> u32 {
        self.params.n_steps
    }

    fn perturb(&self, oracle: &mut Oracle<'_>, case: &Case<'_>) -> Result<Perturbed, AttackError> {
        let (n, d, range) = (case.ids.len(), case.n_features(), case.setting.range);
        let starts = (0..n)
            .into_par_iter()
            .flat_map_iter(|row| self.start(case, row));
        let starts: Vec<f32> = starts.collect();
        let mut found = Perturbed::unchanged(starts.clone(), n);
        let mut active = Active::all(case, starts, vec![(); n]);
        let (loss, n_steps) = (&self.params.loss, self.params.n_steps);
        let certain = oracle.noise() == NoiseMode::Off;
        let mut best = Best::new(n, oracle.noise());
        for step in 0..n_steps {
            if active.is_empty() {
                break;
            }
            let (outputs, mut gradient) = oracle.gradient(&active, step, loss)?;
            if certain {
                best.take(&outputs, loss, &active, &mut found);
            } else if step % n_steps.div_ceil(JUDGED) == 0 {
                let outputs = oracle.outputs(&active, OWN_DRAWS, loss)?;
                best.take(&outputs, loss, &active, &mut found);
            }
            let (rows, aims) = (&active.rows, &active.aims);
            let images = active
                .pixels
                .par_chunks_mut(d)
                .zip(gradient.par_chunks_mut(d));
            let zeros: Vec<Option<bool>> = images
                .enumerate()
                .map(|(place, (image, gradient))| {
                    self.step((range, case.image(rows[place])), image, gradient)
                })
                .collect();
            let mut open = vec![true; rows.len()];
            for (place, zero) in zeros.iter().enumerate() {
                let flags = &mut found.flags[rows[place]];
                flags.non_finite |= zero.is_none();
                flags.zero_gradient |= *zero == Some(true);
                found.n_steps[rows[place]] += u32::from(zero.is_some());
                let met = certain && aims[place].is_met(outputs.class(place));
                open[place] = zero.is_some() && !met;
            }
            active.retain(&open);
        }
        if !active.is_empty() {
            let query = if certain { n_steps.into() } else { OWN_DRAWS };
            let outputs = oracle.outputs(&active, query, loss)?;
            best.take(&outputs, loss, &active, &mut found);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_range_takes_counts_less() {
        let x = [0.5, 0.9, 0.25, 0.0];
        let mut image = [0.0; 4];
        // Of the largest change only 0.1 is left: 1.1² - 1² = 0.21; the others are 0.16 and 0.25.
        let wanted = [0.1, 2.0, 0.75, -3.0];
        for (eps, expected) in [
            (0, x),
            (1, [0.5, 0.9, 0.75, 0.0]),
            (2, [0.5, 1.0, 0.75, 0.0]),
            (4, [0.1, 1.0, 0.75, 0.0]),
        ] {
            project(eps, PixelRange::default(), &x, &wanted, &mut image);
            assert_eq!(image, expected, "{eps}");
        }
    }
}

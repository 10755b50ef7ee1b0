//! The planes that a classifier looks like near an image: between its label and other classes.

use crate::threat::{Norm, every};

use super::AttackError;
use super::active::Active;
use super::objective::Aim;
use super::oracle::{Oracle, Query};
use super::outputs::Outputs;

/// The plane between the label and one class: the class wins where ⟨w, δ⟩ > `needed`.
#[derive(Clone, Debug)]
pub struct Plane {
    /// Gradient of the difference of the logits.
    pub w: Vec<f32>,
    /// How far the difference is below 0.
    pub needed: f64,
}

impl Plane {
    /// How far it is without regard to the pixel range; infinite where its gradient is 0.
    #[must_use]
    pub fn distance(&self, norm: Norm) -> f64 {
        let sizes = self.w.iter().map(|w| f64::from(*w).abs());
        let dual = match norm {
            Norm::Linf => sizes.sum(),
            Norm::L2 => sizes.map(|w| w * w).sum::<f64>().sqrt(),
            Norm::L1 | Norm::L0 => sizes.fold(0.0, f64::max),
        };
        if dual > 0.0 {
            self.needed.abs() / dual
        } else {
            f64::INFINITY
        }
    }
}

/// What has been asked about the active images in one step.
pub struct Planes {
    /// Outputs at the images.
    pub outputs: Outputs,
    /// The nearest plane of each; `None` where a gradient is not finite.
    pub nearest: Vec<Option<Plane>>,
}

/// Asks for the planes of the active images towards each of `classes`, which are as many for each
/// image, and finds the nearest in `norm`. The aims of the active images are changed meanwhile.
///
/// # Errors
/// What the oracle refuses.
pub fn nearest<S: Sync>(
    oracle: &mut Oracle<'_>,
    active: &mut Active<'_, S>,
    step: u32,
    classes: &[&[usize]],
    norm: Norm,
) -> Result<Planes, AttackError> {
    let loss = "logit-difference".parse()?;
    let n = active.rows.len();
    let aims = active.aims.clone();
    let mut nearest: Vec<Option<(f64, Plane)>> = vec![None; n];
    let mut broken = vec![false; n];
    let mut first = None;
    for number in 0..classes.first().map_or(0, |all| all.len()) {
        for (place, aim) in active.aims.iter_mut().enumerate() {
            *aim = Aim {
                label: aims[place].label,
                target: Some(classes[place][number]),
            };
        }
        let query = Query {
            step,
            number: number as u32,
        };
        let (outputs, gradient) = oracle.gradient(active, query, &loss)?;
        let d = gradient.len() / n;
        for (place, w) in gradient.chunks(d).enumerate() {
            let plane = Plane {
                w: w.to_vec(),
                needed: -outputs.value(place, &loss, active),
            };
            broken[place] |= !every(w, |w| w.is_finite()) || plane.needed.is_nan();
            let distance = plane.distance(norm);
            if nearest[place]
                .as_ref()
                .is_none_or(|(before, _)| distance < *before)
            {
                nearest[place] = Some((distance, plane));
            }
        }
        first.get_or_insert(outputs);
    }
    active.aims = aims;
    let whole = |(nearest, broken): (Option<(f64, Plane)>, bool)| {
        nearest.filter(|_| !broken).map(|(_, plane)| plane)
    };
    Ok(Planes {
        outputs: match first {
            Some(outputs) => outputs,
            None => oracle.outputs(active, step, &loss)?,
        },
        nearest: nearest.into_iter().zip(broken).map(whole).collect(),
    })
}

/// The classes an attack goes for: the target, or the `n` likeliest wrong ones, all for 0.
#[must_use]
pub fn candidates(probs: &[f64], aim: Aim, n: usize) -> Vec<usize> {
    if let Some(target) = aim.target {
        return vec![target];
    }
    let mut others: Vec<usize> = (0..probs.len()).filter(|c| *c != aim.label).collect();
    others.sort_by(|a, b| probs[*b].total_cmp(&probs[*a]));
    if n > 0 {
        others.truncate(n);
    }
    others
}

//! [`Smallest`]: the adversarial image nearest to the clean one, of those that were asked about.

use crate::decision::argmax;

use super::active::Active;
use super::noise::NoiseMode;
use super::objective::Loss;
use super::oracle::{Oracle, Query};
use super::outputs::Outputs;
use super::{AttackError, Perturbed};

/// The nearest adversarial image so far; the clean image until there is one.
#[derive(Clone, Debug)]
pub struct Smallest {
    /// Its pixels.
    pub image: Vec<f32>,
    /// How far it is; infinite until there is one.
    pub distance: f64,
}

impl Smallest {
    /// None yet, of the clean image `x`.
    #[must_use]
    pub fn of(x: &[f32]) -> Self {
        Self {
            image: x.to_vec(),
            distance: f64::INFINITY,
        }
    }

    /// Takes an adversarial image at `distance` if it is nearer than all before it.
    pub fn take(&mut self, image: &[f32], distance: f64) {
        if distance < self.distance {
            self.distance = distance;
            self.image.copy_from_slice(image);
        }
    }
}

/// What the classifier said of one image.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// The margin, on the draws of the step.
    pub margin: f64,
    /// Whether it is adversarial on those draws.
    pub reached: bool,
    /// Whether it counts as adversarial.
    pub counts: bool,
}

/// Draws that decide whether an image counts where each step draws fresh noise: with one the
/// smallest image would be that of the luckiest draw.
const N_DRAWS: u32 = 20;
/// The first of the queries that make them, the same at every step.
const OWN_DRAWS: Query = Query {
    step: 0,
    number: 100,
};

/// What `outputs` say of the active images: adversarial are those that meet their aims with a
/// margin of `confidence`. Under fresh noise those among them that `matter`, such as what is nearer
/// than all before, count only if they meet them on draws of their own as well.
///
/// # Errors
/// What the classifier refuses.
pub fn answers<S>(
    oracle: &mut Oracle<'_>,
    active: &Active<'_, S>,
    (outputs, loss): (&Outputs, &Loss),
    confidence: f64,
    matters: impl Fn(usize) -> bool,
) -> Result<Vec<Answer>, AttackError> {
    let answer = |place: usize| {
        let margin = outputs.value(place, loss, active);
        let sure = confidence == 0.0 || margin >= confidence;
        let reached = sure && active.aims[place].is_met(outputs.class(place));
        Answer {
            margin,
            reached,
            counts: reached,
        }
    };
    let mut answers: Vec<Answer> = (0..active.rows.len()).map(answer).collect();
    if matches!(oracle.noise(), NoiseMode::Off | NoiseMode::Fixed) {
        return Ok(answers);
    }
    let doubtful = |place: &usize| answers[*place].reached && matters(*place);
    let places: Vec<usize> = (0..answers.len()).filter(doubtful).collect();
    if places.is_empty() {
        return Ok(answers);
    }
    let pixels = places.iter().flat_map(|place| active.image(*place));
    let candidates = active.candidates(&places, pixels.copied().collect());
    let mut sums = vec![vec![0.0; oracle.n_classes()]; places.len()];
    for more in 0..N_DRAWS.div_ceil(oracle.noise().n_draws()) {
        let number = OWN_DRAWS.number + more;
        let outputs = oracle.outputs(
            &candidates,
            Query {
                number,
                ..OWN_DRAWS
            },
            loss,
        )?;
        for (i, sum) in sums.iter_mut().enumerate() {
            let probs = outputs.probs(i);
            sum.iter_mut().zip(probs).for_each(|(sum, p)| *sum += p);
        }
    }
    for (place, sum) in places.iter().zip(sums) {
        answers[*place].counts = active.aims[*place].is_met(argmax(&sum));
    }
    Ok(answers)
}

/// What became of one image in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// A number was not finite, and the image is finished.
    NotFinite,
    /// It is finished.
    Done,
    /// It moved.
    On {
        /// Whether the gradient was zero everywhere.
        zero_gradient: bool,
    },
}

/// Writes down in `found` what a step did to each image, and of those that are finished the
/// smallest; whether each goes on.
pub fn note<S>(
    moved: &[Moved],
    active: &Active<'_, S>,
    smallest: impl Fn(&S) -> &Smallest,
    found: &mut Perturbed,
) -> Vec<bool> {
    for (place, moved) in moved.iter().enumerate() {
        let row = active.rows[place];
        let flags = &mut found.flags[row];
        flags.non_finite |= *moved == Moved::NotFinite;
        if let Moved::On { zero_gradient } = moved {
            flags.zero_gradient |= zero_gradient;
            found.n_steps[row] += 1;
        } else {
            found.set(row, &smallest(&active.states[place]).image);
        }
    }
    let on = |moved: &Moved| matches!(moved, Moved::On { .. });
    moved.iter().map(on).collect()
}

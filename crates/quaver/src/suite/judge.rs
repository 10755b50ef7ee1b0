//! Whether an image has fallen, on draws that are told from all others by a seed.

use ndarray::ArrayView4;

use crate::attack::AttackError;
use crate::attack::objective::Aim;
use crate::attack::run::{Deployed, tallies};
use crate::classifier::{Batch, Classifier, Draw, Purpose};
use crate::decision::{Decision, Verdict};

/// What answers about images.
#[derive(Clone, Copy)]
pub(super) struct Judge<'a> {
    pub(super) deployed: Option<&'a dyn Deployed>,
    pub(super) model: &'a dyn Classifier,
    pub(super) decision: Decision,
}

/// An answer, and how far the vote is beyond the border: the margin of the mean probabilities of
/// what is wanted over what is not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) verdict: Verdict,
    pub(super) margin: f64,
}

impl Judge<'_> {
    /// Answers about images on passes from number `pass` on.
    pub(super) fn answers(
        &self,
        pixels: &[f32],
        ids: &[u64],
        aims: &[Aim],
        (seed, pass): (u64, u32),
    ) -> Result<Vec<Answer>, AttackError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let [c, h, w] = self.model.input_shape();
        let x = ArrayView4::from_shape((ids.len(), c, h, w), pixels)?;
        let batch = Batch { x, ids };
        let purpose = Purpose::Success;
        let draw = Draw {
            seed,
            purpose,
            pass,
        };
        let tallies = tallies(self.model, batch, self.decision, draw)?;
        let verdicts = match self.deployed {
            Some(deployed) => deployed
                .verdicts(batch, draw)
                .map_err(AttackError::Deployed)?,
            None => tallies.iter().map(|t| self.decision.verdict(t)).collect(),
        };
        let answers = verdicts.into_iter().zip(&tallies).zip(aims);
        Ok(answers
            .map(|((verdict, tally), aim)| Answer {
                verdict,
                margin: margin(tally.sum(), *aim),
            })
            .collect())
    }
}

fn margin(sums: &[f64], aim: Aim) -> f64 {
    let (class, sign) = aim.class_and_sign();
    let others = sums.iter().enumerate().filter(|(c, _)| *c != class);
    let best = others.fold(f64::NEG_INFINITY, |best, (_, p)| best.max(*p));
    sign * (sums[class] - best)
}

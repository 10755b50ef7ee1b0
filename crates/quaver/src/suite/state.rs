//! [`State`]: what a suite has made of each image so far.

use crate::attack::record::{AdversarialBatch, Outcome};
use crate::threat::Budget;

use super::judge::Answer;

/// The worst that has been found for one image.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// What the attack that found it said, all costs added up; `None` before the first.
    pub(super) outcome: Option<Outcome>,
    /// Number of the member that found it.
    pub(super) member: Option<u32>,
    /// How far it is beyond the border.
    pub(super) margin: f64,
    /// Whether it needs no further attack.
    pub(super) fallen: bool,
}

impl State {
    /// Of a clean image.
    pub(super) fn new(answer: Answer, is_wrong: bool) -> Self {
        Self {
            outcome: None,
            member: None,
            margin: answer.margin,
            fallen: is_wrong,
        }
    }

    /// Takes what `member` found if it is worse; says whether it is.
    pub(super) fn take(
        &mut self,
        member: Option<u32>,
        found: &Outcome,
        answer: Answer,
        fallen: bool,
    ) -> bool {
        let before = self.outcome.as_ref();
        let (mut cost, mut flags) = (found.cost, found.flags);
        if let Some(before) = before {
            cost += before.cost;
            flags = flags.or(before.flags);
        }
        let worse = before.is_none() || (fallen && !self.fallen) || answer.margin > self.margin;
        if worse {
            self.outcome = Some(found.clone());
            self.member = member;
            self.margin = answer.margin;
        }
        if let Some(outcome) = &mut self.outcome {
            (outcome.cost, outcome.flags) = (cost, flags);
        }
        self.fallen |= fallen;
        worse
    }
}

/// Candidates of a member: clean pixels stand in for what lies outside the ball, as what an attack
/// that seeks the smallest distance finds may.
pub(super) fn in_ball(
    batch: &AdversarialBatch,
    clean: &[f32],
    budget: Budget,
) -> (Vec<f32>, Vec<bool>) {
    let mut pixels: Vec<f32> = batch.x_adv.iter().copied().collect();
    let d = clean.len() / batch.n().max(1);
    let images = pixels.chunks_mut(d.max(1)).zip(clean.chunks(d.max(1)));
    let inside = images.map(|(x_adv, x)| {
        let inside = budget.holds(x, x_adv);
        if !inside {
            x_adv.copy_from_slice(x);
        }
        inside
    });
    let inside = inside.collect();
    (pixels, inside)
}

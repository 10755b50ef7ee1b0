//! What is answered about attacked images on fresh noise: by the decision, or by what is deployed.

use crate::attack::objective::Aim;
use crate::attack::{AttackError, Case};
use crate::classifier::{Draw, Purpose};
use crate::decision::{Tally, Verdict};
use crate::threat::{Distances, Goal};

use super::restart::{Rank, rank};
use super::{Runner, tally};

impl Runner<'_, '_> {
    /// Passes on draws of success from number `first_pass` on.
    fn tallies(
        &self,
        pixels: &[f32],
        ids: &[u64],
        first_pass: u32,
    ) -> Result<Vec<Tally>, AttackError> {
        let batch = self.batch(pixels, ids)?;
        let draw = self.draw(first_pass);
        Ok(tally::tallies(self.model, batch, self.decision, draw)?)
    }

    /// Answers about images on draws that nothing else has seen, from their tallies if those are `known`.
    pub(super) fn verdicts(
        &self,
        pixels: &[f32],
        ids: &[u64],
        known: Vec<Tally>,
    ) -> Result<Vec<Verdict>, AttackError> {
        if self.deployed.is_some() {
            return self.answers(pixels, ids, 0);
        }
        let tallies = match known.len() == ids.len() {
            true => known,
            false => self.tallies(pixels, ids, 0)?,
        };
        Ok(tallies.iter().map(|t| self.decision.verdict(t)).collect())
    }

    /// What the deployed rule answers; nothing without one.
    fn answers(
        &self,
        pixels: &[f32],
        ids: &[u64],
        first_pass: u32,
    ) -> Result<Vec<Verdict>, AttackError> {
        let batch = self.batch(pixels, ids)?;
        let answers = self
            .deployed
            .map(|d| d.verdicts(batch, self.draw(first_pass)));
        Ok(answers
            .transpose()
            .map_err(AttackError::Deployed)?
            .unwrap_or_default())
    }

    fn draw(&self, first_pass: u32) -> Draw {
        Draw {
            seed: self.options.seed,
            purpose: Purpose::Success,
            pass: first_pass,
        }
    }

    /// Ranks for the choice among restarts, on passes after those that decide success: the
    /// luckiest of many restarts would otherwise look better than it is. Nothing to choose
    /// among, nothing asked.
    pub(super) fn ranks(
        &self,
        pixels: &[f32],
        case: &Case<'_>,
        labels: &[usize],
    ) -> Result<Vec<Rank>, AttackError> {
        let n = case.ids.len();
        if self.options.n_restarts == 1 && !self.options.stop_early {
            return Ok(vec![(false, 0.0); n]);
        }
        let d = self.setting.n_features;
        let first_pass = self.decision.n_passes();
        let tallies = self.tallies(pixels, case.ids, first_pass)?;
        let verdicts = match self.deployed {
            Some(_) => self.answers(pixels, case.ids, first_pass)?,
            None => tallies.iter().map(|t| self.decision.verdict(t)).collect(),
        };
        let of_image = |row: usize| {
            let goal = self.options.goal;
            let target = case.aims[row].target.filter(|_| goal == Goal::Targeted);
            let label = labels[row];
            let image = &pixels[row * d..][..d];
            rank(
                &tallies[row],
                verdicts[row],
                Aim { label, target },
                self.bound,
                || Distances::between(case.image(row), image),
            )
        };
        Ok((0..n).map(of_image).collect())
    }
}

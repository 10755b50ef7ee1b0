//! A short search for the strongest setting of PGD on some of the images.

use crate::attack::AttackError;
use crate::attack::record::{SearchRecord, Tried};
use crate::attack::surrogate::SurrogateRule;
use crate::spec::{Spec, SpecError};

use super::run::Running;
use super::{Member, Search};

/// Images that settings are tried on, and those that judge what was found, at most.
const N_SEARCHED: usize = 64;

/// What a search found.
pub(super) struct Found {
    setting: Setting,
    pub(super) record: SearchRecord,
}

/// A setting of PGD.
#[derive(Clone, Debug)]
struct Setting {
    surrogate: SurrogateRule,
    loss: String,
    /// Length of a step in parts of eps.
    step: f64,
}

impl Found {
    /// The member with what was found, as far as it leaves that open.
    pub(super) fn applied_to(&self, member: &Member) -> Result<Member, SpecError> {
        let mut member = member.clone();
        if member.surrogate.is_none() {
            member.surrogate = Some(self.setting.surrogate.clone());
        }
        if member.follows_search {
            member.attack = self.setting.attack(&member.attack)?;
        }
        Ok(member)
    }
}

impl Setting {
    fn attack(&self, base: &Spec) -> Result<Spec, SpecError> {
        let eps: f64 = match base.params.get("eps") {
            Some(eps) => eps.to_string().parse().unwrap_or(0.0),
            None => 0.0,
        };
        let spec = base.clone().with("loss", &self.loss)?;
        match eps > 0.0 {
            true => spec.with("step_size", &format!("{:?}", eps * self.step)),
            false => Ok(spec),
        }
    }

    fn member(&self, base: &Member) -> Result<Member, SpecError> {
        Ok(Member {
            attack: self.attack(&base.attack)?,
            surrogate: Some(self.surrogate.clone()),
            ..base.clone()
        })
    }

    fn text(&self) -> String {
        let (surrogate, loss, step) = (&self.surrogate, &self.loss, self.step);
        format!("surrogate {surrogate}, loss {loss}, steps of {step} eps")
    }
}

/// How good a setting is: images that fell, then how far the mean image is beyond the border.
type Score = (u64, f64);

impl Running<'_, '_> {
    /// Tries one setting after another, the surrogate first, then the loss, then the step, each
    /// with the best of what came before. Half of the images, at most 64, try; the others, at most
    /// as many, judge: the default stays where it is better there. `None` where nothing stands.
    pub(super) fn search(&mut self, search: &Search) -> Result<Option<Found>, AttackError> {
        let standing = self.standing();
        if standing.is_empty() || !self.go_on() {
            return Ok(None);
        }
        // Every other image, so that both halves are alike.
        let part = |odd: usize| -> Vec<usize> {
            let rows = standing.iter().enumerate();
            let rows = rows
                .filter(|(place, _)| place % 2 == odd)
                .map(|(_, row)| *row);
            rows.take(N_SEARCHED).collect()
        };
        let (tries, judges) = (part(0), part(1));
        let default = Setting {
            surrogate: search.surrogates[0].clone(),
            loss: search.losses[0].clone(),
            step: search.steps[0],
        };
        let total = search.surrogates.len() + search.losses.len() + search.steps.len() - 2;
        self.observer.begin("search", total as u64);
        let mut tried = Vec::new();
        let mut best = (
            default.clone(),
            self.score(&default, search, &tries, &mut tried)?,
        );
        let with = |best: &Setting, change: &dyn Fn(&mut Setting)| {
            let mut setting = best.clone();
            change(&mut setting);
            setting
        };
        let mut better =
            |running: &mut Self, changes: Vec<Setting>| -> Result<Setting, AttackError> {
                for setting in changes {
                    if !running.go_on() {
                        break;
                    }
                    let score = running.score(&setting, search, &tries, &mut tried)?;
                    if score > best.1 {
                        best = (setting, score);
                    }
                    running.observer.progress(tried.len() as u64, "");
                }
                Ok(best.0.clone())
            };
        let all = search.surrogates[1..].iter();
        let all = all.map(|s| with(&default, &|setting| setting.surrogate = s.clone()));
        let found = better(self, all.collect())?;
        let all = search.losses[1..].iter();
        let all = all.map(|l| with(&found, &|setting| setting.loss.clone_from(l)));
        let found = better(self, all.collect())?;
        let all = search.steps[1..].iter();
        let all = all.map(|s| with(&found, &|setting| setting.step = *s));
        let found = better(self, all.collect())?;
        let judged = self.judged(&default, &found, search, &judges, &mut tried)?;
        self.observer.end();
        let setting = if judged.1 >= judged.0 { found } else { default };
        let record = SearchRecord {
            found: setting.text(),
            n: tries.len() as u64,
            tried,
        };
        Ok(Some(Found { setting, record }))
    }

    /// Scores of the default and of what was found on images that had no part in finding it.
    fn judged(
        &mut self,
        default: &Setting,
        found: &Setting,
        search: &Search,
        judges: &[usize],
        tried: &mut Vec<Tried>,
    ) -> Result<(Score, Score), AttackError> {
        if default.text() == found.text() || judges.is_empty() || !self.go_on() {
            return Ok(((0, 0.0), (0, 0.0)));
        }
        let before = self.score(default, search, judges, tried)?;
        let after = self.score(found, search, judges, tried)?;
        Ok((before, after))
    }

    fn score(
        &mut self,
        setting: &Setting,
        search: &Search,
        rows: &[usize],
        tried: &mut Vec<Tried>,
    ) -> Result<Score, AttackError> {
        let member = setting.member(&search.base)?;
        // The same draws for all settings: what differs is the setting.
        let batch = self.attack(&member, rows, "suite-search")?;
        let (n_fallen, margin) = self.take(None, rows, &batch)?;
        tried.push(Tried {
            setting: setting.text(),
            n: rows.len() as u64,
            n_fallen,
            margin,
        });
        Ok((n_fallen, margin))
    }
}

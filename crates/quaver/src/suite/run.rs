//! [`run`]: a suite on images.

use ndarray::{Array4, ArrayView4, Axis, Slice};

use crate::attack::noise::NoiseMode;
use crate::attack::objective::Aim;
use crate::attack::oracle::Cost;
use crate::attack::record::{
    AdversarialBatch, AttackRecord, Counts, MemberRecord, Origin, Outcome, SearchRecord,
};
use crate::attack::run::{Deployed, Inputs, Options, run_against};
use crate::attack::surrogate::{N_CALIBRATION, SurrogateRule};
use crate::attack::{self, AttackError, Dialect, Flags};
use crate::classifier::{Classifier, Randomness};
use crate::decision::Decision;
use crate::observe::Observer;
use crate::rng::Rng;
use crate::threat::{Bound, Distances, Goal};

use super::judge::Judge;
use super::state::{State, in_ball};
use super::{Facts, Member, Suite};

/// Images that a member takes at a time.
const BLOCK: usize = 1024;

/// Runs `suite` on `inputs`: each member on the images that stand. An image has fallen when the
/// rule answers wrongly on two sets of draws that the attack has not seen; the worst found for
/// each image is then judged on fresh ones. An image that is answered wrongly before any attack has
/// fallen as it is.
///
/// `options` say what is deployed: `decision`, `labels`, `range`, `seed`. Noise, surrogates and
/// restarts are the suite's own.
///
/// # Errors
/// As [`run_against`], and what a suite does not take: targets, starts, dialects.
pub fn run(
    suite: &Suite,
    deployed: Option<&dyn Deployed>,
    model: &dyn Classifier,
    inputs: &Inputs<'_>,
    options: &Options,
    observer: &dyn Observer,
) -> Result<AdversarialBatch, AttackError> {
    let mut running = Running::new(suite, deployed, model, inputs, options, observer)?;
    let plan = suite.plan(&Facts::of(model)?)?;
    let otherwise = plan.search.as_ref().map(|search| search.otherwise.clone());
    let mut found = None;
    for (number, member) in plan.members.iter().enumerate() {
        if let Some(search) = plan.search.as_ref().filter(|s| s.after == number) {
            found = running.search(search)?;
        }
        if !running.go_on() {
            break;
        }
        let member = match &found {
            Some(found) => found.applied_to(member)?,
            None => Member {
                surrogate: member.surrogate.clone().or(otherwise.clone()),
                ..member.clone()
            },
        };
        running.member(&member)?;
    }
    running.finish(found.map(|found| found.record))
}

/// A suite on its way.
pub(super) struct Running<'a, 'i> {
    pub(super) suite: &'a Suite,
    pub(super) judge: Judge<'a>,
    pub(super) model: &'a dyn Classifier,
    pub(super) inputs: &'a Inputs<'i>,
    pub(super) options: &'a Options,
    pub(super) observer: &'a dyn Observer,
    pub(super) aims: Vec<Aim>,
    /// The worst image found for each, `(n, c, h, w)`.
    x_adv: Array4<f32>,
    pub(super) states: Vec<State>,
    members: Vec<MemberRecord>,
    notes: Vec<String>,
    /// Choices made so far, each on draws of its own.
    n_taken: u32,
}

impl<'a, 'i> Running<'a, 'i> {
    fn new(
        suite: &'a Suite,
        deployed: Option<&'a dyn Deployed>,
        model: &'a dyn Classifier,
        inputs: &'a Inputs<'i>,
        options: &'a Options,
        observer: &'a dyn Observer,
    ) -> Result<Self, AttackError> {
        check(suite, inputs, options)?;
        let decision = match model.randomness() {
            Randomness::None => Decision::Mean(1),
            _ => options.decision,
        };
        let aim = |label: &usize| Aim {
            label: *label,
            target: None,
        };
        let mut running = Self {
            suite,
            judge: Judge {
                deployed,
                model,
                decision,
            },
            model,
            inputs,
            options,
            observer,
            aims: inputs.labels.iter().map(aim).collect(),
            x_adv: inputs.x.to_owned(),
            states: Vec::new(),
            members: Vec::new(),
            notes: Vec::new(),
            n_taken: 0,
        };
        let rows: Vec<usize> = (0..inputs.ids.len()).collect();
        let pixels = gather(inputs.x, &rows);
        // A noisy answer to the clean image is looked at twice, as one to a perturbed image is.
        let first = running.answers(&pixels, &rows, "suite-clean", 0)?;
        let second = running.answers(&pixels, &rows, "suite-clean", decision.n_passes())?;
        let states = first.into_iter().zip(second).zip(&running.aims);
        running.states = states
            .map(|((first, second), aim)| {
                let wrong = aim.is_met(first.verdict.class()) && aim.is_met(second.verdict.class());
                State::new(first, wrong)
            })
            .collect();
        Ok(running)
    }

    pub(super) fn go_on(&self) -> bool {
        self.observer.go_on()
    }

    /// Rows that have not fallen.
    pub(super) fn standing(&self) -> Vec<usize> {
        let states = self.states.iter().enumerate();
        states
            .filter(|(_, s)| !s.fallen)
            .map(|(row, _)| row)
            .collect()
    }

    /// Answers about the images `rows` on draws keyed by `purpose`.
    fn answers(
        &self,
        pixels: &[f32],
        rows: &[usize],
        purpose: &str,
        pass: u32,
    ) -> Result<Vec<super::judge::Answer>, AttackError> {
        let ids: Vec<u64> = rows.iter().map(|row| self.inputs.ids[*row]).collect();
        let aims: Vec<Aim> = rows.iter().map(|row| self.aims[*row]).collect();
        let seed = Rng::new(self.options.seed, purpose, 0).next_u64();
        self.judge.answers(pixels, &ids, &aims, (seed, pass))
    }

    /// Runs a member on what stands.
    fn member(&mut self, member: &Member) -> Result<(), AttackError> {
        let number = self.members.len() as u32;
        let standing = self.standing();
        let mut record = MemberRecord {
            attack: member.attack.to_string(),
            n_restarts: member.n_restarts,
            noise: member.noise,
            surrogate: member.surrogate.clone().unwrap_or_default(),
            n_attacked: standing.len() as u64,
            n_fallen: 0,
            cost: Cost::default(),
        };
        if standing.is_empty() {
            self.members.push(record);
            return Ok(());
        }
        self.observer
            .begin(&member.attack.name, standing.len() as u64);
        let mut done = 0;
        for rows in standing.chunks(BLOCK) {
            if !self.go_on() {
                break;
            }
            let batch = self.attack(member, rows, &format!("suite-member-{number}"))?;
            record.attack.clone_from(&batch.record.attack);
            record.cost += batch.record.cost;
            record.n_fallen += self.take(Some(number), rows, &batch)?.0;
            self.note(&batch.record.notes);
            done += rows.len() as u64;
            self.observer.progress(done, "");
        }
        self.observer.end();
        self.members.push(record);
        Ok(())
    }

    /// The images `rows`, attacked by a member, with draws keyed by `purpose`.
    pub(super) fn attack(
        &self,
        member: &Member,
        rows: &[usize],
        purpose: &str,
    ) -> Result<AdversarialBatch, AttackError> {
        let attack = attack::build(&member.attack.to_string())?;
        let x = select(self.inputs.x, rows);
        let ids: Vec<u64> = rows.iter().map(|row| self.inputs.ids[*row]).collect();
        let labels: Vec<usize> = rows.iter().map(|row| self.inputs.labels[*row]).collect();
        let n = self.inputs.ids.len().min(N_CALIBRATION);
        let first = self.inputs.x.slice_axis(Axis(0), Slice::from(..n));
        let inputs = Inputs {
            x: x.view(),
            ids: &ids,
            labels: &labels,
            targets: None,
            calibration: Some(self.inputs.calibration.unwrap_or(first)),
            start: None,
        };
        let options = Options {
            noise: member.noise,
            surrogate: member.surrogate.clone().unwrap_or_default(),
            seed: Rng::new(self.options.seed, purpose, 0).next_u64(),
            n_restarts: member.n_restarts,
            stop_early: true,
            decision: self.judge.decision,
            batch_size: rows.len().max(1),
            ..self.options.clone()
        };
        let quiet = crate::observe::Silent;
        run_against(
            self.judge.deployed,
            &*attack,
            self.model,
            &inputs,
            &options,
            &quiet,
        )
    }

    /// Keeps what is worse than before; how many have fallen to it, and how far the mean image is
    /// beyond the border.
    pub(super) fn take(
        &mut self,
        member: Option<u32>,
        rows: &[usize],
        batch: &AdversarialBatch,
    ) -> Result<(u64, f64), AttackError> {
        let clean = gather(self.inputs.x, rows);
        let (pixels, inside) = in_ball(batch, &clean, self.suite.budget());
        let choice = format!("suite-choice-{}", self.n_taken);
        self.n_taken += 1;
        let answers = self.answers(&pixels, rows, &choice, 0)?;
        let d = pixels.len() / rows.len().max(1);
        let (mut n_fallen, mut margin) = (0, 0.0);
        for (place, row) in rows.iter().enumerate() {
            let met = |class| self.aims[*row].is_met(class);
            let (found, answer) = (&batch.outcomes[place], answers[place]);
            let fallen = inside[place] && found.success() && met(answer.verdict.class());
            n_fallen += u64::from(fallen);
            margin += answer.margin / rows.len() as f64;
            if self.states[*row].take(member, found, answer, fallen) {
                let image = &pixels[place * d..][..d];
                let mut to = self.x_adv.index_axis_mut(Axis(0), *row);
                to.iter_mut().zip(image).for_each(|(to, from)| *to = *from);
            }
        }
        Ok((n_fallen, margin))
    }

    fn note(&mut self, notes: &[String]) {
        for note in notes {
            if !self.notes.contains(note) {
                self.notes.push(note.clone());
            }
        }
    }

    /// Judges the worst of each image on fresh draws.
    fn finish(self, search: Option<SearchRecord>) -> Result<AdversarialBatch, AttackError> {
        let complete = self.go_on();
        let rows: Vec<usize> = (0..self.inputs.ids.len()).collect();
        let (ids, seed) = (self.inputs.ids, (self.options.seed, 0));
        let (x, x_adv) = (
            gather(self.inputs.x, &rows),
            gather(self.x_adv.view(), &rows),
        );
        let clean = self.judge.answers(&x, ids, &self.aims, seed)?;
        let perturbed = self.judge.answers(&x_adv, ids, &self.aims, seed)?;
        let d = x.len() / rows.len().max(1);
        let outcome = |row: usize| {
            let (x, x_adv) = (&x[row * d..][..d], &x_adv[row * d..][..d]);
            let found = self.states[row].outcome.as_ref();
            Outcome {
                id: ids[row],
                label: self.inputs.labels[row],
                attacked_label: self.inputs.labels[row],
                target: None,
                clean: clean[row].verdict,
                perturbed: perturbed[row].verdict,
                distances: Distances::between(x, x_adv),
                in_range: self.options.range.contains_all(x_adv),
                n_steps: found.map_or(0, |found| found.n_steps),
                restart: found.map_or(0, |found| found.restart),
                member: self.states[row].member,
                flags: found.map_or(Flags::default(), |found| found.flags),
                cost: found.map_or(Cost::default(), |found| found.cost),
            }
        };
        let outcomes: Vec<Outcome> = rows.iter().map(|row| outcome(*row)).collect();
        let record = self.record(&outcomes, complete, search);
        Ok(AdversarialBatch {
            x_adv: self.x_adv,
            outcomes,
            record,
        })
    }

    fn record(
        &self,
        outcomes: &[Outcome],
        complete: bool,
        search: Option<SearchRecord>,
    ) -> AttackRecord {
        let mut cost = Cost::default();
        outcomes.iter().for_each(|outcome| cost += outcome.cost);
        AttackRecord {
            attack: self.suite.spec().to_string(),
            dialect: self.options.dialect,
            labels: self.options.labels,
            goal: self.options.goal,
            targets: None,
            start: Origin::Own,
            randomness: self.model.randomness(),
            noise: match self.model.randomness() {
                Randomness::None => NoiseMode::Off,
                _ => self.options.noise,
            },
            surrogate: SurrogateRule::default(),
            surrogates: Vec::new(),
            seed: self.options.seed,
            n_restarts: 1,
            decision: self.judge.decision,
            guarded: self.judge.deployed.is_some(),
            bound: Bound::Ball(self.suite.budget()),
            range: self.options.range,
            cost,
            complete,
            counts: Counts::of(outcomes, false),
            notes: self.notes.clone(),
            members: self.members.clone(),
            search,
        }
    }
}

/// Refuses what a suite would ignore.
fn check(suite: &Suite, inputs: &Inputs<'_>, options: &Options) -> Result<(), AttackError> {
    let attack = suite.entry().id;
    let refused = |what, reason| {
        Err(AttackError::NotTaken {
            attack,
            what,
            reason,
        })
    };
    if inputs.targets.is_some() || options.goal == Goal::Targeted {
        return refused("targets", "any wrong class is a fall");
    }
    if inputs.start.is_some() {
        return refused("start images", "its attacks begin where they draw");
    }
    if options.dialect != Dialect::Corrected {
        return refused("dialect", "its attacks are those of this program");
    }
    Ok(())
}

/// The images `rows`.
fn select(x: ArrayView4<'_, f32>, rows: &[usize]) -> Array4<f32> {
    x.select(Axis(0), rows)
}

/// Their pixels, image after image.
fn gather(x: ArrayView4<'_, f32>, rows: &[usize]) -> Vec<f32> {
    select(x, rows).into_iter().collect()
}

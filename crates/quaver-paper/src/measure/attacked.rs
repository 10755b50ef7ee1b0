//! What came of attacked images, block by block.

use ndarray::{Array4, Axis};
use serde_json::json;

use super::plan::Planned;
use super::{AttackSeen, Halt, Passes, Study, Trained, blocks};
use quaver::attack::oracle::Cost;
use quaver::attack::record::{AdversarialBatch, AttackRecord, Outcome};
use quaver::attack::run::{Inputs, Options, run};
use quaver::attack::saved::{Reader, SavedError};
use quaver::classifier::Classifier;
use quaver::data::npz::Arrays;
use quaver::observe::{Observer, Offset};
use quaver::threat::Norm;

/// Images of a block whose adversarial images are kept.
const KEPT: usize = 100;
/// Images of a block of the honest reading, noise off: its steps are quick.
const OFF: usize = 1000;
/// Images of a block of the honest reading over the noise.
const OVER_NOISE: usize = 250;
/// Attacked images kept to be looked at.
pub(crate) const EXAMPLES: usize = 8;

/// Attacked images, all lists `(n)`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attacked {
    pub(crate) ids: Vec<u64>,
    pub(crate) right_before: Vec<bool>,
    pub(crate) right: Vec<bool>,
    pub(crate) success: Vec<bool>,
    /// `None` for an untargeted attack.
    pub(crate) target_reached: Option<Vec<bool>>,
    pub(crate) linf: Vec<f64>,
    pub(crate) l2: Vec<f64>,
    pub(crate) l0: Vec<f64>,
    pub(crate) zero_gradient: Vec<bool>,
    pub(crate) non_finite: Vec<bool>,
    pub(crate) in_box: Vec<bool>,
    pub(crate) finite: Vec<bool>,
    pub(crate) cost: Cost,
    /// Of the first block; `None` before it.
    pub(crate) record: Option<AttackRecord>,
}

impl Attacked {
    fn new(batch: &AdversarialBatch) -> Self {
        let range = batch.record.range;
        let images = |holds: &dyn Fn(f32) -> bool| -> Vec<bool> {
            let images = batch.x_adv.outer_iter();
            images.map(|x| x.iter().all(|v| holds(*v))).collect()
        };
        let flags = |of: fn(&Outcome) -> bool| batch.outcomes.iter().map(of).collect();
        let numbers = |of: fn(&Outcome) -> f64| batch.outcomes.iter().map(of).collect();
        Self {
            ids: batch.ids(),
            right_before: flags(Outcome::right_before),
            right: flags(Outcome::right_after),
            success: flags(Outcome::success),
            target_reached: (batch.record.targets.is_some())
                .then(|| flags(|o| o.target_reached() == Some(true))),
            linf: numbers(|o| o.distances.linf),
            l2: numbers(|o| o.distances.l2),
            l0: numbers(|o| o.distances.l0 as f64),
            zero_gradient: flags(|o| o.flags.zero_gradient),
            non_finite: flags(|o| o.flags.non_finite),
            in_box: images(&|v| range.contains(v)),
            finite: images(&|v| v.is_finite()),
            cost: batch.record.cost,
            record: Some(batch.record.clone()),
        }
    }

    /// Distances in `norm`.
    pub(crate) fn distances(&self, norm: Norm) -> &[f64] {
        match norm {
            Norm::Linf => &self.linf,
            Norm::L2 | Norm::L1 => &self.l2,
            Norm::L0 => &self.l0,
        }
    }

    fn extend(&mut self, next: Self) {
        self.ids.extend(next.ids);
        self.right_before.extend(next.right_before);
        self.right.extend(next.right);
        self.success.extend(next.success);
        self.target_reached = match (self.target_reached.take(), next.target_reached) {
            (Some(mut all), Some(more)) => {
                all.extend(more);
                Some(all)
            }
            (None, more) => more,
            (all, None) => all,
        };
        self.linf.extend(next.linf);
        self.l2.extend(next.l2);
        self.l0.extend(next.l0);
        self.zero_gradient.extend(next.zero_gradient);
        self.non_finite.extend(next.non_finite);
        self.in_box.extend(next.in_box);
        self.finite.extend(next.finite);
        self.cost.n_forward += next.cost.n_forward;
        self.cost.n_backward += next.cost.n_backward;
        self.record = self.record.take().or(next.record);
    }

    /// The images `rows`, those among them that `again` holds (in order) as they are there.
    fn overlaid(&self, rows: &std::ops::Range<usize>, again: &Self) -> Self {
        fn lay<T: Copy>(old: &[T], ids: &[u64], new: &[T], at: &[u64]) -> Vec<T> {
            let mut next = at.iter().zip(new).peekable();
            let images = ids.iter().zip(old);
            let image = |(id, old): (&u64, &T)| match next.next_if(|(at, _)| *at == id) {
                Some((_, new)) => *new,
                None => *old,
            };
            images.map(image).collect()
        }
        let ids = &self.ids[rows.clone()];
        let flags =
            |of: fn(&Self) -> &Vec<bool>| lay(&of(self)[rows.clone()], ids, of(again), &again.ids);
        let numbers =
            |of: fn(&Self) -> &Vec<f64>| lay(&of(self)[rows.clone()], ids, of(again), &again.ids);
        let reached = self
            .target_reached
            .as_ref()
            .zip(again.target_reached.as_ref());
        Self {
            ids: ids.to_vec(),
            right_before: flags(|a| &a.right_before),
            right: flags(|a| &a.right),
            success: flags(|a| &a.success),
            target_reached: reached.map(|(old, new)| lay(&old[rows.clone()], ids, new, &again.ids)),
            linf: numbers(|a| &a.linf),
            l2: numbers(|a| &a.l2),
            l0: numbers(|a| &a.l0),
            zero_gradient: flags(|a| &a.zero_gradient),
            non_finite: flags(|a| &a.non_finite),
            in_box: flags(|a| &a.in_box),
            finite: flags(|a| &a.finite),
            cost: again.cost,
            record: again.record.clone(),
        }
    }

    fn to_arrays(&self) -> Result<Arrays, SavedError> {
        let flags = |values: &[bool]| ndarray::Array1::from_vec(values.to_vec()).into();
        let mut arrays = Arrays::from([
            ("id".to_owned(), self.ids.clone().into()),
            ("right_before".to_owned(), flags(&self.right_before)),
            ("right".to_owned(), flags(&self.right)),
            ("success".to_owned(), flags(&self.success)),
            ("linf".to_owned(), self.linf.clone().into()),
            ("l2".to_owned(), self.l2.clone().into()),
            ("l0".to_owned(), self.l0.clone().into()),
            ("zero_gradient".to_owned(), flags(&self.zero_gradient)),
            ("non_finite".to_owned(), flags(&self.non_finite)),
            ("in_box".to_owned(), flags(&self.in_box)),
            ("finite".to_owned(), flags(&self.finite)),
            (
                "record".to_owned(),
                serde_json::to_vec(&self.record)?.into(),
            ),
        ]);
        if let Some(reached) = &self.target_reached {
            arrays.insert("target_reached".to_owned(), flags(reached));
        }
        Ok(arrays)
    }

    fn from_arrays(arrays: &Arrays) -> Result<Self, SavedError> {
        let from = Reader(arrays);
        let ids = from.counts("id", None)?;
        let n = Some(ids.len());
        let targeted = arrays.contains_key("target_reached");
        let record: Option<AttackRecord> = from.json("record")?;
        Ok(Self {
            right_before: from.bools("right_before", n)?,
            right: from.bools("right", n)?,
            success: from.bools("success", n)?,
            target_reached: targeted
                .then(|| from.bools("target_reached", n))
                .transpose()?,
            linf: from.numbers("linf", n)?,
            l2: from.numbers("l2", n)?,
            l0: from.numbers("l0", n)?,
            zero_gradient: from.bools("zero_gradient", n)?,
            non_finite: from.bools("non_finite", n)?,
            in_box: from.bools("in_box", n)?,
            finite: from.bools("finite", n)?,
            cost: record.as_ref().map_or_else(Cost::default, |r| r.cost),
            record,
            ids,
        })
    }
}

impl Study<'_> {
    /// An attack of the tables: adversarial images, then the passes over them.
    pub(super) fn attack(&self, trained: &Trained, planned: &Planned) -> Result<AttackSeen, Halt> {
        let n = self.config.n;
        let stage = self.stage(trained, &planned.title);
        self.observer.begin(&stage, n as u64);
        let mut seen = AttackSeen::default();
        for rows in blocks(n, KEPT) {
            let name = format!("{}-{:06}", planned.attack.entry().id, rows.start);
            let part = self.counting_from(rows.start);
            let what = inputs_of(planned, trained, &rows);
            let arrays = self.step(trained, &name, &what, || {
                let batch = self.batch(
                    &trained.model,
                    trained.seed,
                    planned,
                    &rows.clone().collect::<Vec<_>>(),
                    &part,
                )?;
                Ok(batch.to_arrays()?)
            })?;
            let batch = AdversarialBatch::from_arrays(&arrays)?;
            let name = format!("{name}-passes");
            let what = json!({ "attack": what, "passes": self.config.passes });
            let arrays = self.step(trained, &name, &what, || {
                Ok(self
                    .passes(trained, batch.x_adv.view(), &batch.ids(), &part)?
                    .to_arrays())
            })?;
            let wanted = EXAMPLES.saturating_sub(seen.examples.len());
            let images = batch.x_adv.axis_iter(Axis(0)).take(wanted);
            seen.examples
                .extend(images.map(|x| x.iter().copied().collect()));
            seen.passes.extend(Passes::from_arrays(&arrays)?);
            seen.attacked.extend(Attacked::new(&batch));
            self.observer.progress(rows.end as u64, "");
        }
        self.observer.end();
        Ok(seen)
    }

    /// An attack of the honest reading, whose adversarial images are not kept. After a variant
    /// that came `before`, only the images that it left right are attacked: of both the
    /// stronger stands for each image.
    pub(super) fn honest(
        &self,
        trained: &Trained,
        planned: &Planned,
        n: usize,
        before: Option<(&Planned, &Attacked)>,
    ) -> Result<Attacked, Halt> {
        let noise = planned.options.noise;
        let stage = format!("{}, true labels, noise {noise}", planned.title);
        self.observer.begin(&self.stage(trained, &stage), n as u64);
        let size = if noise.n_draws() > 1 { OVER_NOISE } else { OFF };
        let mut seen = Attacked::default();
        for rows in blocks(n, size) {
            let mut what = inputs_of(planned, trained, &rows);
            what["left-right-by"] = json!(before.map(|(planned, _)| &planned.spec));
            let name = format!("honest-{}-{:06}", planned.attack.entry().id, rows.start);
            let arrays = self.step(trained, &name, &what, || {
                let part = self.counting_from(rows.start);
                let attack = |rows: &[usize]| -> Result<Attacked, Halt> {
                    let (model, seed) = (&trained.model, trained.seed);
                    Ok(Attacked::new(
                        &self.batch(model, seed, planned, rows, &part)?,
                    ))
                };
                let attacked = match before {
                    None => attack(&each(&rows))?,
                    Some((_, before)) => {
                        let left: Vec<usize> =
                            rows.clone().filter(|row| before.right[*row]).collect();
                        before.overlaid(&rows, &attack(&left)?)
                    }
                };
                Ok(attacked.to_arrays()?)
            })?;
            seen.extend(Attacked::from_arrays(&arrays)?);
            self.observer.progress(rows.end as u64, "");
        }
        self.observer.end();
        Ok(seen)
    }

    /// The test images `rows`, attacked.
    pub(super) fn batch(
        &self,
        model: &dyn Classifier,
        seed: u64,
        planned: &Planned,
        rows: &[usize],
        observer: &dyn Observer,
    ) -> Result<AdversarialBatch, Halt> {
        let [c, h, w] = self.test.image_shape();
        let mut x = Array4::zeros((rows.len(), c, h, w));
        for (row, mut image) in rows.iter().zip(x.outer_iter_mut()) {
            if let Some(image) = image.as_slice_mut() {
                self.test.copy_image(*row, image);
            }
        }
        let ids: Vec<u64> = rows.iter().map(|row| self.test.ids()[*row]).collect();
        let labels: Vec<usize> = rows.iter().map(|row| self.test.labels()[*row]).collect();
        let inputs = Inputs {
            x: x.view(),
            ids: &ids,
            labels: &labels,
            targets: None,
            start: None,
        };
        let options = Options {
            seed,
            batch_size: rows.len().max(1),
            ..planned.options.clone()
        };
        let batch = run(&*planned.attack, model, &inputs, &options, observer)?;
        if batch.record.complete {
            Ok(batch)
        } else {
            Err(Halt::Stopped)
        }
    }

    /// What a step tells counts on from the rows before it.
    fn counting_from(&self, row: usize) -> Offset<'_> {
        Offset {
            observer: self.observer,
            done: row as u64,
        }
    }
}

fn each(rows: &std::ops::Range<usize>) -> Vec<usize> {
    rows.clone().collect()
}

fn inputs_of(
    planned: &Planned,
    trained: &Trained,
    rows: &std::ops::Range<usize>,
) -> serde_json::Value {
    json!({
        "attack": planned.spec,
        "options": planned.options,
        "seed": trained.seed,
        "rows": [rows.start, rows.end],
    })
}

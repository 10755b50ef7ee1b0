//! What came of attacked images, block by block.

use std::ops::Range;

use ndarray::{Array4, Axis};
use serde_json::json;

use super::plan::Planned;
use super::{AttackSeen, Halt, Passes, Study, Trained, blocks};
use quaver::attack::record::{AdversarialBatch, AttackRecord, Outcome};
use quaver::attack::run::{Inputs, Options, run};
use quaver::attack::saved::{outcomes_from_arrays, outcomes_to_arrays};
use quaver::attack::surrogate::N_CALIBRATION;
use quaver::classifier::Classifier;
use quaver::observe::{Observer, Offset};

/// Images of a block whose adversarial images are kept.
const KEPT: usize = 100;
/// Images of a block of the honest reading, noise off: its steps are quick.
const OFF: usize = 1000;
/// Images of a block of the honest reading over the noise.
const OVER_NOISE: usize = 250;
/// Attacked images kept to be looked at.
pub(crate) const EXAMPLES: usize = 8;

/// Attacked images.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attacked {
    /// One an image, in the order of the test data.
    pub(crate) outcomes: Vec<Outcome>,
    /// Of the first block; `None` before it.
    pub(crate) record: Option<AttackRecord>,
}

impl Attacked {
    /// Which images are classified rightly after the attack.
    pub(crate) fn right(&self) -> Vec<bool> {
        self.outcomes.iter().map(Outcome::right_after).collect()
    }

    fn extend(&mut self, (outcomes, record): (Vec<Outcome>, AttackRecord)) {
        self.outcomes.extend(outcomes);
        self.record.get_or_insert(record);
    }

    /// The images `rows`, those among them that `again` holds (in order) as they are there.
    fn overlaid(&self, rows: &Range<usize>, again: Vec<Outcome>) -> Vec<Outcome> {
        let mut again = again.into_iter().peekable();
        let images = self.outcomes[rows.clone()].iter();
        let image = |old: &Outcome| again.next_if(|new| new.id == old.id).unwrap_or(old.clone());
        images.map(image).collect()
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
                    &*trained.model,
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
            seen.attacked.extend((batch.outcomes, batch.record));
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
                let attack = |rows: &[usize]| {
                    self.batch(&*trained.model, trained.seed, planned, rows, &part)
                };
                let (outcomes, record) = match before {
                    None => {
                        let batch = attack(&each(&rows))?;
                        (batch.outcomes, batch.record)
                    }
                    Some((_, before)) => {
                        let is_left = |row: &usize| before.outcomes[*row].right_after();
                        let left: Vec<usize> = rows.clone().filter(is_left).collect();
                        let batch = attack(&left)?;
                        (before.overlaid(&rows, batch.outcomes), batch.record)
                    }
                };
                Ok(outcomes_to_arrays(&outcomes, &record)?)
            })?;
            seen.extend(outcomes_from_arrays(&arrays)?);
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
        let images = |rows: &[usize]| {
            let mut x = Array4::zeros((rows.len(), c, h, w));
            for (row, mut image) in rows.iter().zip(x.outer_iter_mut()) {
                if let Some(image) = image.as_slice_mut() {
                    self.test.copy_image(*row, image);
                }
            }
            x
        };
        let x = images(rows);
        let first: Vec<usize> = (0..self.test.ids().len().min(N_CALIBRATION)).collect();
        let calibration = images(&first);
        let ids: Vec<u64> = rows.iter().map(|row| self.test.ids()[*row]).collect();
        let labels: Vec<usize> = rows.iter().map(|row| self.test.labels()[*row]).collect();
        let inputs = Inputs {
            x: x.view(),
            ids: &ids,
            labels: &labels,
            targets: None,
            calibration: Some(calibration.view()),
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

fn each(rows: &Range<usize>) -> Vec<usize> {
    rows.clone().collect()
}

fn inputs_of(planned: &Planned, trained: &Trained, rows: &Range<usize>) -> serde_json::Value {
    json!({
        "attack": planned.spec,
        "options": planned.options,
        "seed": trained.seed,
        "rows": [rows.start, rows.end],
    })
}

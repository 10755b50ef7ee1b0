//! What every attack must do on every classifier, and hand-computed numbers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod contract;
mod losses;
mod models;
mod numbers;
mod parameters;
mod penalties;
mod refusals;
mod rooms;
mod searches;
mod smallest;
mod suites;

use ndarray::Array4;
use quaver::attack::objective::Aim;
use quaver::attack::record::AdversarialBatch;
use quaver::attack::run::{Inputs, Options, run};
use quaver::attack::{AttackError, Case, Dialect, Setting, build};
use quaver::classifier::{Classifier, Images};
use quaver::observe::Silent;
use quaver::rng::Rng;
use quaver::threat::PixelRange;

/// Images to attack.
#[derive(Clone)]
pub(crate) struct Cases {
    pub(crate) x: Images,
    pub(crate) ids: Vec<u64>,
    pub(crate) labels: Vec<usize>,
}

impl Cases {
    /// `n` random images of a model, labeled by it where `i % 4 != 0`.
    pub(crate) fn of(model: &dyn Classifier, n: usize) -> Self {
        let [c, h, w] = model.input_shape();
        let mut rng = Rng::new(1, "test-images", 0);
        let x = Array4::from_shape_simple_fn((n, c, h, w), || rng.uniform() as f32);
        let ids: Vec<u64> = (0..n as u64).map(|i| 1000 - 7 * i).collect();
        let batch = quaver::classifier::Batch {
            x: x.view(),
            ids: &ids,
        };
        let logits = model.logits(batch, quaver::classifier::Noise::Off).unwrap();
        let label = |(i, z): (usize, ndarray::ArrayView1<'_, f32>)| {
            let best = (0..z.len()).max_by(|a, b| z[*a].total_cmp(&z[*b])).unwrap();
            (best + usize::from(i % 4 == 0)) % z.len()
        };
        let labels = logits.outer_iter().enumerate().map(label).collect();
        Self { x, ids, labels }
    }

    pub(crate) fn inputs(&self) -> Inputs<'_> {
        let (ids, labels) = (&self.ids, &self.labels);
        Inputs {
            x: self.x.view(),
            ids,
            labels,
            targets: None,
            calibration: None,
            start: None,
        }
    }

    pub(crate) fn aims(&self) -> Vec<Aim> {
        let aim = |label: &usize| Aim {
            label: *label,
            target: None,
        };
        self.labels.iter().map(aim).collect()
    }

    /// As an attack is given them.
    pub(crate) fn case<'a>(&'a self, aims: &'a [Aim], seed: u64) -> Case<'a> {
        let (_, c, h, w) = self.x.dim();
        Case {
            pixels: self.x.as_slice().unwrap(),
            shape: [c, h, w],
            ids: &self.ids,
            aims,
            start: None,
            setting: Setting {
                n_features: c * h * w,
                range: PixelRange::default(),
                dialect: Dialect::Corrected,
            },
            seed,
            restart: 0,
        }
    }

    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        Self {
            x: self.x.select(ndarray::Axis(0), rows),
            ids: rows.iter().map(|i| self.ids[*i]).collect(),
            labels: rows.iter().map(|i| self.labels[*i]).collect(),
        }
    }
}

pub(crate) fn attack(
    spec: &str,
    model: &dyn Classifier,
    inputs: &Inputs<'_>,
    options: &Options,
) -> Result<AdversarialBatch, AttackError> {
    run(build(spec)?.as_ref(), model, inputs, options, &Silent)
}

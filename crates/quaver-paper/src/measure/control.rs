//! The control with frozen randomness: an attack and its evaluation on one draw, beside the
//! same with the noise off.

use ndarray::Array2;
use serde_json::json;

use super::plan::{Planned, STRONGEST};
use super::{Halt, Study, Trained};
use quaver::attack::record::Outcome;
use quaver::classifier::{
    Batch, Classifier, ClassifierError, Noise, Purpose, Randomness, Tap, Upstream, Vjp,
};
use quaver::data::columns::{ColumnError, Columns};
use quaver::data::npz::Arrays;
use quaver::observe::Silent;

/// Images the control is run on: enough to see a failing attack.
const IMAGES: usize = 200;

/// Which images stay right, in the order of the test data.
#[derive(Clone, Debug)]
pub(crate) struct Control {
    /// The attack, as in a report.
    pub(crate) attack: String,
    /// On one frozen draw.
    pub(crate) frozen: Vec<bool>,
    /// With the noise off.
    pub(crate) off: Vec<bool>,
}

/// A classifier that always sees the same noise, and so is not random.
struct Frozen<'a> {
    model: &'a dyn Classifier,
    noise: Noise,
}

impl Classifier for Frozen<'_> {
    fn input_shape(&self) -> [usize; 3] {
        self.model.input_shape()
    }

    fn n_classes(&self) -> usize {
        self.model.n_classes()
    }

    fn randomness(&self) -> Randomness {
        Randomness::None
    }

    fn logits(&self, batch: Batch<'_>, _: Noise) -> Result<Array2<f32>, ClassifierError> {
        self.model.logits(batch, self.noise)
    }

    fn has_gradient(&self) -> bool {
        self.model.has_gradient()
    }

    fn vjp(
        &self,
        batch: Batch<'_>,
        noises: &[Noise],
        taps: &[Tap<'_>],
        upstream: &Upstream<'_>,
    ) -> Result<Vjp, ClassifierError> {
        let noises = vec![self.noise; noises.len()];
        self.model.vjp(batch, &noises, taps, upstream)
    }
}

impl Control {
    fn from_arrays(attack: &str, arrays: &Arrays) -> Result<Self, ColumnError> {
        let from = Columns(arrays);
        Ok(Self {
            attack: attack.to_owned(),
            frozen: from.bools("frozen", None)?,
            off: from.bools("off", None)?,
        })
    }
}

impl Study<'_> {
    /// PGD of the honest reading; `None` where the run has no PGD or the network no noise.
    pub(super) fn control(&self, trained: &Trained) -> Result<Option<Control>, Halt> {
        let mut variants = self.columns.iter().flat_map(|column| &column.variants);
        let Some(planned) = variants.find(|planned| planned.id == STRONGEST) else {
            return Ok(None);
        };
        if trained.model.randomness() == Randomness::None {
            return Ok(None);
        }
        let n = self.config.n.min(IMAGES);
        let what = json!({
            "attack": planned.spec,
            "dialect": planned.options.dialect,
            "seed": trained.seed,
            "n": n,
        });
        let arrays = self.step(trained, "control", &what, || {
            let one = Noise::draw(trained.seed, Purpose::Check, 0);
            let right = |noise| self.right_under(trained, planned, noise, n);
            Ok(Arrays::from([
                ("frozen".to_owned(), right(one)?),
                ("off".to_owned(), right(Noise::Off)?),
            ]))
        })?;
        Ok(Some(Control::from_arrays(&planned.title, &arrays)?))
    }

    fn right_under(
        &self,
        trained: &Trained,
        planned: &Planned,
        noise: Noise,
        n: usize,
    ) -> Result<quaver::data::npy::NpyArray, Halt> {
        let model = Frozen {
            model: &*trained.model,
            noise,
        };
        let rows: Vec<usize> = (0..n).collect();
        let batch = self.batch(&model, trained.seed, planned, &rows, &Silent)?;
        let right = batch.outcomes.iter().map(Outcome::right_after);
        Ok(ndarray::Array1::from_iter(right).into())
    }
}

//! What a network makes of the unattacked test images.

use serde_json::json;

use super::passes::Passes;
use super::{Halt, Named, Study, Trained};
use quaver::classifier::{Batch, Noise, Purpose, Randomness};
use quaver::data::columns::{ColumnError, Columns};
use quaver::data::npz::Arrays;
use quaver::decision::{argmax, softmax};
use quaver::evaluate::checks::{SATURATED, looks_like_probabilities};

/// The test images, all lists one entry an image.
#[derive(Clone, Debug)]
pub(crate) struct Clean {
    pub(crate) passes: Passes,
    /// Right with the noise off, or on one draw where weights stay random.
    pub(crate) right_off: Vec<bool>,
    /// Outputs that lie in [0, 1] and sum to 1.
    pub(crate) probability_rows: Vec<bool>,
    /// Largest probability above [`SATURATED`].
    pub(crate) saturated: Vec<bool>,
    /// Two passes gave different outputs.
    pub(crate) differing: Vec<bool>,
}

impl Clean {
    fn to_arrays(&self) -> Arrays {
        let flags = |values: &[bool]| ndarray::Array1::from_vec(values.to_vec()).into();
        let mut arrays = self.passes.to_arrays();
        arrays.insert("right_off".to_owned(), flags(&self.right_off));
        arrays.insert("probability_rows".to_owned(), flags(&self.probability_rows));
        arrays.insert("saturated".to_owned(), flags(&self.saturated));
        arrays.insert("differing".to_owned(), flags(&self.differing));
        arrays
    }

    fn from_arrays(arrays: &Arrays) -> Result<Self, ColumnError> {
        let from = Columns(arrays);
        let passes = Passes::from_arrays(arrays)?;
        let n = Some(passes.len());
        Ok(Self {
            right_off: from.bools("right_off", n)?,
            probability_rows: from.bools("probability_rows", n)?,
            saturated: from.bools("saturated", n)?,
            differing: from.bools("differing", n)?,
            passes,
        })
    }
}

impl Study<'_> {
    pub(super) fn clean(&self, trained: &Trained) -> Result<Clean, Halt> {
        let what = json!({
            "n": self.test.len(),
            "passes": self.config.passes,
            "seed": trained.seed,
        });
        let arrays = self.step(trained, "clean", &what, || {
            Ok(self.look_at_clean(trained)?.to_arrays())
        })?;
        Ok(Clean::from_arrays(&arrays)?)
    }

    fn look_at_clean(&self, trained: &Trained) -> Result<Clean, Halt> {
        let x = self.test.images(0..self.test.len());
        let ids = self.test.ids();
        let batch = Batch { x: x.view(), ids };
        let model = &*trained.model;
        let one = |pass| Noise::draw(trained.seed, Purpose::Check, pass);
        let passes = [model.logits(batch, one(0))?, model.logits(batch, one(1))?];
        let off = match model.randomness() {
            Randomness::PerPass => passes[0].clone(),
            Randomness::None | Randomness::PerExample => model.logits(batch, Noise::Off)?,
        };
        let rows = || off.outer_iter().map(|row| row.to_vec());
        let probs = || rows().map(|row| softmax(&row));
        let pairs = probs().zip(self.test.labels());
        let differing = passes[0].outer_iter().zip(passes[1].outer_iter());
        let observer = Named {
            observer: self.observer,
            name: &self.stage(trained, "clean passes"),
        };
        Ok(Clean {
            right_off: pairs.map(|(p, &label)| argmax(&p) == Some(label)).collect(),
            probability_rows: rows().map(|row| looks_like_probabilities(&row)).collect(),
            saturated: probs().map(|p| p.iter().any(|p| *p > SATURATED)).collect(),
            differing: differing.map(|(a, b)| a != b).collect(),
            passes: self.passes(trained, x.view(), ids, &observer)?,
        })
    }
}

//! [`Active`]: the images of a batch that an attack still works on. Finished ones leave it;
//! since noise is keyed by id, the others do not notice.

use ndarray::ArrayView4;

use crate::classifier::Batch;

use super::objective::{Aim, View};
use super::{AttackError, Case};

/// Images an attack still works on, packed together, each with what the attack keeps of it.
pub struct Active<'a, S = ()> {
    /// Their rows in the batch.
    pub rows: Vec<usize>,
    /// Their ids.
    pub ids: Vec<u64>,
    /// What is aimed at for each.
    pub aims: Vec<Aim>,
    /// Their pixels now, image after image.
    pub pixels: Vec<f32>,
    /// What the attack keeps of each.
    pub states: Vec<S>,
    case: &'a Case<'a>,
}

impl<'a, S> Active<'a, S> {
    /// All images of `case`, with `pixels` to start from and a state for each.
    #[must_use]
    pub fn all(case: &'a Case<'a>, pixels: Vec<f32>, states: Vec<S>) -> Self {
        Self {
            rows: (0..case.ids.len()).collect(),
            ids: case.ids.to_vec(),
            aims: case.aims.to_vec(),
            pixels,
            states,
            case,
        }
    }

    /// Whether all are finished.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// As a classifier takes them.
    ///
    /// # Errors
    /// [`AttackError::Layout`] if the pixels do not fill the images.
    pub fn batch(&self) -> Result<Batch<'_>, AttackError> {
        let [c, h, w] = self.case.shape;
        let x = ArrayView4::from_shape((self.rows.len(), c, h, w), &self.pixels)?;
        Ok(Batch { x, ids: &self.ids })
    }

    /// Pixels now of the image at `place` among the active ones.
    #[must_use]
    pub fn image(&self, place: usize) -> &[f32] {
        let d = self.case.n_features();
        &self.pixels[place * d..][..d]
    }

    /// What the image at `place` is to be classified as, whatever the attack aims at now.
    #[must_use]
    pub fn goal(&self, place: usize) -> Aim {
        self.case.aims[self.rows[place]]
    }

    /// Other pixels for the images at `places`, which keep their rows, ids and aims.
    #[must_use]
    pub fn candidates(&self, places: &[usize], pixels: Vec<f32>) -> Active<'a> {
        Active {
            rows: places.iter().map(|place| self.rows[*place]).collect(),
            ids: places.iter().map(|place| self.ids[*place]).collect(),
            aims: places.iter().map(|place| self.aims[*place]).collect(),
            pixels,
            states: vec![(); places.len()],
            case: self.case,
        }
    }

    /// What objectives see of the image at `place`, given these outputs of the classifier.
    #[must_use]
    pub fn view<'v>(
        &'v self,
        place: usize,
        taps: &'v [String],
        outputs: &'v [&'v [f32]],
    ) -> View<'v> {
        View {
            aim: self.aims[place],
            clean: self.case.image(self.rows[place]),
            pixels: self.image(place),
            taps,
            outputs,
        }
    }

    /// Keeps the images with `true`, in order.
    pub fn retain(&mut self, keep: &[bool]) {
        if keep.iter().all(|keep| *keep) {
            return;
        }
        let d = self.case.n_features();
        let mut to = 0;
        for from in (0..keep.len()).filter(|place| keep[*place]) {
            self.pixels.copy_within(from * d..(from + 1) * d, to * d);
            self.rows[to] = self.rows[from];
            self.ids[to] = self.ids[from];
            self.aims[to] = self.aims[from];
            self.states.swap(to, from);
            to += 1;
        }
        self.pixels.truncate(to * d);
        self.rows.truncate(to);
        self.ids.truncate(to);
        self.aims.truncate(to);
        self.states.truncate(to);
    }
}

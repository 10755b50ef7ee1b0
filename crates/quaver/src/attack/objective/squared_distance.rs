//! Squared distance from the clean image.

use super::{Entry, Objective, View};

pub(super) const ENTRY: Entry = Entry {
    id: "squared-distance",
    title: "squared Euclidean distance from the clean image",
    parameters: &[],
    build: |_| Ok(Box::new(SquaredDistance)),
};

/// ‖x' - x‖₂². Subtracted from a loss it keeps perturbations small, as in "Towards Evaluating the
/// Robustness of Neural Networks" (2017), section V.
#[derive(Clone, Copy, Debug)]
pub struct SquaredDistance;

impl Objective for SquaredDistance {
    fn reads_pixels(&self) -> bool {
        true
    }

    fn value(&self, view: &View<'_>) -> f64 {
        let changes = view.pixels.iter().zip(view.clean);
        let change = |(x_adv, x): (&f32, &f32)| f64::from(*x_adv) - f64::from(*x);
        changes.map(change).map(|change| change * change).sum()
    }

    fn gradient(&self, _: &View<'_>, _: f64, _: &mut [&mut [f32]]) {}

    fn pixel_gradient(&self, view: &View<'_>, weight: f64, gradient: &mut [f32]) {
        for ((g, x_adv), x) in gradient.iter_mut().zip(view.pixels).zip(view.clean) {
            *g += (2.0 * weight * (f64::from(*x_adv) - f64::from(*x))) as f32;
        }
    }
}

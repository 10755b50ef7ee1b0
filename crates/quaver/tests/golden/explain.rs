//! Whether differences from a float32 reference are within its rounding.

use ndarray::Axis;

use crate::attacks::Agreement;
use crate::reference::Reference;

/// Error of sums of float32 products, relative to the image's largest gradient.
const RELATIVE: f32 = 1e-5;
/// Error of p − 1 in float32, which multiplies the gradient of the label's logit.
const ABSOLUTE: f32 = 2.0 * f32::EPSILON;

fn largest<'a>(values: impl IntoIterator<Item = &'a f32>) -> f32 {
    values.into_iter().fold(0.0, |m, v| m.max(v.abs()))
}

/// Images with a differing pixel of FGSM whose stored `ce_grad` is not within rounding of 0.
pub(crate) fn unexplained_signs(reference: &Reference, agreement: &Agreement) -> Vec<usize> {
    let stored = reference.images("ce_grad");
    let label = reference.pull(|row, _, up| up[reference.labels[row]] = 1.0);
    let explained = |row: usize| {
        let gradient = stored.index_axis(Axis(0), row);
        let label = label.index_axis(Axis(0), row);
        let limit = RELATIVE * largest(gradient) + ABSOLUTE * largest(label);
        let gradient: Vec<f32> = gradient.iter().copied().collect();
        let off = &agreement.off[row];
        off.iter().all(|i| gradient[*i].abs() <= limit)
    };
    let all = 0..agreement.off.len();
    all.filter(|row| !explained(*row)).collect()
}

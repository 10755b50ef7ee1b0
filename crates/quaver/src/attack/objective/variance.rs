//! Variance of the probabilities over draws.

use crate::decision::softmax;

use super::{Entry, Objective, View};

pub(super) const ENTRY: Entry = Entry {
    id: "variance",
    title: "variance of the probabilities over draws, averaged over classes",
    parameters: &[],
    build: |_| Ok(Box::new(Variance)),
};

/// (1/C) Σ_c Var_k(p_c), the population variance over the draws of a step: the uncertainty that
/// detectors read. Subtracted from a loss it makes images that look certain; it is 0 for one draw.
///
/// # Source
/// Guan, "Adversarial example defense and detection using quantized neural networks with
/// inference time dropout", eq. 12; as part of a loss Carlini and Wagner, "Adversarial examples
/// are not easily detected" (2017), section 4.
#[derive(Clone, Copy, Debug)]
pub struct Variance;

impl Objective for Variance {
    fn joins_draws(&self) -> bool {
        true
    }

    fn value(&self, view: &View<'_>) -> f64 {
        let probs: Vec<Vec<f64>> = (0..view.n_draws())
            .map(|draw| softmax(view.logits(draw)))
            .collect();
        let mean = super::softmax::mean(&probs);
        let squares = probs.iter().flat_map(|p| p.iter().zip(&mean));
        let total: f64 = squares.map(|(p, m)| (p - m) * (p - m)).sum();
        total / (mean.len() * probs.len()) as f64
    }

    fn gradient(&self, view: &View<'_>, weight: f64, upstream: &mut [&mut [f32]]) {
        let probs: Vec<Vec<f64>> = (0..view.n_draws())
            .map(|draw| softmax(view.logits(draw)))
            .collect();
        let mean = super::softmax::mean(&probs);
        let scale = 2.0 * weight / (mean.len() * probs.len()) as f64;
        for (draw, p) in probs.iter().enumerate() {
            let slope = |c: usize| p[c] - mean[c];
            let inner: f64 = (0..p.len()).map(|c| slope(c) * p[c]).sum();
            let upstream = &mut upstream[view.place(draw)];
            for (c, up) in upstream.iter_mut().enumerate() {
                *up = (scale * p[c] * (slope(c) - inner)) as f32;
            }
        }
    }
}

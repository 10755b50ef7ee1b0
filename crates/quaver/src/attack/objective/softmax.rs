//! Probabilities and their logarithms in double precision.

use super::View;

/// log of the sum of e to the powers of `logs`; not a number where one is none.
pub(super) fn log_sum(logs: impl Iterator<Item = f64> + Clone) -> f64 {
    let max = logs.clone().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = logs.map(|log| libm::exp(log - max)).sum();
    max + libm::log(total)
}

/// log p_class.
pub(super) fn log_softmax(logits: &[f32], class: usize) -> f64 {
    f64::from(logits[class]) - log_sum(logits.iter().map(|z| f64::from(*z)))
}

/// Logarithms of the probabilities of every draw, and of their means over the draws: exact however
/// sure the classifier is.
pub(super) struct LogProbs {
    draws: Vec<Vec<f64>>,
    pub(super) means: Vec<f64>,
}

impl LogProbs {
    pub(super) fn of(view: &View<'_>) -> Self {
        let draw = |k: usize| {
            let logits = view.logits(k).iter().map(|z| f64::from(*z));
            let total = log_sum(logits.clone());
            logits.map(|z| z - total).collect()
        };
        let draws: Vec<Vec<f64>> = (0..view.n_draws()).map(draw).collect();
        let log_n = libm::log(draws.len() as f64);
        let classes = 0..draws[0].len();
        let mean = |c: usize| log_sum(draws.iter().map(|draw| draw[c])) - log_n;
        let means = match &draws[..] {
            [only] => only.clone(),
            _ => classes.map(mean).collect(),
        };
        Self { draws, means }
    }

    /// Writes `weight` times the gradient of the sum over classes of `shares` times log mean.
    pub(super) fn pull(
        &self,
        shares: &[f64],
        weight: f64,
        view: &View<'_>,
        upstream: &mut [&mut [f32]],
    ) {
        let n = self.draws.len() as f64;
        for (k, draw) in self.draws.iter().enumerate() {
            // d log m_c / d z_i = p_c (1[c = i] - p_i) / (n m_c)
            let parts = draw.iter().zip(&self.means).zip(shares);
            let parts: Vec<f64> = parts
                .map(|((p, mean), share)| share * libm::exp(p - mean) / n)
                .collect();
            let sum: f64 = parts.iter().sum();
            let upstream = &mut upstream[view.place(k)];
            for ((up, part), p) in upstream.iter_mut().zip(parts).zip(draw) {
                *up = (weight * (part - sum * libm::exp(*p))) as f32;
            }
        }
    }
}

/// A gradient of log p is not shorter than this: far from what single precision rounds to 0, on
/// its way back through a network too, and far from the length that it has where a classifier
/// is not sure.
const SHORTEST: f64 = 1e-20;

/// Gradient of log p_class. Its own entry is the sum of the other probabilities, which keeps
/// digits that 1 - p loses on confident networks; where that is all but 0 the gradient is made
/// longer, not turned.
pub(super) fn log_prob_gradient(logits: &[f32], class: usize, weight: f64, upstream: &mut [f32]) {
    let z = |c: usize| f64::from(logits[c]);
    let others = log_sum((0..logits.len()).filter(|c| *c != class).map(z));
    let all = log_sum((0..logits.len()).map(z));
    let length = weight * libm::exp(others - all).max(SHORTEST);
    for (c, up) in upstream.iter_mut().enumerate() {
        *up = match c == class {
            true => length,
            false => -length * libm::exp(z(c) - others),
        } as f32;
    }
}

/// Mean over draws of each class's probability.
pub(super) fn mean(probs: &[Vec<f64>]) -> Vec<f64> {
    let n = probs.len() as f64;
    (0..probs[0].len())
        .map(|c| probs.iter().map(|p| p[c]).sum::<f64>() / n)
        .collect()
}

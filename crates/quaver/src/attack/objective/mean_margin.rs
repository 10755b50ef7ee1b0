//! Margin of the mean of the draws' probabilities.

use crate::decision::softmax;

use super::{Entry, Objective, View};

pub(super) const ENTRY: Entry = Entry {
    id: "mean-margin",
    title: "margin of the logarithms of the mean probabilities over draws",
    parameters: &[],
    build: |_| Ok(Box::new(MeanMargin)),
};

/// max over c != y of log m_c, less log m_y; targeted log m_t less the largest other, m being the
/// softmax averaged over the draws: what a vote by mean probabilities decides by.
#[derive(Clone, Copy, Debug)]
pub struct MeanMargin;

/// Probabilities of each draw, their mean, the class in question and the best other one.
fn parts(view: &View<'_>) -> (Vec<Vec<f64>>, Vec<f64>, usize, usize) {
    let probs: Vec<Vec<f64>> = (0..view.n_draws())
        .map(|draw| softmax(view.logits(draw)))
        .collect();
    let mean = super::softmax::mean(&probs);
    let (class, _) = view.aim.class_and_sign();
    let mut best = usize::from(class == 0);
    for c in (0..mean.len()).filter(|c| *c != class) {
        if mean[c] > mean[best] {
            best = c;
        }
    }
    (probs, mean, class, best)
}

impl Objective for MeanMargin {
    fn joins_draws(&self) -> bool {
        true
    }

    fn value(&self, view: &View<'_>) -> f64 {
        let (_, mean, class, best) = parts(view);
        let (_, sign) = view.aim.class_and_sign();
        sign * (libm::log(mean[class]) - libm::log(mean[best]))
    }

    fn gradient(&self, view: &View<'_>, weight: f64, upstream: &mut [&mut [f32]]) {
        let (probs, mean, class, best) = parts(view);
        let (_, sign) = view.aim.class_and_sign();
        let weight = weight * sign / probs.len() as f64;
        for (draw, p) in probs.iter().enumerate() {
            // d log m_c / d z_i = p_c (1[c = i] - p_i) / (n m_c)
            let [raised, lowered] = [class, best].map(|c| p[c] / mean[c]);
            let upstream = &mut upstream[view.place(draw)];
            for (i, up) in upstream.iter_mut().enumerate() {
                let own = |c: usize, share: f64| if i == c { share } else { 0.0 };
                let change = own(class, raised) - own(best, lowered) - (raised - lowered) * p[i];
                *up = (weight * change) as f32;
            }
        }
    }
}

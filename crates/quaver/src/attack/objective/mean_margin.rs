//! Margin of the mean of the draws' probabilities.

use super::softmax::LogProbs;
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

/// The other class that is most likely by the means, the first of equal ones.
fn best_other(means: &[f64], class: usize) -> usize {
    let mut best = usize::from(class == 0);
    for c in (0..means.len()).filter(|c| *c != class) {
        if means[c] > means[best] {
            best = c;
        }
    }
    best
}

impl Objective for MeanMargin {
    fn joins_draws(&self) -> bool {
        true
    }

    fn value(&self, view: &View<'_>) -> f64 {
        let (class, sign) = view.aim.class_and_sign();
        let means = LogProbs::of(view).means;
        sign * (means[class] - means[best_other(&means, class)])
    }

    fn gradient(&self, view: &View<'_>, weight: f64, upstream: &mut [&mut [f32]]) {
        let (class, sign) = view.aim.class_and_sign();
        let log_probs = LogProbs::of(view);
        let mut shares = vec![0.0; log_probs.means.len()];
        shares[class] = 1.0;
        shares[best_other(&log_probs.means, class)] = -1.0;
        log_probs.pull(&shares, weight * sign, view, upstream);
    }
}

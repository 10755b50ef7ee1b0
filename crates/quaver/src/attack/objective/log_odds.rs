//! Log-odds of a wrong class.

use super::softmax::{LogProbs, log_sum};
use super::{Entry, Objective, View};

pub(super) const ENTRY: Entry = Entry {
    id: "log-odds",
    title: "log-odds of a wrong class by the mean probabilities over draws",
    parameters: &[],
    build: |_| Ok(Box::new(LogOdds)),
};

/// log (1 − m_y) − log m_y; targeted log m_t − log (1 − m_t), m being the softmax averaged over
/// the draws: what a vote by mean probabilities decides by. With one draw it grows with the
/// cross-entropy and has the direction of its gradient, but not its length: where the softmax
/// saturates it becomes the margin of the logits, and its gradient never vanishes.
#[derive(Clone, Copy, Debug)]
pub struct LogOdds;

/// log (1 − m_class).
fn others(log_probs: &LogProbs, class: usize) -> f64 {
    let means = log_probs.means.iter().enumerate();
    log_sum(means.filter(|(c, _)| *c != class).map(|(_, mean)| *mean))
}

impl Objective for LogOdds {
    fn joins_draws(&self) -> bool {
        true
    }

    fn value(&self, view: &View<'_>) -> f64 {
        let (class, sign) = view.aim.class_and_sign();
        let log_probs = LogProbs::of(view);
        sign * (log_probs.means[class] - others(&log_probs, class))
    }

    fn gradient(&self, view: &View<'_>, weight: f64, upstream: &mut [&mut [f32]]) {
        let (class, sign) = view.aim.class_and_sign();
        let log_probs = LogProbs::of(view);
        let others = others(&log_probs, class);
        // d log (1 - m_y) is the sum over the other classes of their share of it times d log m_c.
        let share = |c: usize, mean: f64| match c == class {
            true => 1.0,
            false => -libm::exp(mean - others),
        };
        let shares = log_probs.means.iter().enumerate();
        let shares: Vec<f64> = shares.map(|(c, mean)| share(c, *mean)).collect();
        log_probs.pull(&shares, weight * sign, view, upstream);
    }
}

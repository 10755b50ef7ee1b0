//! [`WeightSearch`]: how much the classifier's loss should weigh beside a distance that is to be
//! small, found for each image by itself.

use crate::spec::{Allowed, Interval, Parameter, SpecError};

use super::noise::NoiseMode;
use super::objective::Loss;

/// Number of weights that are tried.
pub const N_SEARCHES: Parameter = Parameter {
    name: "n_searches",
    default: "9",
    allowed: Allowed::Integer(1, 100),
    about: "weights of the loss that are tried in turn",
};
/// The first of them.
pub const C_INIT: Parameter = Parameter {
    name: "c_init",
    default: "0.001",
    allowed: Allowed::Real(&[Interval::above(0.0, 1e6)]),
    about: "first weight of the loss beside the distance",
};
/// By how much the classifier must be wrong.
pub const CONFIDENCE: Parameter = Parameter {
    name: "confidence",
    default: "0",
    allowed: Allowed::Real(&[Interval::closed(0.0, 1000.0)]),
    about: "margin of the logits that counts as adversarial",
};

/// The margin that is to reach the confidence: of the logits, or where a step averages draws of
/// the logarithms of mean probabilities, by which they decide. With one draw they are the same.
///
/// # Errors
/// None.
pub fn margin(noise: NoiseMode) -> Result<Loss, SpecError> {
    match noise.n_draws() {
        1 => "margin".parse(),
        _ => "mean-margin".parse(),
    }
}

/// How many times a descent is looked at.
const N_LOOKS: u32 = 10;
/// A descent goes on if its lowest objective has become less than this share of what it was when
/// it was last looked at.
const STALLED: f64 = 0.9999;
/// Largest weight that is tried.
const MOST: f64 = 1e10;

/// What follows a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another step.
    Step,
    /// A descent from the start, with another weight.
    Restart,
    /// Nothing: all weights have been tried.
    Done,
}

/// Steps of one descent, which ends when it gets no further.
#[derive(Clone, Copy, Debug)]
pub struct Descent {
    n_steps: u32,
    step: u32,
    lowest: f64,
    seen: f64,
}

impl Descent {
    /// Of at most `n_steps` steps.
    #[must_use]
    pub const fn new(n_steps: u32) -> Self {
        Self {
            n_steps,
            step: 0,
            lowest: f64::INFINITY,
            seen: f64::INFINITY,
        }
    }

    /// Whether it ends with the step that saw this objective: it is the last, or the lowest
    /// objective has hardly changed in the last tenth of the steps.
    pub fn ends(&mut self, objective: f64) -> bool {
        self.lowest = self.lowest.min(objective);
        self.step += 1;
        if self.step >= self.n_steps {
            return true;
        }
        if !self.step.is_multiple_of(self.n_steps.div_ceil(N_LOOKS)) {
            return false;
        }
        let stalled = self.lowest > STALLED * self.seen;
        self.seen = self.lowest;
        stalled
    }
}

/// Tries weights in turn: ten times the last until one has led to an adversarial image, then the
/// middle between the largest that has not and the smallest that has, as in "Towards Evaluating
/// the Robustness of Neural Networks" (2017), section VI.
#[derive(Clone, Copy, Debug)]
pub struct WeightSearch {
    /// The weight that is tried.
    pub weight: f64,
    lower: f64,
    upper: f64,
    n_left: u32,
    n_steps: u32,
    descent: Descent,
    reached: bool,
}

impl WeightSearch {
    /// Tries `n_searches` weights from `first` on, each in at most `n_steps` steps.
    #[must_use]
    pub const fn new(first: f64, n_searches: u32, n_steps: u32) -> Self {
        Self {
            weight: first,
            lower: 0.0,
            upper: f64::INFINITY,
            n_left: n_searches,
            n_steps,
            descent: Descent::new(n_steps),
            reached: false,
        }
    }

    /// What follows an image of this objective that was adversarial or not.
    pub fn next(&mut self, reached: bool, objective: f64) -> Next {
        self.reached |= reached;
        if !self.descent.ends(objective) {
            return Next::Step;
        }
        self.n_left -= 1;
        if self.n_left == 0 {
            return Next::Done;
        }
        if self.reached {
            self.upper = self.upper.min(self.weight);
        } else {
            self.lower = self.lower.max(self.weight);
        }
        self.weight = match self.upper.is_finite() {
            true => f64::midpoint(self.lower, self.upper),
            false => (10.0 * self.weight).min(MOST),
        };
        self.reached = false;
        self.descent = Descent::new(self.n_steps);
        Next::Restart
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_grow_until_one_is_enough_and_then_halve_the_gap() {
        let mut search = WeightSearch::new(0.5, 6, 1);
        let mut tried = vec![search.weight];
        for enough in [false, false, true, false, true] {
            assert_eq!(search.next(enough, 1.0), Next::Restart);
            tried.push(search.weight);
        }
        assert_eq!(tried, [0.5, 5.0, 50.0, 27.5, 38.75, 33.125]);
        assert_eq!(search.next(true, 1.0), Next::Done);
    }

    #[test]
    fn a_descent_ends_where_it_gets_no_further() {
        let mut search = WeightSearch::new(1.0, 2, 100);
        // Looked at after 10 steps, then after 20: the lowest is still that of the first step.
        let nexts: Vec<Next> = (0..20)
            .map(|i| search.next(i == 0, 3.0 + f64::from(i)))
            .collect();
        assert!(nexts[..19].iter().all(|next| *next == Next::Step));
        assert_eq!((nexts[19], search.weight), (Next::Restart, 0.5));
        let mut descent = Descent::new(100);
        let n_steps = (0..).take_while(|i| !descent.ends(-f64::from(*i))).count();
        assert_eq!(n_steps, 99);
    }
}

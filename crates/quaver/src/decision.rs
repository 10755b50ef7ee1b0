//! [`Decision`]: how passes of a randomized classifier become one answer.
//! All that counts correctness takes one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::binomial::sign_test;
use crate::spec::{Allowed, Interval, Parameter, Spec, SpecError, Values, find_name};

pub use quaver_nn::loss::{argmax, softmax};

/// A decision rule.
///
/// # Parameters
/// | part | range | meaning |
/// |---|---|---|
/// | number of passes | at least 1 | passes on fresh randomness that the rule reads |
/// | `alpha` | (0, 1) | bound on the probability of naming a class that is not the likeliest one |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// The likeliest class of the first pass (the paper's single).
    First,
    /// The likeliest class of the summed softmax outputs (the paper's multi).
    Mean(u32),
    /// The class that most passes name, or none where a two-sided binomial test on the two
    /// leading counts has a p value above alpha (Cohen, Rosenfeld and Kolter, "Certified
    /// adversarial robustness via randomized smoothing", 2019, PREDICT).
    Vote(u32, f64),
}

/// A rule's parameter is outside its range.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum DecisionError {
    /// No passes.
    #[error("a decision needs passes: got 0, allowed from 1")]
    NoPasses,
    /// Alpha is no probability.
    #[error("alpha of a vote: got {0}, allowed above 0 and below 1")]
    Alpha(f64),
}

impl Decision {
    /// Passes the rule reads.
    #[must_use]
    pub const fn n_passes(self) -> u32 {
        match self {
            Self::First => 1,
            Self::Mean(n) | Self::Vote(n, _) => n,
        }
    }

    /// Whether the parameters are in range.
    ///
    /// # Errors
    /// [`DecisionError`] naming the parameter that is not.
    pub fn check(self) -> Result<(), DecisionError> {
        if self.n_passes() == 0 {
            return Err(DecisionError::NoPasses);
        }
        match self {
            Self::Vote(_, alpha) if !(f64::MIN_POSITIVE..1.0).contains(&alpha) => {
                Err(DecisionError::Alpha(alpha))
            }
            _ => Ok(()),
        }
    }

    /// The answer from the passes in `tally`, which should hold [`Decision::n_passes`] of
    /// them. Outputs that are not numbers, and a tally without passes, abstain.
    #[must_use]
    pub fn verdict(self, tally: &Tally) -> Verdict {
        let class = match self {
            Self::First => tally.first(),
            Self::Mean(_) => argmax(tally.sum()),
            Self::Vote(_, alpha) => vote(tally.counts(), alpha),
        };
        class.map_or(Verdict::Abstain, Verdict::Class)
    }
}

impl fmt::Display for Decision {
    /// As a spec string: `first`, `mean(50)`, `vote(alpha=0.001,n_passes=50)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => write!(f, "first"),
            Self::Mean(n) => write!(f, "mean({n})"),
            Self::Vote(n, alpha) => write!(f, "vote(alpha={alpha},n_passes={n})"),
        }
    }
}

impl FromStr for Decision {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let spec: Spec = text.parse()?;
        let names: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
        let rule = &RULES[find_name("decision", &spec.name, &names)?];
        (rule.build)(&spec.values(rule.parameters)?)
    }
}

/// A decision rule as it is found by name.
pub struct Rule {
    /// Name in specs.
    pub id: &'static str,
    /// Name for people.
    pub title: &'static str,
    /// What its spec takes.
    pub parameters: &'static [Parameter],
    build: fn(&Values) -> Result<Decision, SpecError>,
}

const N_PASSES: Parameter = Parameter {
    name: "n_passes",
    default: "50",
    allowed: Allowed::Integer(1, 1_000_000),
    about: "passes on fresh randomness that the rule reads",
};

/// All decision rules.
pub const RULES: &[Rule] = &[
    Rule {
        id: "first",
        title: "likeliest class of the first pass",
        parameters: &[],
        build: |_| Ok(Decision::First),
    },
    Rule {
        id: "mean",
        title: "likeliest class of the mean over passes",
        parameters: &[N_PASSES],
        build: |values| {
            let Params { n_passes, .. } = values.read()?;
            Ok(Decision::Mean(n_passes))
        },
    },
    Rule {
        id: "vote",
        title: "class that most passes name, or none where a binomial test cannot tell",
        parameters: &[
            N_PASSES,
            Parameter {
                name: "alpha",
                default: "0.001",
                allowed: Allowed::Real(&[Interval::above(0.0, 0.999)]),
                about: "bound on the probability of naming a class that is not the likeliest",
            },
        ],
        build: |values| {
            let Params { n_passes, alpha } = values.read()?;
            Ok(Decision::Vote(n_passes, alpha))
        },
    },
];

#[derive(Deserialize)]
struct Params {
    n_passes: u32,
    #[serde(default)]
    alpha: f64,
}

/// What was answered about one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// This class.
    Class(usize),
    /// The rule did not decide.
    Abstain,
    /// A detector refused the input.
    Rejected,
}

impl Verdict {
    /// The class, if there is one.
    #[must_use]
    pub const fn class(self) -> Option<usize> {
        match self {
            Self::Class(class) => Some(class),
            Self::Abstain | Self::Rejected => None,
        }
    }

    /// Whether the answer is `label`. Abstaining and rejecting are not.
    #[must_use]
    pub fn is(self, label: usize) -> bool {
        self == Self::Class(label)
    }
}

/// What decisions read of one image's passes, kept while they arrive in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    n: u32,
    first: Option<usize>,
    sum: Vec<f64>,
    counts: Vec<u32>,
}

impl Tally {
    /// No passes yet, `n_classes` classes.
    #[must_use]
    pub fn new(n_classes: usize) -> Self {
        Self {
            n: 0,
            first: None,
            sum: vec![0.0; n_classes],
            counts: vec![0; n_classes],
        }
    }

    /// Takes the next pass: `probs` of length `n_classes`. Gives its class, `None` where
    /// an output is not a number.
    pub fn push(&mut self, probs: &[f64]) -> Option<usize> {
        debug_assert_eq!(probs.len(), self.sum.len());
        let class = argmax(probs);
        if self.n == 0 {
            self.first = class;
        }
        self.n += 1;
        for (sum, p) in self.sum.iter_mut().zip(probs) {
            *sum += p;
        }
        if let Some(count) = class.and_then(|class| self.counts.get_mut(class)) {
            *count += 1;
        }
        class
    }

    /// Passes taken.
    #[must_use]
    pub fn n(&self) -> u32 {
        self.n
    }

    /// Class of the first pass.
    #[must_use]
    pub fn first(&self) -> Option<usize> {
        self.first
    }

    /// Sum over passes of each class's probability, `(n_classes)`.
    #[must_use]
    pub fn sum(&self) -> &[f64] {
        &self.sum
    }

    /// Passes that named each class, `(n_classes)`.
    #[must_use]
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }
}

fn vote(counts: &[u32], alpha: f64) -> Option<usize> {
    let (mut first, mut second) = ((0, 0), 0);
    for (class, &count) in counts.iter().enumerate() {
        if count > first.1 {
            second = first.1;
            first = (class, count);
        } else {
            second = second.max(count);
        }
    }
    (sign_test(first.1.into(), second.into()) <= alpha).then_some(first.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passes: &[[f64; 3]]) -> Tally {
        let mut tally = Tally::new(3);
        for probs in passes {
            tally.push(probs);
        }
        tally
    }

    #[test]
    fn rules_read_the_same_passes_differently() {
        let mut passes = vec![[0.0, 0.9, 0.1]];
        passes.extend([[0.4, 0.3, 0.3]; 9]);
        let tally = tally(&passes);
        assert_eq!(Decision::First.verdict(&tally), Verdict::Class(1));
        assert_eq!(Decision::Mean(10).verdict(&tally), Verdict::Class(0));
        // 9 against 1: p = 2 · (1 + 10) / 1024 = 0.0215.
        assert_eq!(Decision::Vote(10, 0.022).verdict(&tally), Verdict::Class(0));
        assert_eq!(Decision::Vote(10, 0.021).verdict(&tally), Verdict::Abstain);
    }

    #[test]
    fn ties_go_to_the_lowest_class_and_votes_abstain() {
        assert_eq!(argmax(&[0.2, 0.4, 0.4]), Some(1));
        let tally = tally(&[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);
        assert_eq!(Decision::Mean(2).verdict(&tally), Verdict::Class(0));
        assert_eq!(Decision::Vote(2, 0.99).verdict(&tally), Verdict::Abstain);
    }

    #[test]
    fn not_a_number_abstains_and_is_never_class_0() {
        let tally = tally(&[[f64::NAN, 0.0, 1.0], [1.0, 0.0, 0.0]]);
        assert_eq!(Decision::First.verdict(&tally), Verdict::Abstain);
        assert_eq!(Decision::Mean(2).verdict(&tally), Verdict::Abstain);
        assert!(!Verdict::Abstain.is(0) && !Verdict::Rejected.is(0));
        assert_eq!(argmax::<f64>(&[]), None);
    }

    #[test]
    fn softmax_does_not_overflow() {
        let probs = softmax(&[1000.0, 1000.0, -1000.0]);
        assert_eq!(probs, [0.5, 0.5, 0.0]);
        let ratio = softmax(&[1.0, 0.0])[0] / softmax(&[1.0, 0.0])[1];
        assert!((ratio - std::f64::consts::E).abs() < 1e-12);
        assert!(softmax(&[f32::NAN, 0.0]).iter().all(|p| p.is_nan()));
    }

    #[test]
    fn parameters_are_checked() {
        assert_eq!(Decision::Mean(50).check(), Ok(()));
        assert_eq!(Decision::Mean(0).check(), Err(DecisionError::NoPasses));
        for alpha in [0.0, 1.0, -0.1, f64::INFINITY] {
            assert_eq!(
                Decision::Vote(9, alpha).check(),
                Err(DecisionError::Alpha(alpha))
            );
        }
        assert!(Decision::Vote(9, f64::NAN).check().is_err());
    }

    #[test]
    fn decisions_are_read_as_they_are_printed() {
        for rule in [
            Decision::First,
            Decision::Mean(20),
            Decision::Vote(50, 0.001),
        ] {
            assert_eq!(rule.to_string().parse(), Ok(rule));
        }
        assert_eq!("vote".parse(), Ok(Decision::Vote(50, 0.001)));
        for parameter in RULES[2].parameters {
            for value in parameter.refused() {
                let text = format!("vote({}={value})", parameter.name);
                assert!(text.parse::<Decision>().is_err(), "{text}");
            }
        }
        let error = "majority".parse::<Decision>().unwrap_err().to_string();
        assert!(error.contains("first, mean, vote"), "{error}");
    }

    #[test]
    fn decisions_are_words_in_files() {
        let text = serde_json::to_string(&[Decision::First, Decision::Mean(50)]).unwrap();
        assert_eq!(text, r#"["first",{"mean":50}]"#);
    }
}

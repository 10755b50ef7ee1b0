//! The paper's claims and the verdicts on them. A claim is a file here and a line in
//! [`CLAIMS`]; results name it by its letter.
//!
//! Every claim is a few comparisons of one number with one threshold. Below [`SEEDS`] seeds a
//! number is resampled over images and speaks about these networks; where passes draw weights
//! that all images share, single passes are resampled too, and every sentence says what its
//! interval lets vary. From there on a number is taken once a seed and speaks about the topology. Two-sided p values are corrected by Holm
//! over all comparisons of all claims; what stays above 0.05 is undecided.

mod answers;
mod clean_accuracy;
mod detection;
mod dropout_loss;
mod single_step_accuracy;
mod trial;
mod uncertainty;
mod undetected_pgd;
mod voting_gain;

pub(super) use answers::Answers;
use trial::{Found, Trial};

use super::measure::{Seen, Study};
use super::results::{Claim, ClaimReading, ClaimTest, Scope, Verdict};
use quaver::evaluate::holm;

/// Seeds from which on verdicts are about topologies.
const SEEDS: usize = 5;
/// Largest corrected p value that decides.
const ALPHA: f64 = 0.05;

/// A claim of the paper.
struct Definition {
    id: &'static str,
    title: &'static str,
    hypothesis: &'static str,
    /// Whether it is about precision, and so judged with the controls too.
    with_controls: bool,
    trials: fn() -> Vec<Trial>,
    /// What the honest reading adds; it is asked for numbers of the paper's rows.
    honest: fn(&Ask<'_>) -> Option<String>,
}

/// Finds a number of the rows that are judged, with its interval.
type Ask<'a> = dyn Fn(&Trial) -> Option<Found> + 'a;

const CLAIMS: &[Definition] = &[
    clean_accuracy::CLAIM,
    single_step_accuracy::CLAIM,
    voting_gain::CLAIM,
    detection::CLAIM,
    uncertainty::CLAIM,
    undetected_pgd::CLAIM,
    dropout_loss::CLAIM,
];

/// All claims, judged on what was seen.
pub(super) fn judge(study: &Study<'_>, seen: &Seen) -> Vec<Claim> {
    let answers = Answers::of(study, seen);
    verdicts(&answers, study.config.seed)
}

fn verdicts(answers: &Answers, seed: u64) -> Vec<Claim> {
    let scope = if answers.n_seeds >= SEEDS {
        Scope::Topology
    } else {
        Scope::Networks
    };
    let mut readings = Vec::new();
    for (place, claim) in CLAIMS.iter().enumerate() {
        let all: &[bool] = if claim.with_controls {
            &[false, true]
        } else {
            &[false]
        };
        for &with_controls in all {
            let rows = answers.rows(with_controls);
            let trials = (claim.trials)();
            let run = |trial: &Trial| trial.run(&rows, scope, seed);
            let found: Vec<Option<Found>> = trials.iter().map(run).collect();
            readings.push((place, with_controls, trials, found));
        }
    }
    let every = readings.iter().flat_map(|(_, _, _, found)| found);
    let p: Vec<Option<f64>> = every.map(|f| f.as_ref().map(|f| f.p)).collect();
    let mut adjusted = holm::adjust(&p).into_iter();
    let mut claims: Vec<Claim> = CLAIMS
        .iter()
        .map(|claim| Claim {
            id: claim.id.to_owned(),
            title: claim.title.to_owned(),
            hypothesis: claim.hypothesis.to_owned(),
            verdict: Verdict::Undecided,
            scope,
            readings: Vec::new(),
            honest: (claim.honest)(&|trial| trial.run(&answers.rows(false), scope, seed)),
        })
        .collect();
    for (place, with_controls, trials, found) in readings {
        let pairs = trials.iter().zip(found);
        let tests: Vec<ClaimTest> = pairs
            .map(|(trial, found)| test(trial, found, adjusted.next().flatten()))
            .collect();
        let reading = ClaimReading {
            with_controls,
            verdict: joint(&tests),
            sentence: sentence(&tests),
            tests,
        };
        if !with_controls {
            claims[place].verdict = reading.verdict;
        }
        claims[place].readings.push(reading);
    }
    claims
}

fn test(trial: &Trial, found: Option<Found>, p_adjusted: Option<f64>) -> ClaimTest {
    let verdict = match (&found, p_adjusted) {
        (Some(found), Some(p)) if p < ALPHA => match trial.criterion.is_met(found.value) {
            true => Verdict::Supported,
            false => Verdict::NotSupported,
        },
        _ => Verdict::Undecided,
    };
    ClaimTest {
        hypothesis: trial.hypothesis.to_owned(),
        statistic: found.as_ref().map(|found| found.value),
        unit: trial.unit.to_owned(),
        low: found.as_ref().and_then(|found| found.low),
        high: found.as_ref().and_then(|found| found.high),
        criterion: trial.criterion.to_string(),
        p: found.as_ref().map(|found| found.p),
        p_adjusted,
        n: found.as_ref().map_or(0, |found| found.n),
        over: found.map_or("", |found| found.over.as_str()).to_owned(),
        verdict,
    }
}

/// All must hold; one that is refuted refutes the whole.
fn joint(tests: &[ClaimTest]) -> Verdict {
    let is = |wanted| tests.iter().any(|test| test.verdict == wanted);
    if is(Verdict::NotSupported) {
        Verdict::NotSupported
    } else if is(Verdict::Undecided) || tests.is_empty() {
        Verdict::Undecided
    } else {
        Verdict::Supported
    }
}

/// The numbers that decide.
fn sentence(tests: &[ClaimTest]) -> String {
    let each = tests.iter().map(|test| {
        let Some(value) = test.statistic else {
            return format!("{}: not measured", capitalized(&test.hypothesis));
        };
        let interval = test.low.zip(test.high).map_or_else(String::new, |(l, h)| {
            format!(" (95 % interval over {}: {l:.2} to {h:.2})", test.over)
        });
        let unit = if test.unit.is_empty() { "" } else { " " };
        format!(
            "{}: {value:.2}{unit}{}{interval}, asked for {}",
            capitalized(&test.hypothesis),
            test.unit,
            test.criterion
        )
    });
    each.collect::<Vec<_>>().join(". ") + "."
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

#[cfg(test)]
mod tests;

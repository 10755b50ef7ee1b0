//! Sentences that every document opens with.

use crate::results::{CheckStatus, Results, Scope, Verdict};

/// What a quick run must say wherever it is shown.
pub(crate) const QUICK: &str = "Quick run: few images, few epochs, few passes. It shows that everything \
     works; its numbers say little about the paper.";

/// The title of every document.
pub(crate) const TITLE: &str =
    "Quantized networks under attack: the paper's tables, measured again";

/// Architecture, dataset, images, passes and seeds in one line.
pub(crate) fn subtitle(results: &Results) -> String {
    let seeds: Vec<_> = results.seeds.iter().map(u64::to_string).collect();
    let plural = if seeds.len() == 1 { "seed" } else { "seeds" };
    format!(
        "{} on {}, n = {} attacked images, T = {} passes, {plural} {}",
        results.arch,
        results.dataset,
        results.n,
        results.n_passes,
        seeds.join(", ")
    )
}

/// "2 of 7 claims supported, 4 not supported, 1 undecided".
pub(crate) fn verdicts(results: &Results) -> String {
    let count = |verdict| {
        results
            .claims
            .iter()
            .filter(|c| c.verdict == verdict)
            .count()
    };
    format!(
        "{} of {} claims supported, {} not supported, {} undecided",
        count(Verdict::Supported),
        results.claims.len(),
        count(Verdict::NotSupported),
        count(Verdict::Undecided)
    )
}

/// What a verdict speaks about, in words.
pub(crate) const fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::Networks => "about these networks",
        Scope::Topology => "about the topologies",
    }
}

/// An outcome as printed.
pub(crate) const fn status(status: CheckStatus) -> &'static str {
    match status {
        CheckStatus::Pass => "PASS",
        CheckStatus::Warn => "WARN",
        CheckStatus::Fail => "FAIL",
        CheckStatus::NotApplicable => "N.A.",
    }
}

/// Counts of the honesty checks over all networks: (status, how many), worst first.
pub(crate) fn check_counts(results: &Results) -> [(CheckStatus, usize); 4] {
    let all = || {
        results
            .topologies
            .iter()
            .flat_map(|row| &row.seeds)
            .flat_map(|seed| &seed.checks)
    };
    [
        CheckStatus::Fail,
        CheckStatus::Warn,
        CheckStatus::Pass,
        CheckStatus::NotApplicable,
    ]
    .map(|status| (status, all().filter(|check| check.status == status).count()))
}

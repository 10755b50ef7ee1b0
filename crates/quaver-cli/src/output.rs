//! What is printed: text for people, or one JSON document.

use anyhow::Context;
use quaver::evaluate::interval::{Estimate, Rate};
use serde::Serialize;
use std::io::Write;

/// An error with its causes on one line.
pub(crate) fn one_line(error: &anyhow::Error) -> String {
    format!("{error:#}")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// Prints the document if JSON was asked for, else the text.
///
/// # Errors
/// When standard output cannot be written (a closed pipe is no error).
pub(crate) fn print<T: Serialize>(json: bool, document: &T, text: &str) -> anyhow::Result<()> {
    let out = match json {
        true => serde_json::to_string_pretty(document).context("JSON")?,
        false => text.trim_end().to_owned(),
    };
    match writeln!(std::io::stdout(), "{out}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}

/// `97.40 % [96.80, 97.90] of 10000`, or `n/a`.
pub(crate) fn rate(rate: Option<&Rate>) -> String {
    rate.map_or_else(
        || "n/a".into(),
        |r| {
            let [value, low, high] = [r.value, r.low, r.high].map(|v| 100.0 * v);
            format!("{value:.2} % [{low:.2}, {high:.2}] of {}", r.n)
        },
    )
}

/// [`rate`] of a statistic.
pub(crate) fn estimate(estimate: Option<&Estimate>) -> String {
    estimate.map_or_else(
        || "n/a".into(),
        |e| {
            let [value, low, high] = [e.value, e.low, e.high].map(|v| 100.0 * v);
            format!("{value:.2} % [{low:.2}, {high:.2}], n = {}", e.n)
        },
    )
}

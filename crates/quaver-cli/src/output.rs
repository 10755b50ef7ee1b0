//! What is printed: text for people, or one JSON document.

use anyhow::Context;
use quaver::evaluate::interval::{Estimate, Rate};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write as _;

/// An error with its causes on one line; a cause that was already told is not told again.
pub(crate) fn one_line(error: &anyhow::Error) -> String {
    let mut told = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if told.is_empty() {
            told = text;
        } else if !told.contains(&text) {
            let _ = write!(told, ": {text}");
        }
    }
    joined(&told)
}

/// What was typed wrongly, on one line: the parser's reason and tips without its usage lines.
pub(crate) fn usage_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let reason = text.split("\n\n").take_while(|part| {
        !part.starts_with("Usage:") && !part.starts_with("For more information")
    });
    let reason: Vec<String> = reason.map(joined).collect();
    let reason = reason.join("; ");
    let reason = reason.strip_prefix("error: ").unwrap_or(&reason);
    format!("{reason} (see --help)")
}

fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A line on standard error. That nobody reads it is no reason to fail.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
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
    print_text(&out)
}

/// Prints text and a line feed.
///
/// # Errors
/// As [`print`].
fn print_text(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}

/// Four digits of a number of any size.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if (0.001..100_000.0).contains(&size) => {
            let decimals = (3.0 - size.log10().floor()).clamp(0.0, 6.0) as usize;
            format!("{value:.decimals$}")
        }
        _ => format!("{value:.3e}"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_once_and_on_one_line() {
        let inner = std::io::Error::other("no\nspace");
        let error = anyhow::Error::from(inner)
            .context("a: no\nspace")
            .context("b");
        assert_eq!(one_line(&error), "b: a: no space");
    }

    #[test]
    fn what_was_typed_wrongly_fits_on_a_line() {
        let line = |words: &[&str]| {
            let words = ["quaver"].iter().chain(words);
            usage_line(
                &crate::args::command()
                    .try_get_matches_from(words)
                    .unwrap_err(),
            )
        };
        assert_eq!(
            line(&["train"]),
            "the following required arguments were not provided: --out <MODEL> (see --help)"
        );
        assert_eq!(
            line(&["train", "--out", "a", "--epoch", "2"]),
            "unexpected argument '--epoch' found; tip: a similar argument exists: '--epochs' (see --help)"
        );
        assert_eq!(
            line(&["list", "--seed", "-1"]),
            "invalid value '-1' for '--seed <SEED>': expected a whole number from 0 to 18446744073709551615 (see --help)"
        );
    }

    #[test]
    fn numbers_show_four_digits() {
        let shown = [0.0, 2.300_456, 0.012_345, 1.5e-5, -12.0, 123_456.0].map(number);
        assert_eq!(
            shown,
            ["0", "2.300", "0.01235", "1.500e-5", "-12.00", "1.235e5"]
        );
    }
}

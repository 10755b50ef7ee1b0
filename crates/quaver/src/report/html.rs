//! One page with everything, self-contained: no network, no other file, no script.
//!
//! It reads on a phone, on a wide screen, in the dark and in print; the answer stands first.

mod checks;
mod claims;
mod examples;
mod making;
mod numbers;
mod summary;

use crate::paper::results::{Results, Verdict};

use super::RenderError;
use super::outline;
use super::scene::uncertainty;
use super::svg::{self, escape};
use super::table::{Table, shown};

const STYLE: &str = include_str!("html/style.css");

/// The page.
///
/// # Errors
/// [`RenderError::Picture`] when an example image does not have the size it declares.
pub fn render(results: &Results) -> Result<Option<Vec<u8>>, RenderError> {
    let tables = shown(results);
    let (main, more): (Vec<&Table>, Vec<&Table>) = tables.iter().partition(|table| table.main);
    let mut page = head(results);
    page.push_str(&summary::section(results, &tables));
    page.push_str(&claims::section(results));
    page.push_str(&numbers::section(&main));
    page.push_str(&figure(results));
    page.push_str(&examples::section(results)?);
    page.push_str(&checks::section(results));
    page.push_str(&numbers::more(&more));
    page.push_str(&making::section(results));
    page.push_str("</main>\n</body>\n</html>\n");
    Ok(Some(page.into_bytes()))
}

fn head(results: &Results) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{} on {}: the paper, measured again</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n",
        escape(&results.arch),
        escape(&results.dataset)
    )
}

fn figure(results: &Results) -> String {
    let Some(figure) = &results.figure else {
        return String::new();
    };
    format!(
        "<section id=\"figure\">\n<h2>Figure 2. How uncertain the networks are</h2>\n\
         <p class=\"note\">Variance over {} passes of each image, seed {}, {} bins a panel. Clean inputs \
         point up, FGSM inputs down. A detector can only work where the two halves differ.</p>\n\
         <figure class=\"narrow\">\n{}</figure>\n</section>\n",
        results.n_passes,
        figure.seed,
        figure
            .panels
            .first()
            .map_or(0, |panel| panel.clean.counts.len()),
        svg::inline(&uncertainty(figure))
    )
}

/// A verdict with its sign, readable without color.
fn pill(verdict: Verdict) -> String {
    let (class, sign) = sign(verdict);
    format!(
        "<span class=\"pill {class}\">{sign} {}</span>",
        verdict.as_str()
    )
}

const fn sign(verdict: Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Supported => ("yes", "✓"),
        Verdict::NotSupported => ("no", "✗"),
        Verdict::Undecided => ("open", "?"),
    }
}

/// The loud word of a quick run; empty otherwise.
fn banner(results: &Results) -> String {
    if results.quick {
        format!(
            "<p class=\"banner\" role=\"alert\"><strong>Quick run.</strong> {}</p>\n",
            quick_rest()
        )
    } else {
        String::new()
    }
}

fn quick_rest() -> String {
    let rest = outline::QUICK.trim_start_matches("Quick run: ");
    let mut letters = rest.chars();
    let capital = letters
        .next()
        .map(|c| c.to_uppercase().to_string())
        .unwrap_or_default();
    escape(&(capital + letters.as_str()))
}

#[cfg(test)]
mod tests;

//! One page with everything; the answer stands first.

mod checks;
mod claims;
mod examples;
mod making;
mod summary;

use crate::results::{Results, Verdict};

use crate::outline;
use crate::scenes::uncertainty;
use crate::tables::shown;
use quaver::report::svg::{self, escape};
use quaver::report::table::Table;
use quaver::report::{RenderError, html};

/// The page.
///
/// # Errors
/// [`RenderError::Picture`] when an example image does not have the size it declares.
pub(crate) fn render(results: &Results) -> Result<Option<Vec<u8>>, RenderError> {
    let tables = shown(results);
    let (main, more): (Vec<&Table>, Vec<&Table>) = tables.iter().partition(|table| table.main);
    let title = format!(
        "{} on {}: the paper, measured again",
        results.arch, results.dataset
    );
    let body = [
        summary::section(results, &tables),
        claims::section(results),
        html::tables(&main),
        figure(results),
        examples::section(results)?,
        checks::section(results),
        html::folded(&more),
        making::section(results),
    ];
    Ok(Some(html::page(&title, &body.concat()).into_bytes()))
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

//! Markdown: claims, tables, checks and settings as one readable file.

use std::fmt::Write as _;

use crate::results::{CheckStatus, Claim, Results};

use crate::outline;
use crate::tables::shown;
use quaver::report::RenderError;
use quaver::report::table::Table;
use quaver::report::value::{Value, fixed};

/// The document.
///
/// # Errors
/// None.
pub(crate) fn render(results: &Results) -> Result<Option<Vec<u8>>, RenderError> {
    let mut out = format!(
        "# {}\n\n{}.\n",
        outline::TITLE,
        escape(&outline::subtitle(results))
    );
    if results.quick {
        let _ = write!(out, "\n> **{}**\n", outline::QUICK);
    }
    for warning in &results.warnings {
        let _ = write!(out, "\n> {}\n", escape(warning));
    }
    claims(&mut out, results);
    for table in shown(results) {
        out.push_str(&table_text(&table));
    }
    checks(&mut out, results);
    settings(&mut out, results);
    Ok(Some(out.into_bytes()))
}

fn claims(out: &mut String, results: &Results) {
    if results.claims.is_empty() {
        return;
    }
    let _ = write!(
        out,
        "\n## The paper's claims\n\n{}.\n\n",
        outline::verdicts(results)
    );
    out.push_str("| | Claim | Verdict | Why |\n|---|---|---|---|\n");
    for claim in &results.claims {
        let _ = writeln!(
            out,
            "| {} | {} | **{}** {} | {} |",
            escape(&claim.id),
            escape(&claim.title),
            claim.verdict.as_str(),
            outline::scope(claim.scope),
            why(claim)
        );
    }
}

fn why(claim: &Claim) -> String {
    let mut parts: Vec<String> = Vec::new();
    for reading in &claim.readings {
        let rows = if reading.with_controls {
            "With the controls"
        } else {
            "The paper's rows"
        };
        parts.push(format!(
            "{rows}: {}. {}",
            reading.verdict.as_str(),
            escape(&reading.sentence)
        ));
        for test in &reading.tests {
            let statistic = test
                .statistic
                .map_or_else(|| "n/a".into(), |value| fixed(value, 3));
            let interval = test
                .low
                .zip(test.high)
                .map_or_else(String::new, |(low, high)| {
                    format!(" [{}, {}]", fixed(low, 3), fixed(high, 3))
                });
            let p = test
                .p_adjusted
                .map_or_else(String::new, |p| format!(", adjusted p = {p:.2e}"));
            parts.push(format!(
                "{}: {statistic}{interval} {} ({}, n = {}{p})",
                escape(&test.hypothesis),
                escape(&test.unit),
                escape(&test.criterion),
                test.n
            ));
        }
    }
    parts.extend(claim.honest.as_deref().map(escape));
    parts.join("<br>")
}

/// One table with its heading.
pub(crate) fn table_text(table: &Table) -> String {
    let mut out = format!(
        "\n## {}\n\n{}\n",
        escape(&table.heading()),
        escape(&table.note)
    );
    let titles: Vec<_> = table
        .columns
        .iter()
        .map(|column| escape(&column.title))
        .collect();
    for section in &table.sections {
        let _ = write!(
            out,
            "\n| {} | {} |\n",
            escape(&section.title),
            titles.join(" | ")
        );
        let _ = writeln!(out, "|---|{}", "---:|".repeat(titles.len()));
        for row in &section.rows {
            let cells: Vec<_> = row.cells.iter().map(cell).collect();
            let name = escape(&row.name());
            let _ = writeln!(out, "| {name} | {} |", cells.join(" | "));
        }
    }
    out
}

fn cell(value: &Value) -> String {
    let mut text = value.main();
    if let Some(doubt) = value.doubt_text("–", "± ") {
        let _ = write!(text, " {doubt}");
    }
    if let Some(paper) = value.reference_text() {
        let _ = write!(text, " (paper {paper})");
    }
    text
}

fn checks(out: &mut String, results: &Results) {
    out.push_str("\n## Honesty checks\n\n");
    let counts = outline::check_counts(results);
    let counts: Vec<_> = counts
        .iter()
        .map(|(status, n)| format!("{n} {}", outline::status(*status)))
        .collect();
    let _ = writeln!(out, "{}. Those that warn or fail:\n", counts.join(", "));
    out.push_str("| Network | Seed | Check | Outcome | What was seen |\n|---|---|---|---|---|\n");
    for row in &results.topologies {
        for seed in &row.seeds {
            let notable = |status| matches!(status, CheckStatus::Fail | CheckStatus::Warn);
            for check in seed.checks.iter().filter(|check| notable(check.status)) {
                let _ = writeln!(
                    out,
                    "| {} | {} | {} {} | {} | {} |",
                    escape(&row.topology.name()),
                    seed.seed,
                    escape(&check.id),
                    escape(&check.title),
                    outline::status(check.status),
                    escape(&check.sentence)
                );
            }
        }
    }
}

fn settings(out: &mut String, results: &Results) {
    out.push_str("\n## How this was made\n\n");
    let _ = write!(
        out,
        "quaver {}:\n\n    {}\n\n",
        escape(&results.version),
        results.command
    );
    out.push_str("| Setting | Value |\n|---|---|\n");
    for setting in &results.configuration {
        let _ = writeln!(
            out,
            "| {}: {} | {} |",
            escape(&setting.group),
            escape(&setting.name),
            escape(&setting.value)
        );
    }
}

/// Keeps text from being read as markup or from breaking a table.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => out.push(' '),
            '\\' | '|' | '*' | '_' | '`' | '[' | ']' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn every_table_row_has_as_many_cells_as_its_heading() {
        let text = String::from_utf8(render(&fixture::results()).unwrap().unwrap()).unwrap();
        let mut expected = None;
        for line in text.lines() {
            let cells = line.replace("\\|", "").matches('|').count();
            if cells == 0 {
                expected = None;
            } else {
                assert_eq!(*expected.get_or_insert(cells), cells, "{line}");
            }
        }
        assert!(text.contains("98.5 95.7–99.5 (paper 98.2)"), "{text}");
        assert!(text.contains("n/a (paper 38.2)"), "{text}");
        assert!(!text.contains("NaN"));
    }

    #[test]
    fn markup_in_text_is_escaped() {
        assert_eq!(escape("a|b <i>*x*\n"), "a\\|b &lt;i>\\*x\\* ");
    }
}

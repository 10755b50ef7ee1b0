//! Plain text for terminals: aligned, without color, at most [`WIDTH`] characters wide.

use std::fmt::Write as _;

use crate::results::{CheckStatus, Results};

use crate::outline;
use crate::tables::shown;
use quaver::report::RenderError;
use quaver::report::table::{Row, Table};

/// The longest line.
pub const WIDTH: usize = 110;

const GAP: &str = "  ";

/// Everything: [`summary`], all tables, and what the honesty checks found.
///
/// # Errors
/// None.
pub fn render(results: &Results) -> Result<Option<Vec<u8>>, RenderError> {
    Ok(Some(text(results, |_| true).into_bytes()))
}

/// What to print at the end of a run: as [`render`], with the main tables only.
pub fn brief(results: &Results) -> String {
    text(results, |table| table.main)
}

fn text(results: &Results, wanted: fn(&Table) -> bool) -> String {
    let mut out = summary(results);
    for table in shown(results).iter().filter(|table| wanted(table)) {
        out.push('\n');
        out.push_str(&table_text(table));
    }
    out.push('\n');
    out.push_str(&checks(results));
    out
}

/// What is looked at, the verdicts on the claims, the warnings.
pub fn summary(results: &Results) -> String {
    let mut out = String::new();
    let mut line = |text: &str, first: &str, rest: &str| out.push_str(&wrap(text, first, rest));
    line(outline::TITLE, "", "");
    line(&outline::subtitle(results), "", "");
    if results.quick {
        line(outline::QUICK, "!! ", "!! ");
    }
    for warning in &results.warnings {
        line(warning, "!  ", "   ");
    }
    line("", "", "");
    line(&outline::verdicts(results), "", "");
    for claim in &results.claims {
        let head = format!(
            "{}  {:<14} {}",
            claim.id,
            claim.verdict.as_str(),
            claim.title
        );
        line(&head, "  ", "                     ");
    }
    out
}

/// What the honesty checks found, one line each that did not pass.
pub fn checks(results: &Results) -> String {
    let counts = outline::check_counts(results);
    let counts: Vec<_> = counts
        .iter()
        .map(|(status, n)| format!("{n} {}", outline::status(*status)))
        .collect();
    let mut out = format!("Honesty checks: {}\n", counts.join(", "));
    for row in &results.topologies {
        for seed in &row.seeds {
            let notable = |status| matches!(status, CheckStatus::Fail | CheckStatus::Warn);
            for check in seed.checks.iter().filter(|check| notable(check.status)) {
                let head = format!(
                    "{} {}, {}, seed {}: {}",
                    outline::status(check.status),
                    check.id,
                    row.topology.name(),
                    seed.seed,
                    check.sentence
                );
                out.push_str(&wrap(&head, "  ", "       "));
            }
        }
    }
    out
}

/// One table; columns that do not fit follow below, with the names again.
pub fn table_text(table: &Table) -> String {
    let mut out = wrap(&table.heading(), "", "") + &wrap(&table.note, "", "");
    let names: Vec<String> = table
        .sections
        .iter()
        .flat_map(|s| &s.rows)
        .map(|row| row.name())
        .collect();
    let name_width = width_of(names.iter().map(String::as_str)).min(WIDTH / 3);
    let columns: Vec<ColumnText> = (0..table.columns.len())
        .map(|i| ColumnText::new(table, i))
        .collect();
    let mut rest = columns.as_slice();
    while !rest.is_empty() {
        let mut total = name_width;
        let fits = |column: &&ColumnText| {
            total += GAP.len() + column.width;
            total <= WIDTH
        };
        let n = rest.iter().take_while(fits).count().max(1);
        block(&mut out, table, name_width, &rest[..n]);
        rest = &rest[n..];
    }
    out
}

/// A column with the widths of its parts.
struct ColumnText {
    index: usize,
    title: String,
    value: usize,
    doubt: usize,
    paper: usize,
    width: usize,
}

impl ColumnText {
    fn new(table: &Table, index: usize) -> Self {
        let rows = || table.sections.iter().flat_map(|section| &section.rows);
        let widest = |part: fn(&Row, usize) -> String| {
            rows()
                .map(|row| part(row, index).chars().count())
                .max()
                .unwrap_or(0)
        };
        let title = table.columns[index].title.clone();
        let (value, doubt, paper) = (widest(value), widest(doubt), widest(paper));
        let parts = value + gap(doubt) + gap(paper);
        let width = parts.max(title.chars().count());
        Self {
            index,
            title,
            value: value + width - parts,
            doubt,
            paper,
            width,
        }
    }

    fn cell(&self, row: &Row) -> String {
        let mut text = format!("{:>1$}", value(row, self.index), self.value);
        for (part, width) in [
            (doubt(row, self.index), self.doubt),
            (paper(row, self.index), self.paper),
        ] {
            if width > 0 {
                let _ = write!(text, " {part:>width$}");
            }
        }
        text
    }
}

const fn gap(width: usize) -> usize {
    if width == 0 { 0 } else { width + 1 }
}

fn value(row: &Row, index: usize) -> String {
    row.cells[index].main()
}

fn doubt(row: &Row, index: usize) -> String {
    row.cells[index].doubt_text("-", "±").unwrap_or_default()
}

fn paper(row: &Row, index: usize) -> String {
    row.cells[index]
        .reference_text()
        .map_or_else(String::new, |paper| format!("({paper})"))
}

fn block(out: &mut String, table: &Table, name_width: usize, columns: &[ColumnText]) {
    let mut heading = " ".repeat(name_width);
    for column in columns {
        let _ = write!(heading, "{GAP}{:>1$}", column.title, column.width);
    }
    push(out, &heading);
    push(out, &"-".repeat(heading.chars().count()));
    for section in &table.sections {
        if !section.title.is_empty() {
            push(out, &section.title);
        }
        for row in &section.rows {
            let name: String = row.name().chars().take(name_width).collect();
            let mut line = format!("{name:<name_width$}");
            for column in columns {
                let _ = write!(line, "{GAP}{}", column.cell(row));
            }
            push(out, &line);
        }
    }
}

fn push(out: &mut String, line: &str) {
    out.push_str(line.trim_end());
    out.push('\n');
}

fn width_of<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(|text| text.chars().count()).max().unwrap_or(0)
}

/// `text` in lines of at most [`WIDTH`], the first after `first`, the others after `rest`.
fn wrap(text: &str, first: &str, rest: &str) -> String {
    let mut out = String::new();
    let mut line = first.to_owned();
    let mut empty = true;
    for word in text.split(' ') {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            push(&mut out, &line);
            line = rest.to_owned();
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    push(&mut out, &line);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn text(results: &Results) -> String {
        String::from_utf8(render(results).unwrap().unwrap()).unwrap()
    }

    #[test]
    fn the_brief_text_holds_the_papers_tables_and_is_shorter() {
        let results = fixture::results();
        let brief = brief(&results);
        assert!((1..=4).all(|number| brief.contains(&format!("Table {number}. "))));
        assert!(brief.len() < text(&results).len());
    }

    #[test]
    fn no_line_is_too_wide_and_none_ends_in_blanks() {
        for text in [text(&fixture::results()), text(&fixture::two_seeds())] {
            for line in text.lines() {
                assert!(line.chars().count() <= WIDTH, "{line}");
                assert_eq!(line, line.trim_end());
            }
        }
    }

    #[test]
    fn a_row_shows_value_interval_and_paper() {
        let text = text(&fixture::results());
        let row = "98.5 95.7-99.5 (98.2)";
        assert!(text.contains(row), "{text}");
        assert!(text.contains("n/a"), "{text}");
        assert!(!text.contains("NaN"));
    }

    #[test]
    fn a_quick_run_says_so() {
        let mut results = fixture::results();
        results.quick = true;
        assert!(text(&results).contains("!! Quick run"));
        results.quick = false;
        assert!(!text(&results).contains("Quick run"));
    }

    #[test]
    fn seeds_are_shown_as_mean_and_deviation() {
        assert!(text(&fixture::two_seeds()).contains("98.0 ±0.5 (98.2)"));
    }

    #[test]
    fn long_text_wraps_at_words() {
        let text = "word ".repeat(60);
        let wrapped = wrap(text.trim_end(), "- ", "  ");
        assert!(wrapped.lines().all(|line| line.chars().count() <= WIDTH));
        assert_eq!(wrapped.lines().count(), 3);
        assert!(wrapped.starts_with("- word"));
    }
}

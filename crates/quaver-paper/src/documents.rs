//! Claims, tables, checks and settings as documents: all of it in Markdown, the tables and
//! verdicts in LaTeX, and what fits a terminal.

use quaver::report::markup::{
    Block, Cell, Document, LATEX, MARKDOWN, Notice, Span, TERMINAL, write,
};
use quaver::report::table::Table;
use quaver::report::value::{MISSING, fixed};

use crate::outline;
use crate::results::{CheckResult, CheckStatus, Claim, Results, SeedResults, TopologyResults};
use crate::tables::shown;

/// Everything in Markdown.
pub(crate) fn markdown(results: &Results) -> String {
    let mut blocks = Vec::new();
    if !results.claims.is_empty() {
        let columns = ["", "Claim", "Verdict", "Why"].map(|head| (head.to_owned(), false));
        let row = |claim: &Claim| {
            let verdict = Cell {
                strong: claim.verdict.as_str().to_owned(),
                lines: vec![vec![outline::scope(claim.scope).into()]],
            };
            vec![
                (&claim.id).into(),
                (&claim.title).into(),
                verdict,
                why(claim),
            ]
        };
        blocks.extend([
            Block::Heading("The paper's claims".to_owned()),
            Block::Text(format!("{}.", outline::verdicts(results))),
            Block::Words {
                columns: columns.into(),
                rows: results.claims.iter().map(row).collect(),
            },
        ]);
    }
    blocks.extend(shown(results).into_iter().map(Block::Numbers));
    blocks.extend(checks(results));
    blocks.extend(settings(results));
    write(&document(results, blocks), &MARKDOWN)
}

/// Verdicts and tables in LaTeX.
pub(crate) fn latex(results: &Results) -> String {
    let mut blocks = Vec::new();
    if !results.claims.is_empty() {
        let columns = [("", false), ("Claim", true), ("Verdict", false)];
        let row = |claim: &Claim| {
            let verdict = claim.verdict.as_str();
            vec![(&claim.id).into(), (&claim.title).into(), verdict.into()]
        };
        blocks.extend([
            Block::Heading("The paper's claims".to_owned()),
            Block::Text(format!("{}.", outline::verdicts(results))),
            Block::Words {
                columns: columns.map(|(head, wide)| (head.to_owned(), wide)).into(),
                rows: results.claims.iter().map(row).collect(),
            },
        ]);
    }
    blocks.extend(shown(results).into_iter().map(Block::Numbers));
    write(&document(results, blocks), &LATEX)
}

/// Verdicts, all tables, and what the honesty checks found, as plain text.
pub(crate) fn terminal(results: &Results) -> String {
    plain(results, |_| true)
}

/// What to print at the end of a run: verdicts, the main tables, and what the honesty
/// checks found.
pub fn brief(results: &Results) -> String {
    plain(results, |table| table.main)
}

fn plain(results: &Results, wanted: fn(&Table) -> bool) -> String {
    let mut blocks = vec![Block::Text(outline::verdicts(results))];
    blocks.extend(results.claims.iter().map(|claim| {
        let (id, verdict, title) = (&claim.id, claim.verdict.as_str(), &claim.title);
        Block::Item {
            text: format!("{id}  {verdict:<14} {title}"),
            hang: 21,
        }
    }));
    let tables = shown(results).into_iter().filter(wanted);
    blocks.extend(tables.map(Block::Numbers));
    blocks.push(Block::Heading(format!(
        "Honesty checks: {}",
        counts(results)
    )));
    blocks.extend(notable(results).map(|(row, seed, check)| Block::Item {
        text: format!(
            "{} {}, {}, seed {}: {}",
            outline::status(check.status),
            check.id,
            row.topology.name(),
            seed.seed,
            check.sentence
        ),
        hang: 7,
    }));
    write(&document(results, blocks), &TERMINAL)
}

fn document(results: &Results, blocks: Vec<Block>) -> Document {
    let notice = |text: &str, loud| Notice {
        text: text.to_owned(),
        loud,
    };
    let quick = results.quick.then(|| notice(outline::QUICK, true));
    let warnings = results.warnings.iter().map(|text| notice(text, false));
    Document {
        title: outline::TITLE.to_owned(),
        subtitle: outline::subtitle(results),
        notices: quick.into_iter().chain(warnings).collect(),
        blocks,
    }
}

fn why(claim: &Claim) -> Cell {
    let mut lines: Vec<Vec<Span>> = Vec::new();
    for reading in &claim.readings {
        let rows = if reading.with_controls {
            "With the controls"
        } else {
            "The paper's rows"
        };
        let (verdict, sentence) = (reading.verdict.as_str(), &reading.sentence);
        lines.push(vec![format!("{rows}: {verdict}. {sentence}").into()]);
        for test in &reading.tests {
            let statistic = test
                .statistic
                .map_or_else(|| MISSING.into(), |v| fixed(v, 3));
            let mut line = vec![format!("{}: {statistic}", test.hypothesis).into()];
            if let Some((low, high)) = test.low.zip(test.high) {
                line.extend([" ".into(), Span::Interval(fixed(low, 3), fixed(high, 3))]);
            }
            let p = test.p_adjusted;
            let p = p.map_or_else(String::new, |p| format!(", adjusted p = {p:.2e}"));
            let (unit, criterion, n) = (&test.unit, &test.criterion, test.n);
            line.push(format!(" {unit} ({criterion}, n = {n}{p})").into());
            lines.push(line);
        }
    }
    lines.extend(claim.honest.iter().map(|honest| vec![honest.into()]));
    Cell {
        lines,
        ..Cell::default()
    }
}

fn counts(results: &Results) -> String {
    let counts = outline::check_counts(results).map(|(status, n)| {
        let status = outline::status(status);
        format!("{n} {status}")
    });
    counts.join(", ")
}

/// Checks that warn or fail.
fn notable(
    results: &Results,
) -> impl Iterator<Item = (&TopologyResults, &SeedResults, &CheckResult)> {
    let seeds = results.topologies.iter();
    let seeds = seeds.flat_map(|row| row.seeds.iter().map(move |seed| (row, seed)));
    let checks = seeds.flat_map(|(row, seed)| seed.checks.iter().map(move |c| (row, seed, c)));
    checks.filter(|(.., check)| matches!(check.status, CheckStatus::Fail | CheckStatus::Warn))
}

fn checks(results: &Results) -> [Block; 3] {
    let heads = ["Network", "Seed", "Check", "Outcome", "What was seen"];
    let row = |(row, seed, check): (&TopologyResults, &SeedResults, &CheckResult)| {
        vec![
            row.topology.name().into(),
            seed.seed.to_string().into(),
            format!("{} {}", check.id, check.title).into(),
            outline::status(check.status).into(),
            (&check.sentence).into(),
        ]
    };
    [
        Block::Heading("Honesty checks".to_owned()),
        Block::Text(format!("{}. Those that warn or fail:", counts(results))),
        Block::Words {
            columns: heads.map(|head| (head.to_owned(), false)).into(),
            rows: notable(results).map(row).collect(),
        },
    ]
}

fn settings(results: &Results) -> [Block; 4] {
    let rows = results.configuration.iter().map(|setting| {
        let name = format!("{}: {}", setting.group, setting.name);
        vec![name.into(), (&setting.value).into()]
    });
    [
        Block::Heading("How this was made".to_owned()),
        Block::Text(format!("quaver {}:", results.version)),
        Block::Code(results.command.clone()),
        Block::Words {
            columns: ["Setting", "Value"]
                .map(|head| (head.to_owned(), false))
                .into(),
            rows: rows.collect(),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn values_stand_beside_the_papers_and_missing_ones_are_named() {
        let text = markdown(&fixture::results());
        assert!(text.contains("98.5 95.7–99.5 (paper 98.2)"), "{text}");
        assert!(text.contains("n/a (paper 38.2)") && !text.contains("NaN"));
        let text = terminal(&fixture::results());
        assert!(text.contains("98.5 95.7-99.5 (98.2)") && text.contains("n/a"));
        assert!(terminal(&fixture::two_seeds()).contains("98.0 ±0.5 (98.2)"));
    }

    #[test]
    fn the_brief_text_holds_the_papers_tables_and_is_shorter() {
        let results = fixture::results();
        let brief = brief(&results);
        assert!((1..=4).all(|number| brief.contains(&format!("Table {number}. "))));
        assert!(brief.len() < terminal(&results).len());
    }

    #[test]
    fn a_quick_run_says_so() {
        let mut results = fixture::results();
        assert!(
            [markdown, latex, terminal]
                .iter()
                .all(|of| of(&results).contains("Quick run"))
        );
        results.quick = false;
        assert!(
            ![markdown, latex, terminal]
                .iter()
                .any(|of| of(&results).contains("Quick run"))
        );
    }
}

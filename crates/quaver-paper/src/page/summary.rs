//! What a reader grasps in ten seconds.

use std::fmt::Write as _;

use crate::results::{CLEAN, Results, Verdict};

use super::{banner, checks, sign};
use crate::outline;
use crate::scenes::{AccuracyPanel, accuracy};
use quaver::report::svg::{self, escape};
use quaver::report::table::{Section, Table};

pub(super) fn section(results: &Results, tables: &[Table]) -> String {
    let mut out = format!(
        "<header>\n<p class=\"eyebrow\">Quaver reproduction</p>\n<h1>{}</h1>\n<p class=\"lead\">{}</p>\n{}",
        outline::TITLE,
        escape(&outline::subtitle(results)),
        banner(results)
    );
    verdicts(&mut out, results);
    if let Some(pills) = checks::pills(results) {
        let _ = writeln!(
            out,
            "<p><a href=\"#checks\">Honesty checks</a>: {pills}</p>"
        );
    }
    for warning in &results.warnings {
        let _ = writeln!(out, "<p class=\"warning\">{}</p>", escape(warning));
    }
    out.push_str("</header>\n");
    glance(&mut out, results, tables);
    out
}

fn verdicts(out: &mut String, results: &Results) {
    if results.claims.is_empty() {
        return;
    }
    out.push_str("<div class=\"tally\">\n");
    for (verdict, words) in [
        (Verdict::Supported, "supported"),
        (Verdict::NotSupported, "not supported"),
        (Verdict::Undecided, "undecided"),
    ] {
        let n = results
            .claims
            .iter()
            .filter(|claim| claim.verdict == verdict)
            .count();
        let (class, _) = sign(verdict);
        let _ = writeln!(
            out,
            "<div class=\"{class}\"><b>{n}</b><span>{words}</span></div>"
        );
    }
    let _ = write!(
        out,
        "</div>\n<p class=\"small\">of the paper's {} claims:</p>\n",
        results.claims.len()
    );
    out.push_str("<ul class=\"chips\">\n");
    for claim in &results.claims {
        let (class, sign) = sign(claim.verdict);
        let _ = writeln!(
            out,
            "<li><a class=\"{class}\" href=\"#claim-{0}\"><b>{sign}</b> <span>{0}. {1}</span></a></li>",
            escape(&claim.id),
            escape(&claim.title)
        );
    }
    out.push_str("</ul>\n");
}

/// The voted accuracy of every input as a picture.
fn glance(out: &mut String, results: &Results, tables: &[Table]) {
    let panels: Vec<(&Section, usize)> = tables
        .iter()
        .filter(|table| matches!(table.id, "table-1" | "table-2"))
        .filter_map(|table| {
            let column = table
                .columns
                .iter()
                .position(|column| column.id == "multi")?;
            Some(table.sections.iter().map(move |section| (section, column)))
        })
        .flatten()
        .collect();
    if panels.is_empty() {
        return;
    }
    out.push_str(
        "<section id=\"glance\">\n<h2>Accuracy at a glance</h2>\n\
         <p class=\"note\">Voted accuracy of every network. <span class=\"ours\">●</span> ours with its \
         interval, <span class=\"theirs\">◇</span> the paper's. The number after a name is its dropout; \
         gray names are controls that the paper does not have.</p>\n<div class=\"panels\">\n",
    );
    for (section, column) in panels {
        let class = if section.id == CLEAN {
            "clean"
        } else {
            "attacked"
        };
        let picture = svg::inline(&accuracy(AccuracyPanel {
            section,
            topologies: &results.topologies,
            column,
        }));
        let _ = write!(out, "<figure class=\"{class}\">\n{picture}</figure>\n");
    }
    out.push_str("</div>\n</section>\n");
}

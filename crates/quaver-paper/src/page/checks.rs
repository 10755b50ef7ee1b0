//! The honesty checks: a matrix at a glance, the sentences below.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::results::{CheckResult, CheckStatus, Results, SeedResults, TopologyResults};

use crate::outline;
use quaver::report::svg::escape;

pub(super) fn section(results: &Results) -> String {
    let columns = columns(results);
    if columns.is_empty() {
        return String::new();
    }
    let counts = pills(results).unwrap_or_default();
    let mut out = format!(
        "<section id=\"checks\">\n<h2>Honesty checks</h2>\n<p class=\"note\">Ways in which an evaluation \
         like this one fools itself, looked for in every network.</p>\n<p>{}</p>\n",
        counts
    );
    matrix(&mut out, results, &columns);
    for (id, title) in &columns {
        sentences(&mut out, results, id, title);
    }
    out.push_str("</section>\n");
    out
}

/// How many checks came out how; `None` where none was made.
pub(super) fn pills(results: &Results) -> Option<String> {
    let counts = outline::check_counts(results);
    let pill = |&(status, n): &(CheckStatus, usize)| {
        format!(
            "<span class=\"pill {}\">{n} {}</span>",
            class(status),
            outline::status(status)
        )
    };
    let made = counts.iter().filter(|(_, n)| *n > 0);
    let pills: Vec<_> = made.map(pill).collect();
    (!pills.is_empty()).then(|| pills.join(" "))
}

/// (id, title) of every check that any network has, in the order of their numbers.
fn columns(results: &Results) -> Vec<(String, String)> {
    let number = |id: &str| {
        id.trim_start_matches(|c: char| !c.is_ascii_digit())
            .parse::<u32>()
            .ok()
    };
    let all = networks(results).flat_map(|(_, seed)| &seed.checks);
    let columns: BTreeMap<_, _> = all
        .map(|check| ((number(&check.id), check.id.clone()), check.title.clone()))
        .collect();
    columns
        .into_iter()
        .map(|((_, id), title)| (id, title))
        .collect()
}

fn networks(results: &Results) -> impl Iterator<Item = (&TopologyResults, &SeedResults)> {
    results
        .topologies
        .iter()
        .flat_map(|row| row.seeds.iter().map(move |seed| (row, seed)))
}

fn find<'a>(seed: &'a SeedResults, id: &str) -> Option<&'a CheckResult> {
    seed.checks.iter().find(|check| check.id == id)
}

fn name(results: &Results, row: &TopologyResults, seed: &SeedResults) -> String {
    let name = escape(&row.topology.name());
    if results.seeds.len() > 1 {
        format!("{name}, seed {}", seed.seed)
    } else {
        name
    }
}

const fn class(status: CheckStatus) -> &'static str {
    match status {
        CheckStatus::Pass => "yes",
        CheckStatus::Warn => "open",
        CheckStatus::Fail => "no",
        CheckStatus::NotApplicable => "none",
    }
}

fn matrix(out: &mut String, results: &Results, columns: &[(String, String)]) {
    out.push_str("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Honesty checks\">\n<table class=\"matrix\">\n<thead><tr><th>Network</th>");
    for (id, title) in columns {
        let _ = write!(
            out,
            "<th title=\"{1}\"><a href=\"#check-{0}\">{0}</a></th>",
            escape(id),
            escape(title)
        );
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for (row, seed) in networks(results) {
        let _ = write!(
            out,
            "<tr><th scope=\"row\">{}</th>",
            name(results, row, seed)
        );
        for (id, _) in columns {
            match find(seed, id) {
                Some(check) => {
                    let _ = write!(
                        out,
                        "<td><span class=\"pill {}\" title=\"{}\">{}</span></td>",
                        class(check.status),
                        escape(&check.sentence),
                        outline::status(check.status)
                    );
                }
                None => out.push_str("<td></td>"),
            }
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
}

fn sentences(out: &mut String, results: &Results, id: &str, title: &str) {
    // Networks in which the same was seen share a line.
    let mut seen: Vec<(CheckStatus, &str, Vec<String>)> = Vec::new();
    for (row, seed) in networks(results) {
        let Some(check) = find(seed, id) else {
            continue;
        };
        let name = name(results, row, seed);
        match seen
            .iter_mut()
            .find(|(s, text, _)| *s == check.status && *text == check.sentence)
        {
            Some((.., names)) => names.push(name),
            None => seen.push((check.status, &check.sentence, vec![name])),
        }
    }
    let worst = seen
        .iter()
        .map(|(status, ..)| *status)
        .filter(|s| *s != CheckStatus::NotApplicable)
        .max();
    let worst = worst.unwrap_or(CheckStatus::NotApplicable);
    let _ = write!(
        out,
        "<details id=\"check-{}\">\n<summary><span class=\"pill {}\">{}</span> {} {}</summary>\n<ul>\n",
        escape(id),
        class(worst),
        outline::status(worst),
        escape(id),
        escape(title)
    );
    let n = networks(results).count();
    for (status, sentence, names) in seen {
        let names = if names.len() == n {
            "all networks".into()
        } else {
            names.join("; ")
        };
        let _ = writeln!(
            out,
            "<li><b>{}</b> {} <span class=\"small\">({names})</span></li>",
            outline::status(status),
            escape(sentence)
        );
    }
    out.push_str("</ul>\n</details>\n");
}

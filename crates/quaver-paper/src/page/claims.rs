//! One card a claim.

use std::fmt::Write as _;

use crate::results::{Claim, ClaimReading, ClaimTest, Results};

use super::pill;
use crate::outline;
use quaver::report::svg::escape;
use quaver::report::value::{MISSING, fixed};

pub(super) fn section(results: &Results) -> String {
    if results.claims.is_empty() {
        return String::new();
    }
    let mut out = String::from(
        "<section id=\"claims\">\n<h2>The paper's claims</h2>\n<div class=\"cards\">\n",
    );
    for claim in &results.claims {
        card(&mut out, claim);
    }
    out.push_str("</div>\n</section>\n");
    out
}

fn card(out: &mut String, claim: &Claim) {
    let _ = write!(
        out,
        "<article class=\"card {}\" id=\"claim-{}\">\n<h3><span class=\"letter\">{}</span> {}</h3>\n\
         <p>{} <span class=\"small\">{}</span></p>\n",
        super::sign(claim.verdict).0,
        escape(&claim.id),
        escape(&claim.id),
        escape(&claim.title),
        pill(claim.verdict),
        outline::scope(claim.scope)
    );
    for reading in &claim.readings {
        let _ = writeln!(
            out,
            "<p><b>{}:</b> {}. {}</p>",
            rows(reading),
            reading.verdict.as_str(),
            escape(&reading.sentence)
        );
    }
    if let Some(honest) = &claim.honest {
        let _ = writeln!(
            out,
            "<p class=\"honest\"><b>Honest reading:</b> {}</p>",
            escape(honest)
        );
    }
    let _ = writeln!(
        out,
        "<details>\n<summary>How it was tested</summary>\n<p>{}</p>",
        escape(&claim.hypothesis)
    );
    for reading in &claim.readings {
        tests(out, reading);
    }
    out.push_str("</details>\n</article>\n");
}

const fn rows(reading: &ClaimReading) -> &'static str {
    if reading.with_controls {
        "With the controls"
    } else {
        "The paper's rows"
    }
}

fn tests(out: &mut String, reading: &ClaimReading) {
    if reading.tests.is_empty() {
        return;
    }
    let _ = write!(
        out,
        "<div class=\"scroll\" tabindex=\"0\">\n<table>\n<thead><tr><th>{}</th><th>Statistic</th>\
         <th>95 % interval</th><th>Held against</th><th>p</th><th>p, Holm</th><th>n</th><th>Verdict</th></tr></thead>\n<tbody>\n",
        rows(reading)
    );
    for test in &reading.tests {
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td>{} {}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&test.hypothesis),
            test.statistic
                .map_or_else(|| MISSING.into(), |value| fixed(value, 3)),
            escape(&test.unit),
            interval(test),
            escape(&test.criterion),
            probability(test.p),
            probability(test.p_adjusted),
            test.n,
            test.verdict.as_str()
        );
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
}

fn interval(test: &ClaimTest) -> String {
    test.low.zip(test.high).map_or_else(
        || MISSING.into(),
        |(low, high)| format!("{} to {}", fixed(low, 3), fixed(high, 3)),
    )
}

fn probability(p: Option<f64>) -> String {
    match p {
        Some(p) if p.is_finite() && p < 0.001 => "&lt; 0.001".into(),
        Some(p) => fixed(p, 3),
        None => MISSING.into(),
    }
}

//! How the numbers were made, so that they can be made again.

use std::fmt::Write as _;

use crate::published;
use crate::results::Results;

use quaver::report::svg::escape;

pub(super) fn section(results: &Results) -> String {
    let mut out = format!(
        "<section id=\"making\">\n<h2>How this was made</h2>\n<p>With quaver {}, by this command; it makes \
         the same numbers again, to the last digit, on any number of threads:</p>\n<pre><code>{}</code></pre>\n",
        escape(&results.version),
        escape(&results.command)
    );
    attacks(&mut out, results);
    out.push_str("<h3>Settings in force</h3>\n<div class=\"settings\">\n");
    let mut group = None;
    for setting in &results.configuration {
        if group != Some(&setting.group) {
            if group.is_some() {
                out.push_str("</dl>\n");
            }
            let _ = writeln!(
                out,
                "<dl>\n<dt class=\"group\">{}</dt>",
                escape(&setting.group)
            );
            group = Some(&setting.group);
        }
        let _ = writeln!(
            out,
            "<div><dt>{}</dt><dd>{}</dd></div>",
            escape(&setting.name),
            escape(&setting.value)
        );
    }
    if group.is_some() {
        out.push_str("</dl>\n");
    }
    let _ = write!(
        out,
        "</div>\n<p class=\"small\">The paper's numbers: {}. Intervals of accuracies are Wilson's. Numbers of \
         single seeds are in tables.csv.</p>\n</section>\n",
        escape(&published::tables().source)
    );
    out
}

fn attacks(out: &mut String, results: &Results) {
    out.push_str("<h3>Attacks of the paper's tables</h3>\n<div class=\"scroll\" tabindex=\"0\">\n<table class=\"words\">\n<thead><tr><th>Attack</th><th>Parameters</th><th>Model's noise</th><th>Labels</th></tr></thead>\n<tbody>\n");
    for attack in &results.attacks {
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
            escape(&attack.title),
            escape(&attack.spec),
            escape(&attack.noise),
            escape(&attack.labels)
        );
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
}

//! HTML: a page that needs no network, no other file and no script, and tables in it.

use std::fmt::Write as _;

use super::svg::escape;
use super::table::{Row, Table};
use super::value::Value;

const STYLE: &str = include_str!("data/style.css");

/// A page of `body`, which is markup. It reads on a phone, on a wide screen, in the dark and in
/// print.
pub fn page(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\
         </main>\n</body>\n</html>\n",
        escape(title)
    )
}

/// Tables that everybody sees, as one section.
pub fn tables(tables: &[&Table]) -> String {
    let mut out = String::from("<section id=\"tables\">\n");
    for table in tables {
        let _ = write!(
            out,
            "<h2 id=\"{}\">{}</h2>\n<p class=\"note\">{}</p>\n",
            table.id,
            escape(&table.heading()),
            escape(&table.note)
        );
        body(&mut out, table);
    }
    out.push_str("</section>\n");
    out
}

/// Tables for those who look deeper, as one section in which each is folded.
pub fn folded(tables: &[&Table]) -> String {
    if tables.is_empty() {
        return String::new();
    }
    let mut out = String::from("<section id=\"more\">\n<h2>More numbers</h2>\n");
    for table in tables {
        let _ = write!(
            out,
            "<details id=\"{}\">\n<summary>{}</summary>\n<p class=\"note\">{}</p>\n",
            table.id,
            escape(&table.heading()),
            escape(&table.note)
        );
        body(&mut out, table);
        out.push_str("</details>\n");
    }
    out.push_str("</section>\n");
    out
}

fn body(out: &mut String, table: &Table) {
    let _ = write!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">\n<table>\n<thead><tr><th>Network</th>",
        escape(&table.heading())
    );
    let paper: Vec<bool> = (0..table.columns.len())
        .map(|index| table.has_reference(index))
        .collect();
    for (column, &paper) in table.columns.iter().zip(&paper) {
        let title = escape(&column.title).replace("n = ", "n\u{a0}=\u{a0}");
        let _ = write!(out, "<th>{title}</th>");
        if paper {
            out.push_str("<th class=\"paper\">Paper</th>");
        }
    }
    let width = paper.len() + paper.iter().filter(|&&paper| paper).count();
    out.push_str("</tr></thead>\n");
    for section in &table.sections {
        out.push_str("<tbody>\n");
        if !section.title.is_empty() {
            let _ = writeln!(
                out,
                "<tr class=\"part\"><th scope=\"rowgroup\">{}</th><td colspan=\"{}\"></td></tr>",
                escape(&section.title),
                width
            );
        }
        for row in &section.rows {
            line(out, row, &paper);
        }
        out.push_str("</tbody>\n");
    }
    out.push_str("</table>\n</div>\n");
}

fn line(out: &mut String, row: &Row, paper: &[bool]) {
    let class = if row.control {
        " class=\"control\""
    } else {
        ""
    };
    let _ = write!(
        out,
        "<tr{class}><th scope=\"row\">{} <small>{}</small></th>",
        escape(&row.title),
        escape(&row.detail)
    );
    for (cell, &paper) in row.cells.iter().zip(paper) {
        out.push_str(&number(cell));
        if paper {
            let text = cell.reference_text().unwrap_or_default();
            let _ = write!(out, "<td class=\"paper\">{text}</td>");
        }
    }
    out.push_str("</tr>\n");
}

fn number(value: &Value) -> String {
    let title = value
        .n
        .map_or_else(String::new, |n| format!(" title=\"n = {n}\""));
    let mut text = format!("<td{title}><b>{}</b>", value.main());
    if let Some(doubt) = value.doubt_text("–", "± ") {
        let _ = write!(text, "<small>{doubt}</small>");
    }
    text + "</td>"
}

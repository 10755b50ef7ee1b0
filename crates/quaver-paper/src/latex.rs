//! LaTeX: a document of its own that compiles; each table can be copied out of it.

use std::fmt::Write as _;

use crate::results::Results;

use crate::outline;
use crate::tables::shown;
use quaver::report::RenderError;
use quaver::report::table::{Column, Table};
use quaver::report::value::{MISSING, Value};

/// Columns of numbers that fit beside each other on the page.
const COLUMNS_A_TABLE: usize = 5;

/// The document.
///
/// # Errors
/// None.
pub(crate) fn render(results: &Results) -> Result<Option<Vec<u8>>, RenderError> {
    let mut out = String::from(
        "% Needs booktabs and graphicx.\n\\documentclass{article}\n\
         \\usepackage[T1]{fontenc}\n\\usepackage[utf8]{inputenc}\n\
         \\usepackage{booktabs}\n\\usepackage{graphicx}\n\
         \\usepackage[a4paper,margin=2cm]{geometry}\n\\begin{document}\n",
    );
    let _ = writeln!(out, "\\noindent\\textbf{{{}}}\\\\", escape(outline::TITLE));
    let _ = write!(out, "{}.", escape(&outline::subtitle(results)));
    if results.quick {
        let _ = write!(out, "\\\\\n\\textbf{{{}}}", escape(outline::QUICK));
    }
    for warning in &results.warnings {
        let _ = write!(out, "\\\\\n{}", escape(warning));
    }
    out.push_str("\n\n");
    claims(&mut out, results);
    for table in shown(results) {
        out.push_str(&table_text(&table));
    }
    out.push_str("\\end{document}\n");
    Ok(Some(out.into_bytes()))
}

fn claims(out: &mut String, results: &Results) {
    if results.claims.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "\\noindent The paper's claims: {}.\n\n\\medskip\\noindent",
        escape(&outline::verdicts(results))
    );
    out.push_str(
        "\\begin{tabular}{@{}lp{11cm}l@{}}\n\\toprule\n & Claim & Verdict \\\\\n\\midrule\n",
    );
    for claim in &results.claims {
        let _ = writeln!(
            out,
            "{} & {} & {} \\\\",
            escape(&claim.id),
            escape(&claim.title),
            claim.verdict.as_str()
        );
    }
    out.push_str("\\bottomrule\n\\end{tabular}\n\n");
}

/// One `table` environment; wide tables are continued in further ones.
pub(crate) fn table_text(table: &Table) -> String {
    let mut out = String::new();
    let columns: Vec<usize> = (0..table.columns.len()).collect();
    for (part, columns) in columns.chunks(COLUMNS_A_TABLE).enumerate() {
        let continued = if part == 0 { "" } else { " (continued)" };
        out.push_str("\\begin{table}[htbp]\n\\centering\\small\n");
        // The paper's tables keep their numbers, whatever stands before them.
        if let (0, Some(number)) = (part, table.number) {
            let _ = writeln!(out, "\\setcounter{{table}}{{{}}}", number.saturating_sub(1));
        }
        let note = if part == 0 {
            escape(&table.note)
        } else {
            String::new()
        };
        let _ = writeln!(
            out,
            "\\caption{{{}{continued}. {note}}}",
            escape(&table.title)
        );
        let _ = writeln!(out, "\\label{{tab:{}-{part}}}", table.id);
        out.push_str("\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%\n");
        body(&mut out, table, columns);
        out.push_str("}\n\\end{table}\n\n");
    }
    out
}

fn body(out: &mut String, table: &Table, columns: &[usize]) {
    let parts: Vec<Parts> = columns
        .iter()
        .map(|&index| Parts::new(table, index))
        .collect();
    let width: usize = parts.iter().map(Parts::count).sum();
    let _ = writeln!(
        out,
        "\\begin{{tabular}}{{@{{}}l{}@{{}}}}\n\\toprule",
        "r".repeat(width)
    );
    for part in &parts {
        let _ = write!(out, " & {}", part.heading(&table.columns[part.index]));
    }
    out.push_str(" \\\\\n");
    for section in &table.sections {
        out.push_str("\\midrule\n");
        if !section.title.is_empty() {
            let span = width + 1;
            let title = escape(&section.title);
            let _ = writeln!(
                out,
                "\\multicolumn{{{span}}}{{@{{}}l}}{{\\emph{{{title}}}}} \\\\"
            );
        }
        for row in &section.rows {
            out.push_str(&escape(&row.name()));
            for part in &parts {
                out.push_str(&part.cell(&row.cells[part.index]));
            }
            out.push_str(" \\\\\n");
        }
    }
    out.push_str("\\bottomrule\n\\end{tabular}");
}

/// What a column of numbers is split into.
struct Parts {
    index: usize,
    doubt: bool,
    paper: bool,
}

impl Parts {
    fn new(table: &Table, index: usize) -> Self {
        Self {
            index,
            doubt: table.has_doubt(index),
            paper: table.has_reference(index),
        }
    }

    fn count(&self) -> usize {
        1 + usize::from(self.doubt) + usize::from(self.paper)
    }

    fn heading(&self, column: &Column) -> String {
        let title = escape(&column.title);
        let own = self.count() - usize::from(self.paper);
        let paper = if self.paper { " & paper" } else { "" };
        format!("\\multicolumn{{{own}}}{{r}}{{{title}}}{paper}")
    }

    fn cell(&self, value: &Value) -> String {
        let mut text = format!(" & {}", math(&value.main()));
        if self.doubt {
            let doubt = value.doubt_text("--", "$\\pm$").unwrap_or_default();
            let _ = write!(text, " & {doubt}");
        }
        if self.paper {
            let paper = value
                .reference_text()
                .map_or_else(String::new, |paper| math(&paper));
            let _ = write!(text, " & {paper}");
        }
        text
    }
}

/// `9.3e-4` as a product, other numbers as they are.
fn math(number: &str) -> String {
    match number.split_once('e') {
        Some((mantissa, exponent)) if number != MISSING => {
            format!("${mantissa}\\cdot10^{{{exponent}}}$")
        }
        _ => number.into(),
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                out.push('\\');
                out.push(c);
            }
            '\\' => out.push_str("\\textbackslash{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '<' => out.push_str("\\textless{}"),
            '>' => out.push_str("\\textgreater{}"),
            '"' => {
                out.push_str(if quoted { "''" } else { "``" });
                quoted = !quoted;
            }
            '±' => out.push_str("$\\pm$"),
            '−' => out.push_str("$-$"),
            '×' => out.push_str("$\\times$"),
            '–' => out.push_str("--"),
            '\n' | '\r' => out.push(' '),
            c if c.is_ascii() || c.is_alphabetic() => out.push(c),
            _ => out.push('?'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn text() -> String {
        String::from_utf8(render(&fixture::results()).unwrap().unwrap()).unwrap()
    }

    #[test]
    fn environments_and_braces_are_balanced() {
        let text = text();
        for name in ["document", "table", "tabular"] {
            let count = |word: &str| text.matches(&format!("\\{word}{{{name}}}")).count();
            assert_eq!(count("begin"), count("end"), "{name}");
        }
        let plain = text.replace("\\{", "").replace("\\}", "");
        assert_eq!(plain.matches('{').count(), plain.matches('}').count());
    }

    #[test]
    fn every_row_of_a_table_has_as_many_columns_as_declared() {
        let text = text();
        for table in text
            .split("\\begin{tabular}{@{}l")
            .skip(1)
            .filter(|t| !t.starts_with('p'))
        {
            let declared = table.chars().take_while(|&c| c == 'r').count();
            let rows = table.split("\\midrule\n").skip(1).flat_map(str::lines);
            for row in rows
                .take_while(|row| *row != "\\bottomrule")
                .filter(|row| row.contains(" & "))
            {
                assert_eq!(
                    row.replace("\\&", "").matches('&').count(),
                    declared,
                    "{row}"
                );
            }
        }
    }

    #[test]
    fn markup_in_text_is_escaped() {
        assert_eq!(
            escape("50 % of a_b <c>"),
            "50 \\% of a\\_b \\textless{}c\\textgreater{}"
        );
        assert_eq!(
            escape("the \"noise off\" column"),
            "the ``noise off'' column"
        );
        assert_eq!(math("9.3e-4"), "$9.3\\cdot10^{-4}$");
        assert_eq!(math("n/a"), "n/a");
    }
}

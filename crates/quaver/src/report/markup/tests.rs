//! What every flavor must give, and must not.

use super::*;
use crate::report::example;

fn document() -> Document {
    let words = |text: &str| Cell::from(text);
    let long = "word ".repeat(60);
    Document {
        title: "Title".into(),
        subtitle: "a_b".into(),
        notices: vec![
            Notice {
                text: "Loud".into(),
                loud: true,
            },
            Notice {
                text: long.trim_end().into(),
                loud: false,
            },
        ],
        blocks: vec![
            Block::Heading("Words".into()),
            Block::Text("50 % of \"a|b\"".into()),
            Block::Code("quaver list | less".into()),
            Block::Item {
                text: "an entry".into(),
                hang: 4,
            },
            Block::Words {
                columns: vec![("".into(), false), ("What".into(), true)],
                rows: vec![vec![
                    words("x & y"),
                    Cell {
                        strong: "yes".into(),
                        lines: vec![
                            vec!["one".into()],
                            vec!["a_".into(), Span::Interval("1".into(), "2".into())],
                        ],
                    },
                ]],
            },
            Block::Numbers(example::table()),
        ],
    }
}

#[test]
fn markdown_rows_have_as_many_cells_as_their_heads() {
    let text = write(&document(), &MARKDOWN);
    let mut expected = None;
    for line in text.lines().filter(|line| !line.starts_with("    ")) {
        let cells = line.replace("\\|", "").matches('|').count();
        if cells == 0 {
            expected = None;
        } else {
            assert_eq!(*expected.get_or_insert(cells), cells, "{line}");
        }
    }
    let row = "| a\\_b, 50 % | 95.0 91.0–97.3 (paper 98.2) | n/a |";
    assert!(text.lines().any(|line| line == row), "{text}");
    assert!(
        text.contains("| x &amp; y | **yes** one<br>a\\_[1, 2] |"),
        "{text}"
    );
    assert!(text.contains("n/a (paper 38.2)") && !text.contains("NaN"));
}

#[test]
fn latex_is_balanced_and_rows_have_as_many_cells_as_declared() {
    let text = write(&document(), &LATEX);
    for name in ["document", "table", "tabular", "verbatim"] {
        let count = |word: &str| text.matches(&format!("\\{word}{{{name}}}")).count();
        assert_eq!(count("begin"), count("end"), "{name}");
    }
    let plain = text.replace("\\{", "").replace("\\}", "");
    assert_eq!(plain.matches('{').count(), plain.matches('}').count());
    for table in text.split("\\begin{tabular}{@{}lr").skip(1) {
        let declared = 1 + table.chars().take_while(|&c| c == 'r').count();
        let rows = table.split("\\midrule\n").skip(1).flat_map(str::lines);
        let rows = rows.take_while(|row| *row != "\\bottomrule");
        for row in rows.filter(|row| row.contains(" & ")) {
            let cells = row.replace("\\&", "").matches('&').count();
            assert_eq!(cells, declared, "{row}");
        }
    }
}

#[test]
fn terminal_lines_fit_and_do_not_end_in_blanks() {
    let text = write(&document(), &TERMINAL);
    let width = TERMINAL.width.unwrap();
    for line in text.lines() {
        assert!(
            line.chars().count() <= width && line == line.trim_end(),
            "{line}"
        );
    }
    assert!(
        text.contains("\n!! Loud\n!  word") && text.contains("\n   word"),
        "{text}"
    );
    assert!(text.contains("95.0 91.0-97.3 (98.2)"), "{text}");
}

#[test]
fn markup_in_text_is_escaped() {
    for (flavor, text, expected) in [
        (&MARKDOWN, "a|b <i>*x*\n", "a\\|b &lt;i>\\*x\\* "),
        (
            &LATEX,
            "50 % of a_b <c>",
            "50 \\% of a\\_b \\textless{}c\\textgreater{}",
        ),
        (
            &LATEX,
            "the \"noise off\" column",
            "the ``noise off'' column",
        ),
        (&LATEX, "→", "?"),
        (&TERMINAL, "\"a|b\" → <c>", "\"a|b\" → <c>"),
    ] {
        assert_eq!(flavor.escape(text), expected);
    }
}

#[test]
fn names_in_a_template_are_filled_once() {
    let texts = [("a", "‹b›"), ("b", "no")];
    assert_eq!(fill("{‹a›} ‹c›.", &texts), "{‹b›} .");
    assert_eq!(fill("plain", &texts), "plain");
}

//! Tables of numbers: as many columns beside each other as a [`Flavor`] allows.

use super::super::table::{Row, Table};
use super::super::value::{MISSING, Value};
use super::fill;
use super::flavor::Flavor;

/// `table` with its heading and note.
pub(super) fn write(flavor: &Flavor, out: &mut String, table: &Table) {
    let style = &flavor.numbers;
    if style.headed {
        flavor.paragraph(out, &flavor.heading, &table.heading());
        flavor.paragraph(out, &flavor.text, &table.note);
    }
    let names = table.rows().map(|row| width(&flavor.escape(&row.name())));
    let limit = flavor.width.map_or(usize::MAX, |width| width / 3);
    let name = names.max().unwrap_or(0).min(limit);
    let writer = Writer {
        flavor,
        table,
        name,
    };
    let indices = 0..table.columns.len();
    let columns: Vec<ColumnText> = indices.map(|index| writer.column(index)).collect();
    let mut rest = columns.as_slice();
    let mut part = 0;
    while !rest.is_empty() {
        let mut total = name;
        let fits = |column: &&ColumnText| {
            total += width(flavor.row[1]) + column.width;
            flavor.width.is_none_or(|width| total <= width)
        };
        let n = rest.iter().take(style.columns).take_while(fits).count();
        let (group, further) = rest.split_at(n.max(1));
        writer.group(out, group, part);
        rest = further;
        part += 1;
    }
}

/// A column, and how wide its parts are where they are aligned.
struct ColumnText {
    index: usize,
    /// The number, its doubt and the reference's number: `None` where no row has it.
    parts: [Option<usize>; 3],
    width: usize,
}

impl ColumnText {
    /// Cells of a line of the table.
    fn span(&self) -> usize {
        self.parts.iter().flatten().count()
    }
}

struct Writer<'a> {
    flavor: &'a Flavor,
    table: &'a Table,
    /// Characters of the longest name.
    name: usize,
}

impl Writer<'_> {
    fn column(&self, index: usize) -> ColumnText {
        let widest = |part: usize| {
            let texts = self.table.cells(index).map(|value| self.parts(value));
            let widths = texts.filter_map(|parts| Some(width(parts[part].as_ref()?)));
            widths.max()
        };
        let mut parts = [Some(widest(0).unwrap_or(0)), widest(1), widest(2)];
        let between = width(self.flavor.numbers.between);
        let inner = parts
            .iter()
            .flatten()
            .map(|part| part + between)
            .sum::<usize>()
            - between;
        let width = inner.max(width(&self.table.columns[index].title));
        parts[0] = parts[0].map(|value| value + width - inner);
        ColumnText {
            index,
            parts,
            width,
        }
    }

    /// The number, its doubt and the reference's number as they are written.
    fn parts(&self, value: &Value) -> [Option<String>; 3] {
        let style = &self.flavor.numbers;
        let (dash, plus_minus) = style.doubt;
        let reference = value.reference_text().map(|number| {
            let texts = [
                ("reference", self.table.reference),
                ("number", &self.number(&number)),
            ];
            fill(style.reference, &texts)
        });
        let doubt = value.doubt_text(dash, plus_minus);
        [Some(self.number(&value.main())), doubt, reference]
    }

    /// `9.3e-4` as a product where the flavor has one, other numbers as they are.
    fn number(&self, number: &str) -> String {
        match (number.split_once('e'), self.flavor.numbers.power) {
            (Some((mantissa, exponent)), Some(power)) if number != MISSING => {
                fill(power, &[("mantissa", mantissa), ("exponent", exponent)])
            }
            _ => number.to_owned(),
        }
    }

    fn group(&self, out: &mut String, columns: &[ColumnText], part: usize) {
        let (style, table) = (&self.flavor.numbers, self.table);
        let cells: usize = match style.keeps_places {
            true => columns.iter().map(ColumnText::span).sum(),
            false => columns.len(),
        };
        let rule = style.rule.repeat(cells);
        let first = |text: String| if part == 0 { text } else { String::new() };
        let counter = table.number.map_or_else(String::new, |number| {
            let before = number.saturating_sub(1).to_string();
            first(fill(style.counter, &[("before", &before)]))
        });
        let texts = [
            ("counter", counter),
            ("title", self.flavor.escape(&table.title)),
            (
                "continued",
                if part == 0 { "" } else { " (continued)" }.to_owned(),
            ),
            ("note", first(self.flavor.escape(&table.note))),
            ("id", table.id.to_owned()),
            ("part", part.to_string()),
            ("rule", rule.clone()),
        ];
        out.push_str(&fill(
            style.opening,
            &texts.each_ref().map(|(n, t)| (*n, &**t)),
        ));
        if style.section_title.is_some() {
            self.heads(out, columns, "", &rule);
        }
        for section in &table.sections {
            out.push_str(style.section);
            let title = self.flavor.escape(&section.title);
            match style.section_title {
                None => self.heads(out, columns, &title, &rule),
                Some(_) if title.is_empty() => {}
                Some(template) => {
                    let span = (cells + 1).to_string();
                    out.push_str(&fill(template, &[("title", &title), ("span", &span)]));
                }
            }
            for row in &section.rows {
                self.row(out, columns, row);
            }
        }
        out.push_str(style.closing);
    }

    fn heads(&self, out: &mut String, columns: &[ColumnText], corner: &str, rule: &str) {
        let style = &self.flavor.numbers;
        let head = |column: &ColumnText| {
            let title = self.flavor.escape(&self.table.columns[column.index].title);
            let reference = column.parts[2].filter(|_| !style.reference_head.is_empty());
            let span = (column.span() - usize::from(reference.is_some())).to_string();
            let head = fill(style.head, &[("title", &title), ("span", &span)]);
            let behind = fill(style.reference_head, &[("reference", self.table.reference)]);
            let behind = reference.map_or("", |_| &behind);
            self.right(&format!("{head}{behind}"), column.width)
        };
        let mut cells = vec![self.left(corner)];
        cells.extend(columns.iter().map(head));
        let row = self.flavor.row(&cells);
        let line = "-".repeat(width(row.trim_end()));
        out.push_str(&row);
        out.push_str(&fill(style.below, &[("rule", rule), ("line", &line)]));
    }

    fn row(&self, out: &mut String, columns: &[ColumnText], row: &Row) {
        let style = &self.flavor.numbers;
        let cell = |column: &ColumnText| {
            let texts = self.parts(&row.cells[column.index]).into_iter();
            let pairs = texts.zip(column.parts).filter_map(|(text, width)| {
                let text = if style.keeps_places {
                    text.unwrap_or_default()
                } else {
                    text?
                };
                Some(self.right(&text, width?))
            });
            pairs.collect::<Vec<_>>().join(style.between)
        };
        let mut cells = vec![self.left(&self.flavor.escape(&row.name()))];
        cells.extend(columns.iter().map(cell));
        out.push_str(&self.flavor.row(&cells));
    }

    /// A name, as wide as all names where columns are aligned.
    fn left(&self, text: &str) -> String {
        match self.flavor.width {
            Some(_) => {
                let text: String = text.chars().take(self.name).collect();
                format!("{text:<0$}", self.name)
            }
            None => text.to_owned(),
        }
    }

    /// `text` at the right end of `width` characters where columns are aligned.
    fn right(&self, text: &str, width: usize) -> String {
        match self.flavor.width {
            Some(_) => format!("{text:>width$}"),
            None => text.to_owned(),
        }
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

//! Documents of text and tables, in the markup of a [`Flavor`].

mod flavor;
mod numbers;

pub use flavor::{Flavor, LATEX, MARKDOWN, TERMINAL};

use super::table::Table;
use flavor::Style;

/// A document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// Its title.
    pub title: String,
    /// What it is about in one line, without a full stop.
    pub subtitle: String,
    /// What a reader must know first.
    pub notices: Vec<Notice>,
    /// What follows.
    pub blocks: Vec<Block>,
}

/// Something a reader must know.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// What.
    pub text: String,
    /// Whether it must not be overlooked.
    pub loud: bool,
}

/// A piece of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// What the next pieces are about.
    Heading(String),
    /// A paragraph.
    Text(String),
    /// A line as it would be typed.
    Code(String),
    /// An entry of a list; where lines are limited, further ones begin after `hang` blanks.
    Item {
        /// What it says.
        text: String,
        /// Blanks.
        hang: usize,
    },
    /// Rows of words.
    Words {
        /// Heads of the columns, and whether they are wide.
        columns: Vec<(String, bool)>,
        /// One cell a column.
        rows: Vec<Vec<Cell>>,
    },
    /// A table of numbers.
    Numbers(Table),
}

/// Some words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Words that catch the eye, before the others; may be empty.
    pub strong: String,
    /// The others, line by line.
    pub lines: Vec<Vec<Span>>,
}

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Span {
    /// Words.
    Text(String),
    /// Two numbers as an interval; numbers are no markup.
    Interval(String, String),
}

impl<T: Into<String>> From<T> for Span {
    fn from(text: T) -> Self {
        Self::Text(text.into())
    }
}

impl<T: Into<Span>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self {
            strong: String::new(),
            lines: vec![vec![text.into()]],
        }
    }
}

/// `document` in the markup of `flavor`.
pub fn write(document: &Document, flavor: &Flavor) -> String {
    let mut out = flavor.document.0.to_owned();
    flavor.paragraph(&mut out, &flavor.title, &document.title);
    flavor.paragraph(&mut out, &flavor.subtitle, &document.subtitle);
    for notice in &document.notices {
        let style = if notice.loud {
            &flavor.loud
        } else {
            &flavor.notice
        };
        flavor.paragraph(&mut out, style, &notice.text);
    }
    out.push_str(flavor.body);
    for block in &document.blocks {
        flavor.block(&mut out, block);
    }
    out.push_str(flavor.document.1);
    out
}

impl Flavor {
    fn block(&self, out: &mut String, block: &Block) {
        match block {
            Block::Heading(text) => self.paragraph(out, &self.heading, text),
            Block::Text(text) => self.paragraph(out, &self.text, text),
            Block::Code(line) => {
                let Style {
                    above,
                    before,
                    after,
                    ..
                } = self.code;
                out.extend([above, before, line, after]);
            }
            Block::Item { text, hang } => {
                let blanks = " ".repeat(*hang);
                let style = &self.item;
                out.push_str(style.above);
                self.wrap(out, &self.escape(text), style.before, &blanks);
                out.push_str(style.after);
            }
            Block::Words { columns, rows } => self.words(out, columns, rows),
            Block::Numbers(table) => numbers::write(self, out, table),
        }
    }

    fn paragraph(&self, out: &mut String, style: &Style, text: &str) {
        out.push_str(style.above);
        self.wrap(out, &self.escape(text), style.before, style.hang);
        out.push_str(style.after);
    }

    /// `text` in lines of at most [`Flavor::width`], the first after `before`, others after `hang`.
    fn wrap(&self, out: &mut String, text: &str, before: &str, hang: &str) {
        let Some(width) = self.width else {
            out.extend([before, text]);
            return;
        };
        let mut line = before.to_owned();
        let mut empty = true;
        for word in text.split(' ') {
            if !empty && line.chars().count() + 1 + word.chars().count() > width {
                out.extend([line.trim_end(), "\n"]);
                hang.clone_into(&mut line);
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        out.push_str(line.trim_end());
    }

    fn words(&self, out: &mut String, columns: &[(String, bool)], rows: &[Vec<Cell>]) {
        let words = &self.words;
        let rules = columns
            .iter()
            .map(|(_, wide)| words.rule[usize::from(*wide)]);
        let rule: String = rules.collect();
        out.push_str(&fill(words.opening, &[("rule", &rule)]));
        let heads: Vec<String> = columns.iter().map(|(head, _)| self.escape(head)).collect();
        let head = self.row(&heads);
        // An empty corner takes no room.
        out.push_str(&head.replacen("|  |", "| |", 1));
        out.push_str(&fill(words.below, &[("rule", &rule)]));
        for row in rows {
            let cells: Vec<String> = row.iter().map(|cell| self.cell(cell)).collect();
            out.push_str(&self.row(&cells));
        }
        out.push_str(words.closing);
    }

    fn cell(&self, cell: &Cell) -> String {
        let span = |span: &Span| match span {
            Span::Text(text) => self.escape(text),
            Span::Interval(low, high) => format!("[{low}, {high}]"),
        };
        let line = |spans: &Vec<Span>| spans.iter().map(span).collect::<String>();
        let lines: Vec<String> = cell.lines.iter().map(line).collect();
        let lines = lines.join(self.line_break);
        let (before, after) = self.strong;
        match (cell.strong.is_empty(), lines.is_empty()) {
            (true, _) => lines,
            (false, true) => format!("{before}{}{after}", self.escape(&cell.strong)),
            (false, false) => format!("{before}{}{after} {lines}", self.escape(&cell.strong)),
        }
    }

    /// A line of cells, with its line feed.
    fn row(&self, cells: &[String]) -> String {
        let [before, between, after] = self.row;
        let line = format!("{before}{}{after}", cells.join(between));
        format!("{}\n", line.trim_end())
    }

    /// Keeps text from being read as markup.
    fn escape(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut quoted = false;
        for c in text.chars() {
            match self.escapes.iter().find(|(special, _)| *special == c) {
                Some((_, written)) => out.push_str(written),
                None if c == '"' => {
                    let (opening, closing) = self.quotes;
                    out.push_str(if quoted { closing } else { opening });
                    quoted = !quoted;
                }
                None if self.is_ascii && !c.is_ascii() && !c.is_alphabetic() => out.push('?'),
                None => out.push(c),
            }
        }
        out
    }
}

/// `template` with the texts of its names in ‹›.
fn fill(template: &str, texts: &[(&str, &str)]) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, (name, after))) = rest
        .split_once('‹')
        .and_then(|(before, rest)| Some((before, rest.split_once('›')?)))
    {
        let text = texts.iter().find(|(known, _)| *known == name);
        out.extend([before, text.map_or("", |(_, text)| text)]);
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests;

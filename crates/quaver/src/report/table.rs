//! The tables as every renderer sees them: sections of rows, one row a topology.

mod accuracy;
mod attack;
mod detection;
mod honest;
mod measure;
mod network;
mod pick;
mod uncertainty;

use crate::paper::results::{Results, Topology};

use super::value::Value;
pub use pick::View;

/// A table.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Its id, unique, as `table-1`.
    pub id: &'static str,
    /// Its number in the paper; `None` where the paper has no such table.
    pub number: Option<u32>,
    /// Its title.
    pub title: String,
    /// What a reader needs to know to read it.
    pub note: String,
    /// Whether it belongs to what a first look should show.
    pub main: bool,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows in sections.
    pub sections: Vec<Section>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its id, unique within the table, as `single`.
    pub id: String,
    /// Its heading.
    pub title: String,
    /// Whether people need not see it while it is empty.
    pub optional: bool,
}

/// Rows that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// Its id, as `fgsm`; empty where a table has but one.
    pub id: String,
    /// Its heading; empty where a table has but one.
    pub title: String,
    /// One row a topology.
    pub rows: Vec<Row>,
}

/// A row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Whose numbers these are.
    pub topology: Topology,
    /// One value a column.
    pub cells: Vec<Value>,
}

impl Table {
    /// Number and title.
    pub fn heading(&self) -> String {
        match self.number {
            Some(number) => format!("Table {number}. {}", self.title),
            None => self.title.clone(),
        }
    }

    /// Whether any row has a number of the paper in column `index`.
    pub fn has_paper(&self, index: usize) -> bool {
        self.cells(index).any(|cell| cell.paper.is_some())
    }

    /// Whether any row states how sure it is in column `index`.
    pub fn has_doubt(&self, index: usize) -> bool {
        self.cells(index)
            .any(|cell| cell.doubt_text("", "").is_some())
    }

    fn cells(&self, index: usize) -> impl Iterator<Item = &Value> {
        self.sections
            .iter()
            .flat_map(|section| &section.rows)
            .filter_map(move |row| row.cells.get(index))
    }

    /// Without the optional columns in which neither we nor the paper have a number.
    fn without_empty_columns(mut self) -> Self {
        let full: Vec<bool> = (0..self.columns.len())
            .map(|index| {
                !self.columns[index].optional
                    || self.has_paper(index)
                    || self.cells(index).any(|cell| cell.value.is_some())
            })
            .collect();
        let mut keep = full.iter();
        self.columns.retain(|_| *keep.next().unwrap_or(&true));
        for row in self
            .sections
            .iter_mut()
            .flat_map(|section| &mut section.rows)
        {
            let mut keep = full.iter();
            row.cells.retain(|_| *keep.next().unwrap_or(&true));
        }
        self
    }

    fn has_numbers(&self) -> bool {
        (0..self.columns.len()).any(|index| self.cells(index).any(|cell| cell.value.is_some()))
    }
}

/// The tables as people first see them: over seeds where there are several, and without
/// empty columns.
pub fn shown(results: &Results) -> Vec<Table> {
    let tables = tables(results, View::first(results));
    tables
        .into_iter()
        .map(Table::without_empty_columns)
        .collect()
}

/// All tables of `results` as seen in `view`, those without a single number left out.
pub fn tables(results: &Results, view: View) -> Vec<Table> {
    let all = [
        accuracy::clean_and_first(results, view),
        accuracy::others(results, view),
        uncertainty::clean_and_first(results, view),
        uncertainty::others(results, view),
        detection::all(results, view),
        detection::successful(results, view),
        honest::table(results, view),
        network::table(results, view),
        attack::table(results, view),
        measure::table(results, view),
    ];
    let named = |table: Table| Table {
        title: format!("{} ({} on {})", table.title, results.arch, results.dataset),
        ..table
    };
    let measured = all.into_iter().filter(Table::has_numbers);
    measured.map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn the_papers_tables_come_first_and_keep_their_numbers() {
        let numbers: Vec<_> = shown(&fixture::results())
            .iter()
            .map(|table| table.number)
            .collect();
        assert_eq!(numbers[..4], [Some(1), Some(2), Some(3), Some(4)]);
        assert!(numbers[4..].iter().all(Option::is_none));
    }

    #[test]
    fn empty_columns_are_for_programs_only() {
        let results = fixture::results();
        let detector =
            |tables: Vec<Table>| tables.into_iter().find(|t| t.id == "detector").unwrap();
        let ids = |table: &Table| {
            table
                .columns
                .iter()
                .map(|c| c.id.clone())
                .collect::<Vec<_>>()
        };
        let (all, shown) = (
            detector(tables(&results, View::Seed(0))),
            detector(shown(&results)),
        );
        assert!(ids(&all).contains(&"tpr_at_1".into()));
        assert!(!ids(&shown).contains(&"tpr_at_1".into()));
        let n = shown.columns.len();
        assert!(
            shown
                .sections
                .iter()
                .flat_map(|s| &s.rows)
                .all(|row| row.cells.len() == n)
        );
    }

    #[test]
    fn an_attack_that_was_asked_for_keeps_its_empty_column() {
        let tables = shown(&fixture::results());
        let honest = tables.iter().find(|table| table.id == "honest").unwrap();
        assert_eq!(honest.columns.len(), 6);
        assert!(honest.cells(5).all(|cell| cell.value.is_none()));
    }

    #[test]
    fn what_nobody_measured_has_no_table() {
        let mut results = fixture::results();
        results.honest_columns.clear();
        assert!(shown(&results).iter().all(|table| table.id != "honest"));
    }
}

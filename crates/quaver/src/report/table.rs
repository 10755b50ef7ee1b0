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

    fn has_numbers(&self) -> bool {
        (0..self.columns.len()).any(|index| self.cells(index).any(|cell| cell.value.is_some()))
    }
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
    all.into_iter().filter(Table::has_numbers).collect()
}

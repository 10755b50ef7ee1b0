//! The tables, the paper's first. A table is a file here and a line in [`TABLES`].

mod accuracy;
mod attack;
mod detection;
mod honest;
mod measure;
mod metric;
mod network;
mod uncertainty;
mod view;

use quaver::report::table::{Column, Row, Section, Table};
use quaver::report::value::{Unit, Value};

use crate::results::{Results, TopologyResults};
pub(crate) use view::View;

/// All tables, in the order to print.
const TABLES: &[fn(&Results, View) -> Table] = &[
    accuracy::clean_and_first,
    accuracy::others,
    uncertainty::clean_and_first,
    uncertainty::others,
    detection::all,
    detection::successful,
    honest::table,
    network::table,
    attack::table,
    measure::table,
];

/// Names of what programs find a row by.
const KEYS: &[&str] = &["topology", "dropout", "control", "seed"];

/// The tables as people first see them: over seeds where there are several, and without
/// empty columns.
pub(crate) fn shown(results: &Results) -> Vec<Table> {
    let tables = tables(results, View::first(results));
    tables
        .into_iter()
        .map(Table::without_empty_columns)
        .collect()
}

/// Every table of every seed, then those over the seeds.
pub(crate) fn every(results: &Results) -> Vec<Table> {
    let seeds = (0..results.seeds.len()).map(View::Seed);
    let across = (results.seeds.len() > 1).then_some(View::AcrossSeeds);
    let views = seeds.chain(across);
    views.flat_map(|view| tables(results, view)).collect()
}

/// All tables of `results` as seen in `view`, those without a single number left out.
pub(crate) fn tables(results: &Results, view: View) -> Vec<Table> {
    let all = TABLES.iter().map(|table| table(results, view));
    let measured = all.filter(Table::has_numbers);
    let named = |table: Table| Table {
        title: format!("{} ({} on {})", table.title, results.arch, results.dataset),
        reference: "paper",
        keys: KEYS,
        ..table
    };
    measured.map(named).collect()
}

/// One row a topology, with its `cells`.
fn rows(results: &Results, view: View, cells: impl Fn(&TopologyResults) -> Vec<Value>) -> Vec<Row> {
    let seed = match view {
        View::Seed(index) => results.seeds.get(index).map(u64::to_string),
        View::AcrossSeeds => None,
    };
    let seed = seed.unwrap_or_else(|| "all".to_owned());
    let row = |results: &TopologyResults| {
        let topology = &results.topology;
        Row {
            title: topology.title.clone(),
            detail: format!("dropout {}", topology.dropout),
            control: topology.control,
            keys: vec![
                topology.id.clone(),
                topology.dropout.to_string(),
                topology.control.to_string(),
                seed.clone(),
            ],
            cells: cells(results),
        }
    };
    results.topologies.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

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

//! The honest reading: true labels, and the model's noise off or averaged over.

use crate::paper::results::{HonestColumn, Results, TopologyResults};

use super::super::value::{Unit, Value};
use super::pick::View;
use super::{Column, Row, Section, Table};

pub(super) fn table(results: &Results, view: View) -> Table {
    let columns = results.honest_columns.iter().map(|column| Column {
        id: column.id.clone(),
        title: format!("{} (n = {})", column.title, column.n),
        optional: false,
    });
    let rows = results.topologies.iter().map(|row| Row {
        topology: row.topology.clone(),
        cells: results
            .honest_columns
            .iter()
            .map(|column| cell(row, view, column))
            .collect(),
    });
    let doubt = match view {
        View::Seed(_) => "with its 95 % interval".into(),
        View::AcrossSeeds => format!(
            "mean ± standard deviation over {} seeds",
            results.seeds.len()
        ),
    };
    Table {
        id: "honest",
        number: None,
        title: "Honest reading: accuracy against the stronger attack".into(),
        note: format!(
            "Voted accuracy in %, {doubt}, attacks on the true labels. \"Noise off\" attacks the \
             network without its randomness, EOT the mean gradient over several draws; where \
             either is far below tables 1 and 2, the accuracy there came from the weaker attack: \
             from noisy gradients, predicted labels or the last iterate instead of the best."
        ),
        main: true,
        columns: columns.collect(),
        sections: vec![Section {
            id: String::new(),
            title: String::new(),
            rows: rows.collect(),
        }],
    }
}

fn cell(row: &TopologyResults, view: View, column: &HonestColumn) -> Value {
    let seed = view
        .seed(row)
        .and_then(|seed| seed.honest.iter().find(|c| c.column == column.id));
    let across = view
        .across(row)
        .and_then(|all| all.honest.iter().find(|c| c.column == column.id));
    match (seed, across) {
        (Some(cell), _) => Value::rate(cell.accuracy),
        (None, Some(cell)) => Value::moments(cell.accuracy, Unit::Percent),
        (None, None) => Value::missing(Unit::Percent),
    }
}

//! The honest reading: true labels, and the model's noise off or averaged over.

use crate::results::{HonestColumn, Results, TopologyResults};

use super::view::View;
use super::{Column, Section, Table, Unit, Value, rows};

pub(super) fn table(results: &Results, view: View) -> Table {
    let columns = results.honest_columns.iter().map(|column| Column {
        id: column.id.clone(),
        title: format!("{} (n = {})", column.title, column.n),
        optional: false,
    });
    let cells = |row: &TopologyResults| {
        let columns = results.honest_columns.iter();
        columns.map(|column| cell(row, view, column)).collect()
    };
    let doubt = match view {
        View::Seed(_) => "with its 95 % interval".into(),
        View::AcrossSeeds => format!(
            "mean ± standard deviation over {} seeds",
            results.seeds.len()
        ),
    };
    Table {
        id: "honest",
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
            rows: rows(results, view, cells),
            ..Section::default()
        }],
        ..Table::default()
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

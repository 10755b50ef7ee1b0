//! The networks themselves: how they were trained and what they reach on all test images.

use crate::results::{Results, TopologyResults};

use super::view::View;
use super::{Column, Section, Table, Unit, Value, rows};

const COLUMNS: [(&str, &str); 6] = [
    ("test_accuracy", "Noise off"),
    ("test_voted", "Voted"),
    ("epochs", "Epochs"),
    ("n_train", "Training images"),
    ("loss", "Last loss"),
    ("train_accuracy", "Training accuracy"),
];

pub(super) fn table(results: &Results, view: View) -> Table {
    let column = |(id, title): &(&str, &str)| Column {
        id: (*id).into(),
        title: (*title).into(),
        optional: true,
    };
    let doubt = match view {
        View::Seed(_) => "with its 95 % interval".into(),
        View::AcrossSeeds => format!(
            "mean ± standard deviation over {} seeds",
            results.seeds.len()
        ),
    };
    Table {
        id: "networks",
        title: "The networks on all test images".into(),
        note: format!("Accuracy in %, {doubt}, without an attack."),
        columns: COLUMNS.iter().map(column).collect(),
        sections: vec![Section {
            rows: rows(results, view, |row| cells(row, view)),
            ..Section::default()
        }],
        ..Table::default()
    }
}

fn cells(row: &TopologyResults, view: View) -> Vec<Value> {
    let seed = view.seed(row);
    let training = seed.map(|seed| seed.training);
    let (accuracy, voted) = view.across(row).map_or_else(
        || {
            (
                Value::rate(seed.and_then(|seed| seed.test_accuracy)),
                Value::rate(seed.and_then(|seed| seed.test_voted)),
            )
        },
        |all| {
            (
                Value::moments(all.test_accuracy, Unit::Percent),
                Value::moments(all.test_voted, Unit::Percent),
            )
        },
    );
    let count = |value: Option<u64>| value.map_or(Value::missing(Unit::Count), Value::count);
    vec![
        accuracy,
        voted,
        count(training.map(|training| training.epochs.into())),
        count(training.map(|training| training.n)),
        Value::plain(training.and_then(|training| training.loss), Unit::Share),
        Value::plain(
            training.and_then(|training| training.accuracy),
            Unit::Percent,
        ),
    ]
}

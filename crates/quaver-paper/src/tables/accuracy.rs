//! Tables 1 and 2: accuracy of one pass and of the vote.

use crate::published::PublishedAccuracy;
use crate::published::PublishedRow;
use crate::results::Results;

use super::metric::{self, Metric};
use super::view::View;
use super::{Table, Unit, Value};

const METRICS: [Metric; 3] = [
    Metric {
        id: "single",
        title: "Single pass",
        unit: Unit::Percent,
        seed: |input| Value::rate(input.single),
        across: |input| Value::moments(input.single, Unit::Percent),
        paper: |row, input| published(row, input).map(|accuracy| accuracy.single / 100.0),
    },
    Metric {
        id: "multi",
        title: "Voted",
        unit: Unit::Percent,
        seed: |input| Value::rate(input.multi),
        across: |input| Value::moments(input.multi, Unit::Percent),
        paper: |row, input| published(row, input).map(|accuracy| accuracy.multi / 100.0),
    },
    Metric {
        id: "mean_single",
        title: "Mean of single passes",
        unit: Unit::Percent,
        seed: |input| Value::estimate(input.mean_single, Unit::Percent),
        across: |input| Value::moments(input.mean_single, Unit::Percent),
        paper: metric::unpublished,
    },
];

fn published<'a>(row: &'a PublishedRow, input: &str) -> Option<&'a PublishedAccuracy> {
    row.accuracy.get(input)
}

pub(super) fn clean_and_first(results: &Results, view: View) -> Table {
    table(
        "table-1",
        1,
        results,
        view,
        &metric::clean_and_first(results),
    )
}

pub(super) fn others(results: &Results, view: View) -> Table {
    table("table-2", 2, results, view, &metric::others(results))
}

fn table(
    id: &'static str,
    number: u32,
    results: &Results,
    view: View,
    inputs: &[(String, String)],
) -> Table {
    Table {
        id,
        number: Some(number),
        title: format!("Accuracy on {} inputs", metric::titles(inputs)),
        note: format!(
            "Accuracy in %, {}; voted: {} passes. The paper's value stands beside.",
            view.reading(results),
            results.n_passes
        ),
        main: true,
        columns: metric::columns(&METRICS),
        sections: metric::sections(results, view, inputs, &METRICS, |input| Some(input)),
        ..Table::default()
    }
}

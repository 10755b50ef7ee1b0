//! The other uncertainty measures.

use std::collections::BTreeSet;

use crate::results::{Results, TopologyResults};

use super::metric;
use super::view::View;
use super::{Column, Section, Table, Unit, Value, rows};

pub(super) fn table(results: &Results, view: View) -> Table {
    let seeds = results.topologies.iter().filter_map(|row| view.seed(row));
    let ids: BTreeSet<&String> = seeds
        .flat_map(|seed| &seed.inputs)
        .flat_map(|input| input.measures.keys())
        .collect();
    let cells = |row: &TopologyResults, input: &str| {
        let cells = ids.iter().map(|id| cell(row, view, input, id));
        cells.collect()
    };
    let section = |(id, title): (String, String)| Section {
        rows: rows(results, view, |row| cells(row, &id)),
        id,
        title,
    };
    Table {
        id: "measures",
        title: "Other measures of uncertainty".into(),
        note: format!(
            "Mean over images (n = {}); higher is more uncertain.",
            results.n
        ),
        columns: ids
            .iter()
            .map(|id| Column {
                id: (*id).clone(),
                title: heading(id),
                optional: true,
            })
            .collect(),
        sections: metric::inputs(results).into_iter().map(section).collect(),
        ..Table::default()
    }
}

fn cell(row: &TopologyResults, view: View, input: &str, measure: &str) -> Value {
    let input = view
        .seed(row)
        .and_then(|seed| seed.inputs.iter().find(|i| i.input == input));
    let spread = input.and_then(|input| input.measures.get(measure));
    Value {
        n: spread.map(|s| s.n),
        ..Value::plain(spread.map(|s| s.mean), Unit::Scientific)
    }
}

fn heading(id: &str) -> String {
    let text = id.replace('-', " ");
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

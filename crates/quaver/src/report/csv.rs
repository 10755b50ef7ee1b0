//! CSV: every number of every table, one a line, for every seed and over the seeds.

use crate::paper::results::Results;

use super::RenderError;
use super::table::{Column, Row, Section, Table, View, tables};
use super::value::{Doubt, Value};

const HEADER: &str =
    "table,section,topology,dropout,control,seed,column,value,low,high,deviation,n,paper,unit\n";

/// Shares are fractions of 1; what is missing is empty; `seed` is `all` for numbers over seeds.
///
/// # Errors
/// None.
pub fn render(results: &Results) -> Result<Option<Vec<u8>>, RenderError> {
    let mut out = HEADER.to_owned();
    let seeds = results
        .seeds
        .iter()
        .enumerate()
        .map(|(i, seed)| (View::Seed(i), seed.to_string()));
    let across = (results.seeds.len() > 1).then(|| (View::AcrossSeeds, "all".to_owned()));
    for (view, seed) in seeds.chain(across) {
        for table in tables(results, view) {
            for section in &table.sections {
                for row in &section.rows {
                    for (column, value) in table.columns.iter().zip(&row.cells) {
                        out.push_str(&line(&table, section, row, &seed, column, value));
                    }
                }
            }
        }
    }
    Ok(Some(out.into_bytes()))
}

fn line(
    table: &Table,
    section: &Section,
    row: &Row,
    seed: &str,
    column: &Column,
    value: &Value,
) -> String {
    let (low, high, deviation) = match value.doubt {
        Doubt::Unstated => (None, None, None),
        Doubt::Interval(low, high) => (Some(low), Some(high), None),
        Doubt::Deviation(deviation) => (None, None, Some(deviation)),
    };
    let fields = [
        field(table.id),
        field(&section.id),
        field(&row.topology.id),
        number(Some(row.topology.dropout)),
        row.topology.control.to_string(),
        field(seed),
        field(&column.id),
        number(value.value),
        number(low),
        number(high),
        number(deviation),
        value.n.map_or_else(String::new, |n| n.to_string()),
        number(value.paper),
        field(value.unit.id()),
    ];
    fields.join(",") + "\n"
}

/// Shortest text that reads back as the same number; empty where there is none.
fn number(value: Option<f64>) -> String {
    value
        .filter(|value| value.is_finite())
        .map_or_else(String::new, |value| {
            // The paper's percentages and means over seeds carry rounding noise in the last digits.
            let rounded: f64 = format!("{value:.12e}").parse().unwrap_or(value);
            rounded.to_string()
        })
}

fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn every_line_has_every_field_and_a_missing_number_is_empty() {
        let text = String::from_utf8(render(&fixture::results()).unwrap().unwrap()).unwrap();
        let n_fields = HEADER.split(',').count();
        assert!(text.lines().all(|line| line.split(',').count() == n_fields));
        assert!(!text.contains("NaN") && !text.contains("n/a") && !text.contains(",inf"));
        let missing = "table-2,jsma,bnn,0.5,false,0,single,,,,,,0.382,fraction";
        assert!(text.lines().any(|line| line == missing), "{text}");
        let there = "table-1,clean,full-precision,0.5,false,0,single,0.985,";
        assert!(text.lines().any(|line| line.starts_with(there)), "{text}");
    }

    #[test]
    fn seeds_come_one_by_one_and_together() {
        let text = String::from_utf8(render(&fixture::two_seeds()).unwrap().unwrap()).unwrap();
        for seed in [",0,single,", ",1,single,", ",all,single,"] {
            assert!(text.contains(seed), "{seed}");
        }
    }

    #[test]
    fn text_with_commas_is_quoted() {
        assert_eq!(field("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(number(Some(0.382)), "0.382");
        assert_eq!(number(Some(38.2 / 100.0)), "0.382");
        assert_eq!(number(Some(f64::NAN)), "");
    }
}

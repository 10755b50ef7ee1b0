//! CSV: every number of every table, one a line.

use super::table::{Column, Row, Section, Table};
use super::value::{Doubt, Value};

/// Tables that have the same keys and the same reference, as lines of
/// `table,section,KEYS,column,value,low,high,deviation,n,REFERENCE,unit`. Shares are fractions
/// of 1; what is missing is empty.
pub fn write(tables: &[Table]) -> String {
    let Some(first) = tables.first() else {
        return String::new();
    };
    let mut out = format!(
        "table,section,{},column,value,low,high,deviation,n,{},unit\n",
        first.keys.join(","),
        first.reference
    );
    for table in tables {
        for section in &table.sections {
            for row in &section.rows {
                for (column, value) in table.columns.iter().zip(&row.cells) {
                    out.push_str(&line(table, section, row, column, value));
                }
            }
        }
    }
    out
}

fn line(table: &Table, section: &Section, row: &Row, column: &Column, value: &Value) -> String {
    let (low, high, deviation) = match value.doubt {
        Doubt::Unstated => (None, None, None),
        Doubt::Interval(low, high) => (Some(low), Some(high), None),
        Doubt::Deviation(deviation) => (None, None, Some(deviation)),
    };
    let mut fields = vec![field(table.id), field(&section.id)];
    fields.extend(row.keys.iter().map(|key| field(key)));
    fields.extend([
        field(&column.id),
        number(value.value),
        number(low),
        number(high),
        number(deviation),
        value.n.map_or_else(String::new, |n| n.to_string()),
        number(value.reference),
        field(value.unit.id()),
    ]);
    fields.join(",") + "\n"
}

/// Shortest text that reads back as the same number; empty where there is none.
fn number(value: Option<f64>) -> String {
    value
        .filter(|value| value.is_finite())
        .map_or_else(String::new, |value| {
            // Published percentages and means over seeds carry rounding noise in the last digits.
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
    use crate::report::example;

    #[test]
    fn every_line_has_every_field_and_a_missing_number_is_empty() {
        let text = write(&[example::table()]);
        let head = "table,section,network,control,column,value,low,high,deviation,n,paper,unit";
        assert!(text.starts_with(head));
        let n_fields = head.split(',').count();
        assert!(text.lines().all(|line| line.split(',').count() == n_fields));
        assert!(!text.contains("NaN") && !text.contains("n/a") && !text.contains(",inf"));
        let missing = "table-1,fgsm,<c>|,true,single,,,,,,0.382,fraction";
        assert!(text.lines().any(|line| line == missing), "{text}");
        let there = "table-1,clean,a_b,false,single,0.95,";
        assert!(text.lines().any(|line| line.starts_with(there)), "{text}");
    }

    #[test]
    fn text_with_commas_is_quoted() {
        assert_eq!(field("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(number(Some(0.382)), "0.382");
        assert_eq!(number(Some(38.2 / 100.0)), "0.382");
        assert_eq!(number(Some(f64::NAN)), "");
    }
}

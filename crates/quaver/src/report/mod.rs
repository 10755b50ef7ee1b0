//! Tables and pictures of an evaluation, and how they are written. **Nothing here computes.**
//!
//! A [`table::Table`] holds [`value::Value`]s; a [`scene::Scene`] holds shapes. Each format is a
//! file that turns one of them into text or bytes, and the same input gives the same bytes.

pub mod contact_sheet;
pub mod csv;
pub mod html;
pub mod json;
pub mod markup;
pub mod png;
pub mod scene;
pub mod svg;
pub mod table;
pub mod value;

/// A writer failed.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A picture could not be drawn or encoded.
    #[error("the picture {name} of {width} by {height} pixels could not be made")]
    Picture {
        /// Which one.
        name: String,
        /// Pixels across.
        width: usize,
        /// Pixels down.
        height: usize,
    },
    /// JSON could not be written.
    #[error("the results could not be written as JSON")]
    Json(#[from] serde_json::Error),
}

#[cfg(test)]
mod example {
    use super::table::{Column, Row, Section, Table};
    use super::value::{Unit, Value};
    use crate::evaluate::interval::Rate;

    /// A table with every kind of value in it, and with markup in its texts.
    pub(super) fn table() -> Table {
        let column = |id: &str, title: &str| Column {
            id: id.into(),
            title: title.into(),
            optional: true,
        };
        let row = |title: &str, control, cells| Row {
            title: title.into(),
            detail: "50 %".into(),
            control,
            keys: vec![title.into(), control.to_string()],
            cells,
        };
        let rate = Value::rate(Rate::new(190, 200));
        let missing = Value::missing(Unit::Percent);
        let section = |id: &str, title: &str| Section {
            id: id.into(),
            title: title.into(),
            rows: vec![
                row("a_b", false, vec![rate.beside(Some(0.982)), missing]),
                row("<c>|", true, vec![missing.beside(Some(0.382)), missing]),
            ],
        };
        Table {
            id: "table-1",
            number: Some(1),
            title: "Accuracy & more".into(),
            note: "In %.".into(),
            main: true,
            reference: "paper",
            keys: &["network", "control"],
            columns: vec![column("single", "Single pass"), column("empty", "Empty")],
            sections: vec![section("clean", "Clean"), section("fgsm", "FGSM")],
        }
    }
}

//! A table as every writer sees it: sections of rows, each with one value a column.

use super::value::Value;

/// A table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Its id, unique in a document, as `table-1`.
    pub id: &'static str,
    /// The number it keeps wherever it stands, if it has one.
    pub number: Option<u32>,
    /// Its title.
    pub title: String,
    /// What a reader needs to know to read it.
    pub note: String,
    /// Whether it belongs to what a first look should show.
    pub main: bool,
    /// Whose numbers [`Value::reference`] holds, in a word.
    pub reference: &'static str,
    /// Names of what [`Row::keys`] holds.
    pub keys: &'static [&'static str],
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
    /// Whether people need not see it while it is empty.
    pub optional: bool,
}

/// Rows that belong together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    /// Its id, as `fgsm`; empty where a table has but one.
    pub id: String,
    /// Its heading; empty where a table has but one.
    pub title: String,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// A row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Whose numbers these are, as `BNN`.
    pub title: String,
    /// What tells rows of one title apart, as `dropout 0.5`.
    pub detail: String,
    /// Whether it stands outside of what is compared.
    pub control: bool,
    /// What programs find it by, one text for each of [`Table::keys`].
    pub keys: Vec<String>,
    /// One value a column.
    pub cells: Vec<Value>,
}

impl Row {
    /// Title and detail.
    pub fn name(&self) -> String {
        format!("{}, {}", self.title, self.detail)
    }
}

impl Table {
    /// Number and title.
    pub fn heading(&self) -> String {
        match self.number {
            Some(number) => format!("Table {number}. {}", self.title),
            None => self.title.clone(),
        }
    }

    /// Whether any row has a number of the reference in column `index`.
    pub fn has_reference(&self, index: usize) -> bool {
        self.cells(index).any(|cell| cell.reference.is_some())
    }

    /// Whether any row states how sure it is in column `index`.
    pub fn has_doubt(&self, index: usize) -> bool {
        self.cells(index)
            .any(|cell| cell.doubt_text("", "").is_some())
    }

    /// Whether it has any number.
    pub fn has_numbers(&self) -> bool {
        (0..self.columns.len()).any(|index| self.cells(index).any(|cell| cell.value.is_some()))
    }

    /// All rows, section after section.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.sections.iter().flat_map(|section| &section.rows)
    }

    /// The values of column `index`.
    pub fn cells(&self, index: usize) -> impl Iterator<Item = &Value> {
        self.rows().filter_map(move |row| row.cells.get(index))
    }

    /// Without the optional columns in which nobody has a number.
    #[must_use]
    pub fn without_empty_columns(mut self) -> Self {
        let full: Vec<bool> = (0..self.columns.len())
            .map(|index| {
                !self.columns[index].optional
                    || self.has_reference(index)
                    || self.cells(index).any(|cell| cell.value.is_some())
            })
            .collect();
        let mut keep = full.iter();
        self.columns.retain(|_| *keep.next().unwrap_or(&true));
        for row in self.sections.iter_mut().flat_map(|s| &mut s.rows) {
            let mut keep = full.iter();
            row.cells.retain(|_| *keep.next().unwrap_or(&true));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use crate::report::example;

    #[test]
    fn only_columns_in_which_somebody_has_a_number_are_kept() {
        let table = example::table();
        assert_eq!(table.heading(), "Table 1. Accuracy & more");
        assert!(table.has_numbers() && table.has_doubt(0) && table.has_reference(0));
        let shown = table.clone().without_empty_columns();
        assert_eq!(shown.columns, table.columns[..1]);
        assert!(shown.rows().all(|row| row.cells.len() == 1));
        let mut needed = table;
        needed.columns[1].optional = false;
        assert_eq!(needed.clone().without_empty_columns(), needed);
    }
}

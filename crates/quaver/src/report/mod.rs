//! Renderers of [`Results`]: each a pure function from results to bytes.
//!
//! They lay out and never compute; the same results give the same bytes. A new format is
//! one file and one line in [`FORMATS`].

pub mod csv;
pub mod html;
pub mod json;
pub mod latex;
pub mod markdown;
pub mod outline;
pub mod png;
pub mod scene;
pub mod svg;
pub mod table;
pub mod terminal;
pub mod value;

#[cfg(test)]
pub(crate) mod fixture;

use std::collections::BTreeMap;

use crate::paper::results::Results;

/// A renderer failed.
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

/// A format results can be written in.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// Its id, as `markdown`.
    pub id: &'static str,
    /// The file it makes.
    pub file_name: &'static str,
    /// Makes the file's bytes; `None` where the results have nothing for it (no figure).
    pub render: fn(&Results) -> Result<Option<Vec<u8>>, RenderError>,
}

/// All formats, by file name.
pub const FORMATS: &[Format] = &[
    Format {
        id: "png",
        file_name: "figure-2.png",
        render: png::render,
    },
    Format {
        id: "svg",
        file_name: "figure-2.svg",
        render: svg::render,
    },
    Format {
        id: "html",
        file_name: "report.html",
        render: html::render,
    },
    Format {
        id: "json",
        file_name: "results.json",
        render: json::render,
    },
    Format {
        id: "csv",
        file_name: "tables.csv",
        render: csv::render,
    },
    Format {
        id: "markdown",
        file_name: "tables.md",
        render: markdown::render,
    },
    Format {
        id: "latex",
        file_name: "tables.tex",
        render: latex::render,
    },
    Format {
        id: "terminal",
        file_name: "tables.txt",
        render: terminal::render,
    },
];

/// Every format's file: name and bytes.
///
/// # Errors
/// The first renderer's that failed.
pub fn render_all(results: &Results) -> Result<BTreeMap<&'static str, Vec<u8>>, RenderError> {
    let mut files = BTreeMap::new();
    for format in FORMATS {
        if let Some(bytes) = (format.render)(results)? {
            files.insert(format.file_name, bytes);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn formats_have_unique_ids_and_files_in_order() {
        let ids: BTreeSet<_> = FORMATS.iter().map(|format| format.id).collect();
        assert_eq!(ids.len(), FORMATS.len());
        assert!(FORMATS.is_sorted_by(|a, b| a.file_name < b.file_name));
    }

    #[test]
    fn every_format_makes_its_file_and_the_same_bytes_again() {
        let files = render_all(&fixture::two_seeds()).unwrap();
        assert_eq!(files.len(), FORMATS.len());
        assert_eq!(files, render_all(&fixture::two_seeds()).unwrap());
    }

    #[test]
    fn without_a_figure_its_files_are_missing_and_the_others_there() {
        let results = Results {
            figure: None,
            ..fixture::results()
        };
        assert_eq!(render_all(&results).unwrap().len(), FORMATS.len() - 2);
    }
}

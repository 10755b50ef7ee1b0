//! The files that results are written as. A file is a line in [`FILES`].

use std::collections::BTreeMap;

use quaver::report::{RenderError, csv, json, png, svg};

use crate::results::Results;
use crate::{documents, page, scenes, tables};

/// A file made of results.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Its name.
    pub name: &'static str,
    /// Makes its bytes; `None` where the results have nothing for it (no figure).
    pub render: fn(&Results) -> Result<Option<Vec<u8>>, RenderError>,
}

/// All files, by name.
pub const FILES: &[File] = &[
    File {
        name: "figure-2.png",
        render: |results| {
            let figure = results.figure.as_ref().map(scenes::uncertainty);
            figure.map(|scene| png::draw(&scene)).transpose()
        },
    },
    File {
        name: "figure-2.svg",
        render: |results| {
            let figure = results.figure.as_ref().map(scenes::uncertainty);
            Ok(figure.map(|scene| svg::file(&scene).into_bytes()))
        },
    },
    File {
        name: "report.html",
        render: page::render,
    },
    File {
        name: "results.json",
        render: |results| json::write(results).map(Some),
    },
    File {
        name: "tables.csv",
        render: |results| Ok(Some(csv::write(&tables::every(results)).into_bytes())),
    },
    File {
        name: "tables.md",
        render: |results| Ok(Some(documents::markdown(results).into_bytes())),
    },
    File {
        name: "tables.tex",
        render: |results| Ok(Some(documents::latex(results).into_bytes())),
    },
    File {
        name: "tables.txt",
        render: |results| Ok(Some(documents::terminal(results).into_bytes())),
    },
];

/// Every file: name and bytes.
///
/// # Errors
/// The first that failed.
pub fn render_all(results: &Results) -> Result<BTreeMap<&'static str, Vec<u8>>, RenderError> {
    let mut files = BTreeMap::new();
    for file in FILES {
        if let Some(bytes) = (file.render)(results)? {
            files.insert(file.name, bytes);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn every_file_is_made_and_the_same_bytes_again() {
        assert!(FILES.is_sorted_by(|a, b| a.name < b.name));
        let files = render_all(&fixture::two_seeds()).unwrap();
        assert_eq!(files.len(), FILES.len());
        assert_eq!(files, render_all(&fixture::two_seeds()).unwrap());
    }

    #[test]
    fn without_a_figure_its_files_are_missing_and_the_others_there() {
        let results = Results {
            figure: None,
            ..fixture::results()
        };
        assert_eq!(render_all(&results).unwrap().len(), FILES.len() - 2);
    }

    #[test]
    fn results_that_are_written_are_read_back() {
        let results = fixture::results();
        let bytes = &render_all(&results).unwrap()["results.json"];
        assert_eq!(serde_json::from_slice::<Results>(bytes).unwrap(), results);
    }

    #[test]
    fn numbers_of_seeds_come_one_by_one_and_together() {
        let files = render_all(&fixture::two_seeds()).unwrap();
        let text = String::from_utf8_lossy(&files["tables.csv"]);
        for seed in [",0,single,", ",1,single,", ",all,single,"] {
            assert!(text.contains(seed), "{seed}");
        }
    }
}

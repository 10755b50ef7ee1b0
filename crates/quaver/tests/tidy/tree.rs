//! The files of the workspace that the rules look at.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that hold nothing written by hand, or nothing of this project.
const SKIPPED: &[&str] = &["target", ".git", "node_modules", "__pycache__", ".venv"];
/// Texts by the end of their name.
const TEXTS: &[&str] = &["rs", "md", "toml", "py", "css", "js", "sh"];

/// One text file.
pub(crate) struct File {
    /// Path from the workspace root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn is_rust(&self) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|end| end == "rs")
    }
}

/// The workspace root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path} does not read: {e}"))
}

/// All texts under `folder`, by path.
pub(crate) fn files(folder: &str) -> Vec<File> {
    let mut found = Vec::new();
    collect(folder, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// All Rust files of the workspace.
pub(crate) fn rust() -> Vec<File> {
    let mut all = files("crates");
    all.retain(File::is_rust);
    all
}

fn collect(folder: &str, into: &mut Vec<File>) {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    for entry in entries {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = match folder {
            "" => name.clone(),
            _ => format!("{folder}/{name}"),
        };
        if entry.file_type().unwrap().is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                collect(&path, into);
            }
        } else if is_text(&path) {
            let text = read(&path);
            into.push(File { path, text });
        }
    }
}

fn is_text(path: &str) -> bool {
    let end = Path::new(path).extension().and_then(|end| end.to_str());
    end.is_some_and(|end| TEXTS.contains(&end)) || path == ".ci/run"
}

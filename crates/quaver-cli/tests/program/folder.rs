//! [`Folder`]: an empty folder in which the program runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// Runs the program in a folder of its own that is removed afterwards.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Every file with its bytes, every folder with `None`.
    pub(crate) fn listing(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        fn add(folder: &Path, all: &mut BTreeMap<PathBuf, Option<Vec<u8>>>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    add(&path, all);
                    all.insert(path, None);
                } else {
                    all.insert(path.clone(), fs::read(&path).ok());
                }
            }
        }
        let mut all = BTreeMap::new();
        add(self.0.path(), &mut all);
        all
    }

    /// The program with `line` cut at its spaces, here, away from the user's data.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = self.through(env!("CARGO_BIN_EXE_quaver"));
        command.args(line.split_whitespace());
        command
    }

    /// Another program that runs here, away from the user's data.
    pub(crate) fn through(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.0.path())
            .env_remove("QUAVER_DATA_DIR")
            .env("HOME", "/nowhere")
            .env("XDG_CACHE_HOME", "/nowhere/cache")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// Standard output of a run that must succeed.
    pub(crate) fn done(&self, line: &str) -> String {
        let output = self.run(line);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{line}: {errors}");
        assert_eq!(errors, "", "{line}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The document on standard output of a run that must succeed.
    pub(crate) fn json(&self, line: &str) -> serde_json::Value {
        serde_json::from_str(&self.done(&format!("{line} --json"))).unwrap()
    }

    /// The run must end as bad input does: exit code 2, one line that holds all `parts`,
    /// every file as before.
    pub(crate) fn refuses(&self, line: &str, parts: &[&str]) {
        let before = self.listing();
        let told = refused(&self.run(line), line);
        for part in parts {
            assert!(told.contains(part), "{line}\n{told}does not say {part:?}");
        }
        assert!(self.listing() == before, "{line}: files changed");
    }
}

/// The one line of a run that was refused.
pub(crate) fn refused(output: &Output, line: &str) -> String {
    let told = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{line}\n{told}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{line}");
    assert!(
        told.starts_with("error: ") && told.matches('\n').count() == 1 && told.ends_with('\n'),
        "{line}\n{told}"
    );
    assert!(!told.trim_end().ends_with('.'), "{line}\n{told}");
    told
}

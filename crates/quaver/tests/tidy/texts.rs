//! Rules about the text of files.

use quaver::{data, detect, feature, uncertainty};
use quaver_nn::arch;
use quaver_nn::quantizer::Quantization;

use crate::rust::{Code, Token};
use crate::tree::{self, File};

/// Lines a Rust file should have at most, tests included, and those it must not exceed.
const LINES: [usize; 2] = [400, 600];
/// What runs all tests, wherever it is written.
const TEST_COMMAND: &str = "cargo test --workspace --release";
/// The command the product is first met with.
const FIRST_COMMAND: &str =
    "cargo run --release -p quaver-cli -- reproduce --dataset digits --quick --out run";

pub(crate) fn long_files() -> [Vec<String>; 2] {
    LINES.map(|most| {
        let lines = |file: &File| file.text.lines().count();
        tree::rust()
            .iter()
            .filter(|file| lines(file) > most)
            .map(|file| format!("{}: {} lines, at most {most}", file.path, lines(file)))
            .collect()
    })
}

pub(crate) fn unclean() -> Vec<String> {
    let mut problems = Vec::new();
    for file in tree::files("") {
        for (i, line) in file.text.split('\n').enumerate() {
            let marker = ["<<<<<<< ", ">>>>>>> "].iter().any(|m| line.starts_with(m));
            let tab = line.contains('\t') && !file.path.ends_with(".py");
            if marker || tab || line.ends_with([' ', '\r']) {
                problems.push(format!("{}:{}: {line:?}", file.path, i + 1));
            }
        }
        if !file.text.ends_with('\n') || file.text.ends_with("\n\n") {
            problems.push(format!("{}: must end with one line feed", file.path));
        }
    }
    problems
}

/// A module's unit tests in a file of their own are what the file's name says.
pub(crate) fn untitled() -> Vec<String> {
    let is_tests = |file: &File| file.path.ends_with("/tests.rs");
    let lacks = |file: &&File| !file.text.starts_with("//! ") && !is_tests(file);
    let path = |file: &File| file.path.clone();
    tree::rust().iter().filter(lacks).map(path).collect()
}

pub(crate) fn unsafe_code() -> Vec<String> {
    let mut files = tree::rust();
    files.retain(|file| !file.path.starts_with("crates/quaver-nn/src/kernel/"));
    find(&files, |code, i| {
        code.text(i) == "unsafe" && code.text(i + 1) != "_code"
    })
}

/// What no library file says outside its tests. What cannot happen may panic in `expect`,
/// with the reason.
pub(crate) fn impure() -> Vec<String> {
    let mut files = tree::rust();
    let libraries = ["quaver-nn", "quaver", "quaver-paper"];
    let sources = libraries.map(|name| format!("crates/{name}/src/"));
    files.retain(|file| sources.iter().any(|source| file.path.starts_with(source)));
    let mut problems = find(&files, |code, i| match code.text(i) {
        "println" | "eprintln" | "print" | "eprint" | "dbg" | "todo" | "unimplemented"
        | "panic" => code.text(i + 1) == "!",
        "unwrap" => code.text(i + 1) == "(" && i > 0 && code.text(i - 1) == ".",
        "SystemTime" | "Instant" => true,
        _ => false,
    });
    for file in &files {
        for path in Code::new(&file.text).paths(&[], &["std"]) {
            if path.segments.get(1).is_some_and(|name| name == "env") && !path.in_tests {
                problems.push(format!("{}:{}: std::env", file.path, path.line));
            }
        }
    }
    problems
}

/// Places outside tests where `is_wrong`.
fn find(files: &[File], is_wrong: impl Fn(&Code<'_>, usize) -> bool) -> Vec<String> {
    let tests: Vec<String> = files.iter().flat_map(test_modules).collect();
    let mut problems = Vec::new();
    for file in files {
        let stem = file.path.trim_end_matches(".rs");
        let is_test = |test: &String| stem == test || stem.starts_with(&format!("{test}/"));
        if tests.iter().any(is_test) {
            continue;
        }
        let code = Code::new(&file.text);
        let wrong = |(i, token): (usize, &Token<'_>)| {
            (!code.in_tests(token) && is_wrong(&code, i))
                .then(|| format!("{}:{}: {}", file.path, token.line, token.text))
        };
        problems.extend(code.tokens.iter().enumerate().filter_map(wrong));
    }
    problems
}

/// Files without `.rs` that `file` declares for tests only.
fn test_modules(file: &File) -> Vec<String> {
    let stem = file.path.trim_end_matches(".rs");
    let folder = stem.strip_suffix("/mod").unwrap_or(stem);
    let folder = folder.strip_suffix("/lib").unwrap_or(folder);
    Code::new(&file.text)
        .test_modules
        .iter()
        .map(|name| format!("{folder}/{name}"))
        .collect()
}

pub(crate) fn undocumented() -> Vec<String> {
    let readme = tree::read("README.md");
    let datasets = data::source::REGISTRY.iter();
    let datasets = datasets
        .filter(|entry| entry.is_named())
        .map(|entry| entry.id);
    let names = uncertainty::MEASURES
        .iter()
        .map(|measure| measure.id)
        .chain(detect::REGISTRY.iter().map(|entry| entry.id))
        .chain(feature::REGISTRY.iter().map(|entry| entry.id))
        .chain(Quantization::names())
        .chain(datasets)
        .chain(arch::ARCHITECTURES.iter().map(|arch| arch.name));
    let mut problems: Vec<String> = names
        .filter(|name| !readme.contains(&format!("`{name}`")))
        .map(|name| format!("README.md does not name `{name}`"))
        .collect();
    for (path, command) in [
        ("README.md", FIRST_COMMAND),
        ("README.md", TEST_COMMAND),
        ("CONTRIBUTING.md", TEST_COMMAND),
        (".ci/run", TEST_COMMAND),
    ] {
        if !tree::read(path).contains(command) {
            problems.push(format!("{path} does not say `{command}`"));
        }
    }
    problems
}

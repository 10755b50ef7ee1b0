//! Rules about the crates this workspace is made of and those it uses.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value as Json;
use toml::{Table, Value};

use crate::rust::Code;
use crate::tree;

const CRATES: [&str; 4] = ["quaver-nn", "quaver", "quaver-paper", "quaver-cli"];
/// Lints that must be in force: the tests of this folder count on them.
const LINTS: [(&str, &str); 6] = [
    ("rust", "missing_docs"),
    ("rust", "unreachable_pub"),
    ("clippy", "unwrap_used"),
    ("clippy", "print_stdout"),
    ("clippy", "iter_over_hash_type"),
    ("clippy", "too_many_lines"),
];
/// Licenses that allow what "MIT OR Apache-2.0" promises of the command as a whole.
/// MPL-2.0 binds only changes to its own files, and we change none.
const LICENSES: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];
/// Crates that others still need in two versions; small, or only built for another system.
const TWICE: [&str; 5] = [
    "getrandom",
    "hashbrown",
    "miniz_oxide",
    "syn",
    "windows-sys",
];

fn manifest(path: &str) -> Table {
    tree::read(path)
        .parse()
        .unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn table<'a>(of: &'a Table, path: &[&str]) -> Option<&'a Table> {
    let mut here = of;
    for key in path {
        here = here.get(*key)?.as_table()?;
    }
    Some(here)
}

fn crate_manifest(name: &str) -> (String, Table) {
    let path = format!("crates/{name}/Cargo.toml");
    let parsed = manifest(&path);
    (path, parsed)
}

pub(crate) fn lints() -> Vec<String> {
    let workspace = manifest("Cargo.toml");
    let mut problems = Vec::new();
    for (tool, lint) in LINTS {
        let found = table(&workspace, &["workspace", "lints", tool]);
        let level = found.and_then(|lints| lints.get(lint)?.as_str());
        if !matches!(level, Some("warn" | "deny" | "forbid")) {
            problems.push(format!("Cargo.toml: {tool} lint {lint} is off"));
        }
    }
    for name in CRATES {
        let (path, parsed) = crate_manifest(name);
        let takes = table(&parsed, &["lints"]).and_then(|lints| lints.get("workspace"));
        if takes != Some(&Value::Boolean(true)) {
            problems.push(format!("{path}: lacks `[lints] workspace = true`"));
        }
    }
    problems
}

pub(crate) fn dependencies() -> Vec<String> {
    let workspace = manifest("Cargo.toml");
    let known = table(&workspace, &["workspace", "dependencies"]).unwrap();
    let mut problems = Vec::new();
    let mut unused: BTreeSet<&str> = known.keys().map(String::as_str).collect();
    for (name, entry) in known {
        if !is_pinned(entry) {
            problems.push(format!(
                "Cargo.toml: {name} needs a version of three numbers"
            ));
        }
    }
    for name in CRATES {
        let (path, parsed) = crate_manifest(name);
        for (kind, folders) in [
            ("dependencies", &["src"][..]),
            ("dev-dependencies", &["src", "tests", "benches", "examples"]),
            ("build-dependencies", &["build.rs"]),
        ] {
            let words = words(name, folders);
            for (dependency, entry) in parsed
                .get(kind)
                .and_then(Value::as_table)
                .into_iter()
                .flatten()
            {
                unused.remove(dependency.as_str());
                if entry.get("workspace") != Some(&Value::Boolean(true)) {
                    problems.push(format!("{path}: {dependency} lacks `workspace = true`"));
                }
                if !words.contains(&dependency.replace('-', "_")) {
                    problems.push(format!("{path}: nothing uses {dependency} of {kind}"));
                }
            }
        }
    }
    problems.extend(
        unused
            .iter()
            .map(|name| format!("Cargo.toml: no crate depends on {name}")),
    );
    problems
}

/// Whether an entry names a folder here or a version of three numbers.
fn is_pinned(entry: &Value) -> bool {
    let version = entry.as_str().or_else(|| entry.get("version")?.as_str());
    match version {
        Some(version) => version.split('.').count() == 3,
        None => entry.get("path").is_some(),
    }
}

/// All words of a crate's code.
fn words(name: &str, folders: &[&str]) -> BTreeSet<String> {
    let inside = |path: &str| {
        folders
            .iter()
            .any(|folder| path.starts_with(&format!("crates/{name}/{folder}")))
    };
    tree::rust()
        .iter()
        .filter(|file| inside(&file.path))
        .flat_map(|file| {
            let code = Code::new(&file.text);
            let words: Vec<String> = code
                .tokens
                .iter()
                .map(|token| token.text.to_owned())
                .collect();
            words
        })
        .collect()
}

pub(crate) fn duplicates() -> Vec<String> {
    let lock = manifest("Cargo.lock");
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in lock.get("package").and_then(Value::as_array).unwrap() {
        let text = |key: &str| package.get(key).and_then(Value::as_str);
        if let (Some(name), Some(version)) = (text("name"), text("version")) {
            versions.entry(name).or_default().push(version);
        }
    }
    let twice = versions.iter().filter(|(_, versions)| versions.len() > 1);
    let mut problems: Vec<String> = twice
        .clone()
        .filter(|(name, _)| !TWICE.contains(name))
        .map(|(name, versions)| {
            format!(
                "{name} is there as {}: see `cargo tree -d`",
                versions.join(" and ")
            )
        })
        .collect();
    let gone = TWICE
        .iter()
        .filter(|name| twice.clone().all(|(twice, _)| twice != *name));
    problems.extend(gone.map(|name| format!("{name} is there once now: drop it from TWICE")));
    problems
}

pub(crate) fn licenses() -> Vec<String> {
    let mut problems = Vec::new();
    for package in packages() {
        let text = |key: &str| {
            package
                .get(key)
                .and_then(Json::as_str)
                .unwrap_or("no license")
        };
        if !is_allowed(text("license")) {
            problems.push(format!(
                "{} {}: {}",
                text("name"),
                text("version"),
                text("license")
            ));
        }
    }
    problems
}

/// What this system's build is made of, from what is already downloaded.
fn packages() -> Vec<Json> {
    let run = |program: &str, args: &[&str]| {
        let output = Command::new(program)
            .args(args)
            .current_dir(tree::root())
            .output()
            .unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{program} {args:?}: {complaint}");
        String::from_utf8(output.stdout).unwrap()
    };
    let version = run("rustc", &["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let metadata = run(
        env!("CARGO"),
        &[
            "metadata",
            "--format-version=1",
            "--locked",
            "--offline",
            "--filter-platform",
            host.unwrap(),
        ],
    );
    let metadata: Json = serde_json::from_str(&metadata).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// Reads a license expression: AND binds tighter than OR; a slash is an old OR.
fn is_allowed(expression: &str) -> bool {
    let flat = expression.replace('/', " OR ");
    if let (Some(open), Some(close)) = (flat.find('('), flat.find(')')) {
        let inner = if is_allowed(&flat[open + 1..close]) {
            "MIT"
        } else {
            "none"
        };
        let around = format!("{}{inner}{}", &flat[..open], &flat[close + 1..]);
        return is_allowed(&around);
    }
    flat.split(" OR ").any(|choice| {
        choice
            .split(" AND ")
            .all(|part| LICENSES.contains(&part.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn license_expressions_are_read() {
        assert!(is_allowed("GPL-3.0 OR MIT"));
        assert!(is_allowed("MIT/GPL-3.0"));
        assert!(is_allowed("(MIT OR GPL-3.0) AND Unicode-3.0"));
        assert!(!is_allowed("(MIT OR ISC) AND GPL-3.0"));
        assert!(!is_allowed("no license"));
    }

    #[test]
    fn versions_need_three_numbers() {
        let entries: Table = "a = '1.2.3'\nb = '1'\nc = { path = 'x' }\nd = { version = '0.2' }"
            .parse()
            .unwrap();
        assert_eq!(
            ["a", "b", "c", "d"].map(|name| is_pinned(&entries[name])),
            [true, false, true, false]
        );
    }
}

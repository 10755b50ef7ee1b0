//! The rules of this repository that neither the compiler nor Clippy checks. Each test lists
//! every place that breaks its rule; ARCHITECTURE.md and CONTRIBUTING.md say why the rule is.

#![expect(
    clippy::unwrap_used,
    reason = "a rule that cannot be read is a failed test"
)]

mod circles;
mod layers;
mod manifests;
mod plug_ins;
mod rust;
mod texts;
mod tree;

/// Fails with all `problems`, if there are any.
fn expect_none(rule: &str, problems: &[String]) {
    assert!(
        problems.is_empty(),
        "{rule}; {} broken:\n  {}\n",
        problems.len(),
        problems.join("\n  ")
    );
}

#[test]
fn files_import_only_lower_levels() {
    expect_none("a file imports only lower levels", &layers::problems());
}

#[test]
fn no_files_import_each_other() {
    expect_none(
        "files do not import each other, in whatever circle",
        &circles::problems(),
    );
}

#[test]
fn plug_ins_are_registered_and_apart() {
    expect_none(
        "a plug-in is in its registry and imports no sibling",
        &plug_ins::problems(),
    );
}

#[test]
fn files_are_short() {
    let [long, too_long] = texts::long_files();
    if !long.is_empty() {
        println!("longer than they should be:\n  {}", long.join("\n  "));
    }
    expect_none("a Rust file has at most 600 lines", &too_long);
}

#[test]
fn texts_are_clean() {
    expect_none(
        "texts have no trailing space, tab, carriage return or conflict marker, and end with one line feed",
        &texts::unclean(),
    );
}

#[test]
fn rust_files_say_what_they_are() {
    expect_none(
        "a Rust file begins with //! and what it is for",
        &texts::untitled(),
    );
}

#[test]
fn unsafe_code_stays_in_the_kernels() {
    expect_none(
        "unsafe only under crates/quaver-nn/src/kernel",
        &texts::unsafe_code(),
    );
}

#[test]
fn libraries_are_pure() {
    expect_none(
        "libraries do not print, panic on purpose, or read clock or environment",
        &texts::impure(),
    );
}

#[test]
fn lints_are_on_everywhere() {
    expect_none(
        "every crate takes the workspace's lints",
        &manifests::lints(),
    );
}

#[test]
fn dependencies_are_pinned_and_used() {
    expect_none(
        "a dependency is named once, in the workspace, with its full version, and used",
        &manifests::dependencies(),
    );
}

#[test]
fn dependencies_are_there_once() {
    expect_none("a crate is built in one version", &manifests::duplicates());
}

#[test]
fn licenses_are_allowed() {
    expect_none(
        "every dependency has a license of the list in tests/tidy/manifests.rs",
        &manifests::licenses(),
    );
}

#[test]
fn the_documents_name_what_there_is() {
    expect_none(
        "README.md names every measure, detector, quantizer, data set and architecture; commands in documents are the ones CI runs",
        &texts::undocumented(),
    );
}

//! [`SpecError`], and the name that looks most like one that there is not.

/// A spec string, or the parameters in it, cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SpecError {
    /// The text is not of the form `name(key=value,...)`.
    #[error("{got:?} is not a spec: expected {allowed}")]
    Syntax {
        /// The whole text.
        got: String,
        /// What should stand there.
        allowed: &'static str,
    },
    /// No plug-in has this name.
    #[error("unknown {kind} {got:?}{}; there are {allowed}", suggestion(.nearest))]
    UnknownName {
        /// What was looked for, such as `attack`.
        kind: &'static str,
        /// The name given.
        got: String,
        /// All names.
        allowed: String,
        /// The name that looks most like it.
        nearest: Option<String>,
    },
    /// The plug-in has no such parameter.
    #[error("{of} has no parameter {got:?}{}; it takes {allowed}", suggestion(.nearest))]
    UnknownParameter {
        /// The plug-in.
        of: String,
        /// The parameter given.
        got: String,
        /// Its parameters, or `none`.
        allowed: String,
        /// The parameter that looks most like it.
        nearest: Option<String>,
    },
    /// A value is of the wrong kind or names no choice.
    #[error("{of}: {name} = {got}: {reason}")]
    WrongValue {
        /// The plug-in.
        of: String,
        /// The parameter.
        name: String,
        /// The value given.
        got: String,
        /// What was expected.
        reason: String,
    },
    /// A number lies outside its range or is not finite.
    #[error("{name} = {got} is out of range; allowed: {allowed}")]
    OutOfRange {
        /// The parameter.
        name: String,
        /// The value given.
        got: String,
        /// The range in words.
        allowed: String,
    },
}

fn suggestion(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map(|n| format!(" (did you mean {n:?}?)"))
        .unwrap_or_default()
}

/// The name within a third of its length (at least two) of edits, if any.
pub(super) fn nearest(got: &str, names: &[&str]) -> Option<String> {
    names
        .iter()
        .map(|name| (edit_distance(got, name), *name))
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(2).min(name.len() - 1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name.to_owned())
}

fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[row.len() - 1]
}

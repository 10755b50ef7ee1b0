//! `--config FILE`: a TOML file whose keys are the flags becomes flags in front of those typed,
//! so what is typed wins.

use anyhow::{Context, bail};
use clap::Command;
use std::ffi::OsString;
use std::fs;
use toml::{Table, Value};

/// The arguments with the file's flags among them.
///
/// # Errors
/// A file that cannot be read or whose values are no flags.
pub(crate) fn expand(arguments: Vec<OsString>) -> anyhow::Result<Vec<OsString>> {
    let Some(path) = config_path(&arguments) else {
        return Ok(arguments);
    };
    let name = path.to_string_lossy().into_owned();
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {name}"))?;
    let table: Table = text
        .parse()
        .map_err(|error| not_toml(&name, &text, &error))?;
    let (place, command) = command_of(&arguments);
    let flags = flags(&table, &command).with_context(|| name.clone())?;
    // A flag that may be given several times would add the file's values to those typed.
    let typed: Vec<OsString> = arguments.iter().map(flag_name).collect();
    let flags: Vec<OsString> = flags
        .into_iter()
        .filter(|flag| !typed.contains(&flag_name(flag)))
        .collect();
    // Behind the words that name the command, before what was typed.
    let (words, typed) = arguments.split_at(place);
    Ok([words, &flags, typed].concat())
}

/// The part before the equals sign.
fn flag_name(word: &OsString) -> OsString {
    match word.to_string_lossy().split_once('=') {
        Some((name, _)) => name.into(),
        None => word.clone(),
    }
}

fn not_toml(name: &str, text: &str, error: &toml::de::Error) -> anyhow::Error {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.unwrap_or_default().matches('\n').count() + 1;
    anyhow::anyhow!("{name} is no TOML file: line {line}: {}", error.message())
}

/// The command that is typed, and how many words stand before its first own one.
fn command_of(arguments: &[OsString]) -> (usize, Command) {
    let mut command = crate::args::command();
    // Makes the flags of every command known to each of them.
    command.build();
    let mut place = 1;
    for (i, word) in arguments.iter().enumerate().skip(1) {
        if let Some(found) = command.find_subcommand(word) {
            command = found.clone();
            place = i + 1;
        } else if place > 1 {
            break;
        }
    }
    (place, command)
}

fn config_path(arguments: &[OsString]) -> Option<OsString> {
    let mut found = None;
    for (i, word) in arguments.iter().enumerate() {
        let text = word.to_string_lossy();
        if text == "--config" {
            found = arguments.get(i + 1).cloned();
        } else if let Some(path) = text.strip_prefix("--config=") {
            found = Some(path.into());
        }
    }
    found
}

fn flags(table: &Table, command: &Command) -> anyhow::Result<Vec<OsString>> {
    let known: Vec<&str> = command
        .get_arguments()
        .filter_map(|arg| arg.get_long())
        .filter(|long| !["config", "help", "version"].contains(long))
        .collect();
    let mut flags = Vec::new();
    for (key, value) in table {
        let long = key.replace('_', "-");
        if !known.contains(&long.as_str()) {
            let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
            bail!(
                "`{key}` is no flag of {name}; it takes {}",
                known.join(", ")
            );
        }
        let flag = format!("--{long}");
        let plain = |value: &Value| match value {
            Value::String(text) => Ok(text.clone()),
            Value::Integer(number) => Ok(number.to_string()),
            Value::Float(number) => Ok(number.to_string()),
            _ => {
                bail!(
                    "`{key}` must be text, a number, true, false or a list of those, got {}",
                    value.type_str()
                )
            }
        };
        match value {
            Value::Boolean(true) => flags.push(flag.into()),
            Value::Boolean(false) => {}
            Value::Array(values) => {
                for value in values {
                    flags.push(format!("{flag}={}", plain(value)?).into());
                }
            }
            value => flags.push(format!("{flag}={}", plain(value)?).into()),
        }
    }
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_flags_stand_before_typed_ones_and_give_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        fs::write(
            &path,
            "epochs = 3\nquiet = true\nlearning_rate = 0.5\njson = false\nweights = 'a'\n",
        )
        .unwrap();
        let words = [
            "quaver",
            "train",
            "--config",
            path.to_str().unwrap(),
            "--epochs",
            "2",
        ];
        let all = expand(words.iter().map(OsString::from).collect()).unwrap();
        let all: Vec<_> = all.iter().map(|w| w.to_str().unwrap()).collect();
        assert_eq!(all[..2], ["quaver", "train"]);
        let file: std::collections::BTreeSet<_> = all[2..5].iter().copied().collect();
        assert_eq!(
            file,
            ["--weights=a", "--quiet", "--learning-rate=0.5"].into()
        );
        assert_eq!(all[7..], ["--epochs", "2"]);
    }

    #[test]
    fn the_command_is_found_behind_flags_and_within_groups() {
        let place = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            let (place, command) = command_of(&words);
            (place, command.get_name().to_owned())
        };
        assert_eq!(place(&["q", "--config", "c", "train"]), (4, "train".into()));
        assert_eq!(place(&["q", "detect", "fit", "score"]), (3, "fit".into()));
        assert_eq!(place(&["q", "--json"]), (1, "quaver".into()));
    }

    #[test]
    fn what_is_no_flag_is_refused() {
        let table: Table = "a = { b = 1 }".parse().unwrap();
        let refusal = |table: &Table, command: &str| {
            let (_, command) = command_of(&["q".into(), command.into()]);
            flags(table, &command).unwrap_err().to_string()
        };
        assert!(refusal(&table, "train").starts_with("`a` is no flag of quaver train; it takes"));
        let table: Table = "epochs = { b = 1 }".parse().unwrap();
        assert!(refusal(&table, "train").starts_with("`epochs` must be text"));
        assert!(refusal(&table, "list").starts_with("`epochs` is no flag of quaver list"));
    }
}

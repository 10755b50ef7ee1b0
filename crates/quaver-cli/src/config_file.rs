//! `--config FILE`: a TOML file whose keys are the flags becomes flags in front of those typed,
//! so what is typed wins.

use anyhow::{Context, bail};
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
        .with_context(|| format!("{name} is no TOML file"))?;
    let flags = flags(&table).with_context(|| name.clone())?;
    // Behind the words that name the command, before what was typed.
    let words = arguments
        .iter()
        .skip(1)
        .take_while(|word| !is_flag(word))
        .count()
        + 1;
    let (command, typed) = arguments.split_at(words);
    Ok(command
        .iter()
        .cloned()
        .chain(flags)
        .chain(typed.iter().cloned())
        .collect())
}

fn is_flag(word: &OsString) -> bool {
    word.to_string_lossy().starts_with('-')
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

fn flags(table: &Table) -> anyhow::Result<Vec<OsString>> {
    let mut flags = Vec::new();
    for (key, value) in table {
        let flag = format!("--{}", key.replace('_', "-"));
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
                let all: Vec<String> = values.iter().map(plain).collect::<Result<_, _>>()?;
                flags.push(format!("{flag}={}", all.join(",")).into());
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
    fn file_flags_stand_before_typed_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        fs::write(
            &path,
            "epochs = 3\nquiet = true\nlearning_rate = 0.5\njson = false\n",
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
            ["--epochs=3", "--quiet", "--learning-rate=0.5"].into()
        );
        assert_eq!(all[7..], ["--epochs", "2"]);
    }

    #[test]
    fn a_table_is_no_flag() {
        let table: Table = "a = { b = 1 }".parse().unwrap();
        assert!(flags(&table).unwrap_err().to_string().contains("`a`"));
    }
}

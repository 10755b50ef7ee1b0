//! Reading and printing specs.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::{Spec, SpecError, Value};

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut args: Vec<String> = self.bare.iter().map(Value::to_string).collect();
        args.extend(
            self.params
                .iter()
                .map(|(key, value)| format!("{key}={value}")),
        );
        f.write_str(&self.name)?;
        if args.is_empty() {
            Ok(())
        } else {
            write!(f, "({})", args.join(","))
        }
    }
}

impl FromStr for Spec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let syntax = |allowed| SpecError::Syntax {
            got: text.to_owned(),
            allowed,
        };
        let trimmed = text.trim();
        let (name, args) = match trimmed.split_once('(') {
            None => (trimmed, ""),
            Some((name, rest)) => (
                name,
                rest.strip_suffix(')')
                    .ok_or_else(|| syntax("a closing parenthesis at the end"))?,
            ),
        };
        if !is_name(name) {
            return Err(syntax(
                "a name of letters, digits, '.', '-', '_' or ':' first",
            ));
        }
        let mut spec = Self {
            name: name.to_owned(),
            params: BTreeMap::new(),
            bare: None,
        };
        for arg in split_list(args).ok_or_else(|| syntax("balanced parentheses"))? {
            let key_end = arg
                .find('=')
                .filter(|at| arg.find('(').is_none_or(|open| *at < open));
            match key_end {
                None if arg.is_empty() => return Err(syntax("a parameter between the commas")),
                None if spec.bare.is_some() => {
                    return Err(syntax("at most one value without a name"));
                }
                None => spec.bare = Some(Value::parse(arg, name)?),
                Some(at) => {
                    let (key, value) = (arg[..at].trim(), arg[at + 1..].trim());
                    if !is_name(key) || value.is_empty() {
                        return Err(syntax("parameters of the form key=value"));
                    }
                    let value = Value::parse(value, key)?;
                    if spec.params.insert(key.to_owned(), value).is_some() {
                        return Err(syntax("every parameter at most once"));
                    }
                }
            }
        }
        Ok(spec)
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-:".contains(c))
}

/// The parts of `text` between commas outside parentheses, trimmed: a list of specs, or the
/// parameters of one. `None` if the parentheses do not balance.
#[must_use]
pub fn split_list(text: &str) -> Option<Vec<&str>> {
    split(text, ',')
}

/// The same between plus signs: the terms of a sum of specs.
#[must_use]
pub fn split_sum(text: &str) -> Option<Vec<&str>> {
    split(text, '+')
}

fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    if text.trim().is_empty() {
        return Some(Vec::new());
    }
    let (mut args, mut depth, mut from) = (Vec::new(), 0_usize, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1)?,
            _ if c == separator && depth == 0 => {
                args.push(text[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    args.push(text[from..].trim());
    (depth == 0).then_some(args)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_specs_keep_their_commas() {
        let spec = "outer(inner=pgd(n_steps=2, eps=0.1),k=3)"
            .parse::<Spec>()
            .unwrap();
        assert_eq!(
            spec.params["inner"],
            Value::Word("pgd(eps=0.1,n_steps=2)".to_owned())
        );
        assert_eq!(spec.params["k"], Value::Int(3));
    }

    #[test]
    fn refuses_what_is_no_spec() {
        for bad in [
            "",
            "pgd(",
            "pgd)",
            "pgd(eps)x",
            "p gd",
            "pgd(,)",
            "pgd(eps=)",
            "pgd(a=1,a=2)",
            "pgd(a=(1)",
            "x(1,2)",
            "x(b=1,88())",
            "x(a=inf())",
            "x(true())",
        ] {
            assert!(
                matches!(bad.parse::<Spec>(), Err(SpecError::Syntax { .. })),
                "{bad}"
            );
        }
    }
}

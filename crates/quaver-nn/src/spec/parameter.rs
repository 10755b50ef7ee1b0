//! [`Parameter`]: all there is to know of a plug-in's parameter, as data. The parser, help,
//! `quaver list --json` and the tests of bad values read it, so that no range is written twice.

use std::fmt;

use super::{AUTO, SpecError, Value};

/// A parameter of a plug-in.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name in specs.
    pub name: &'static str,
    /// Its value where none is given, as a spec would give it.
    pub default: &'static str,
    /// The values it takes.
    pub allowed: Allowed,
    /// What it is, with its unit.
    pub about: &'static str,
}

/// The values a parameter takes. NaN and infinity are never among them.
#[derive(Clone, Copy, Debug)]
pub enum Allowed {
    /// Real numbers in any of these intervals.
    Real(&'static [Interval]),
    /// The same, or the word `auto`: what suits the other parameters.
    RealOrAuto(&'static [Interval]),
    /// Whole numbers from the first to the second.
    Integer(i64, i64),
    /// Yes or no.
    Flag,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A name or spec of something else that this accepts; the text says what.
    Spec(&'static str, fn(&str) -> Result<(), SpecError>),
}

/// Numbers between two bounds.
#[derive(Clone, Copy, Debug)]
pub struct Interval {
    /// The lower bound.
    pub low: f64,
    /// The upper bound, which belongs to it.
    pub high: f64,
    /// Whether the lower bound belongs to it.
    pub from_low: bool,
}

impl Interval {
    /// From `low` to `high`, both included.
    #[must_use]
    pub const fn closed(low: f64, high: f64) -> Self {
        let from_low = true;
        Self {
            low,
            high,
            from_low,
        }
    }

    /// Above `low`, up to `high`.
    #[must_use]
    pub const fn above(low: f64, high: f64) -> Self {
        let from_low = false;
        Self {
            low,
            high,
            from_low,
        }
    }

    fn holds(self, value: f64) -> bool {
        // What rounds to the bound in single precision, in which most are used, is not above it.
        let above = value as f32 > self.low as f32;
        (self.low..=self.high).contains(&value) && (self.from_low || above)
    }
}

impl Parameter {
    /// The same with another default.
    #[must_use]
    pub const fn or(self, default: &'static str) -> Self {
        Self { default, ..self }
    }

    /// Checks a value given for it.
    ///
    /// # Errors
    /// [`SpecError::OutOfRange`] naming the parameter, the value and what is allowed.
    pub fn check(&self, value: &Value) -> Result<(), SpecError> {
        let number = match value {
            Value::Int(int) => Some(*int as f64),
            Value::Real(real) => Some(*real),
            Value::Bool(_) | Value::Word(_) => None,
        };
        let holds = match (self.allowed, value) {
            (Allowed::RealOrAuto(_), Value::Word(word)) => word == AUTO,
            (Allowed::Real(intervals) | Allowed::RealOrAuto(intervals), _) => {
                number.is_some_and(|number| intervals.iter().any(|one| one.holds(number)))
            }
            (Allowed::Integer(low, high), Value::Int(int)) => (low..=high).contains(int),
            (Allowed::Flag, Value::Bool(_)) => true,
            (Allowed::OneOf(words), Value::Word(word)) => words.contains(&word.as_str()),
            // A name may be a number, as those of layers are.
            (Allowed::Spec(_, accepts), Value::Word(_) | Value::Int(_)) => {
                return accepts(&value.to_string());
            }
            _ => false,
        };
        if holds {
            return Ok(());
        }
        Err(SpecError::OutOfRange {
            name: self.name.to_owned(),
            got: value.to_string(),
            allowed: self.allowed.to_string(),
        })
    }

    /// Values it must refuse, as a spec would give them: those nearest to what is allowed, and of
    /// other kinds.
    #[must_use]
    pub fn refused(&self) -> Vec<String> {
        let mut refused: Vec<String> = ["nan", "inf", "-inf", "no-such-word"]
            .map(str::to_owned)
            .into();
        match self.allowed {
            Allowed::Real(intervals) | Allowed::RealOrAuto(intervals) => {
                for one in intervals {
                    let low = if one.from_low {
                        one.low.next_down()
                    } else {
                        one.low
                    };
                    refused.extend([low, one.high.next_up()].map(|bound| format!("{bound:?}")));
                }
                let held = |text: &String| {
                    let value = text.parse().unwrap_or(f64::NAN);
                    intervals.iter().any(|one| one.holds(value))
                };
                refused.retain(|text| !held(text));
            }
            Allowed::Integer(low, high) => {
                let outside = [low.checked_sub(1), high.checked_add(1)];
                refused.extend(outside.into_iter().flatten().map(|int| int.to_string()));
                refused.push(format!("{low}.5"));
            }
            Allowed::Flag => refused.push("2".to_owned()),
            Allowed::OneOf(_) | Allowed::Spec(..) => refused.push("true".to_owned()),
        }
        refused
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let above = if self.from_low { "" } else { "above " };
        write!(f, "{above}{} to {}", self.low, self.high)
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Real(intervals) | Self::RealOrAuto(intervals) => {
                let mut words: Vec<String> = intervals.iter().map(Interval::to_string).collect();
                if matches!(self, Self::RealOrAuto(_)) {
                    words.push(AUTO.to_owned());
                }
                f.write_str(&words.join(" or "))
            }
            Self::Integer(low, high) => write!(f, "whole numbers from {low} to {high}"),
            Self::Flag => f.write_str("true, false"),
            Self::OneOf(words) => f.write_str(&words.join(", ")),
            Self::Spec(what, _) => f.write_str(what),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(allowed: Allowed) -> Parameter {
        Parameter {
            name: "x",
            default: "1",
            allowed,
            about: "",
        }
    }

    #[test]
    fn takes_what_is_allowed_and_nothing_else() {
        const HALVES: &[Interval] = &[Interval::closed(-1.0, -0.5), Interval::above(0.0, 1.0)];
        let rows = [
            (Allowed::Real(HALVES), &["-1", "-0.5", "1e-6", "1"][..]),
            (Allowed::RealOrAuto(HALVES), &["auto", "-0.75"]),
            (Allowed::Integer(1, 3), &["1", "3", "2.0"]),
            (Allowed::Flag, &["true", "false"]),
            (Allowed::OneOf(&["linf", "l2"]), &["l2"]),
        ];
        for (allowed, taken) in rows {
            let parameter = parameter(allowed);
            for text in taken {
                let value = Value::parse(text, "x").unwrap();
                assert!(parameter.check(&value).is_ok(), "{allowed}: {text}");
            }
            let refused = parameter.refused();
            assert!(refused.len() >= 5, "{allowed}: {refused:?}");
            for text in &refused {
                let value = Value::parse(text, "x");
                let error = value.and_then(|value| parameter.check(&value));
                assert!(error.is_err(), "{allowed}: {text}");
            }
        }
    }

    #[test]
    fn says_what_is_allowed() {
        const INTERVALS: &[Interval] =
            &[Interval::above(0.0, 1000.0), Interval::closed(-1.0, -0.001)];
        let error = parameter(Allowed::Real(INTERVALS)).check(&Value::Int(0));
        assert_eq!(
            error.unwrap_err().to_string(),
            "x = 0 is out of range; allowed: above 0 to 1000 or -1 to -0.001"
        );
        let error = parameter(Allowed::Integer(1, 9)).check(&Value::Real(1.5));
        assert_eq!(
            error.unwrap_err().to_string(),
            "x = 1.5 is out of range; allowed: whole numbers from 1 to 9"
        );
    }
}

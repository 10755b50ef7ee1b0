//! Values of parameters.

use std::fmt;

use serde_json::Value as Json;

use super::{Spec, SpecError};

/// Integers up to this size are exact in `f64`, so `40.0` and `40` are the same value.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// A value of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A finite number that is not whole.
    Real(f64),
    /// A word, or a nested spec such as `eot(20)` in its canonical form.
    Word(String),
}

impl Value {
    pub(super) fn parse(text: &str, whole: &str) -> Result<Self, SpecError> {
        if let Ok(int) = text.parse() {
            return Ok(Self::Int(int));
        }
        if let Ok(flag) = text.parse() {
            return Ok(Self::Bool(flag));
        }
        if let Ok(real) = text.parse::<f64>() {
            return Self::real(real).ok_or_else(|| SpecError::OutOfRange {
                name: whole.to_owned(),
                got: text.to_owned(),
                allowed: "finite numbers".to_owned(),
            });
        }
        if let Some(quotient) = quotient(text) {
            return Self::real(quotient).ok_or_else(|| SpecError::OutOfRange {
                name: whole.to_owned(),
                got: text.to_owned(),
                allowed: "finite numbers".to_owned(),
            });
        }
        if text.contains('+') {
            // A sum of specs, which whoever takes it reads term by term.
            return Ok(Self::Word(text.replace(' ', "")));
        }
        if text.contains('(') {
            let word = text.parse::<Spec>()?.to_string();
            // Without parameters it would be read back as a number, or as yes or no.
            if word.parse::<f64>().is_ok() || word.parse::<bool>().is_ok() {
                return Err(SpecError::Syntax {
                    got: text.to_owned(),
                    allowed: "a name that is no number",
                });
            }
            return Ok(Self::Word(word));
        }
        Ok(Self::Word(text.to_owned()))
    }

    fn real(real: f64) -> Option<Self> {
        if !real.is_finite() {
            None
        } else if real.fract() == 0.0 && real.abs() < MAX_EXACT {
            Some(Self::Int(real as i64))
        } else {
            Some(Self::Real(real))
        }
    }

    pub(super) fn from_json(json: &Json) -> Option<Self> {
        match json {
            Json::Bool(flag) => Some(Self::Bool(*flag)),
            Json::Number(n) => n
                .as_i64()
                .map(Self::Int)
                .or_else(|| Self::real(n.as_f64()?)),
            Json::String(word) => Some(Self::Word(word.clone())),
            Json::Null | Json::Array(_) | Json::Object(_) => None,
        }
    }

    pub(super) fn to_json(&self) -> Json {
        match self {
            Self::Bool(flag) => Json::from(*flag),
            Self::Int(int) => Json::from(*int),
            Self::Real(real) => Json::from(*real),
            Self::Word(word) => Json::from(word.as_str()),
        }
    }
}

/// The number that `8/255` stands for; `None` if that is no quotient of two numbers.
fn quotient(text: &str) -> Option<f64> {
    let (above, below) = text.split_once('/')?;
    let number = |text: &str| text.trim().parse::<f64>().ok();
    Some(number(above)? / number(below)?)
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(flag) => write!(f, "{flag}"),
            Self::Int(int) => write!(f, "{int}"),
            Self::Real(real) => write!(f, "{real:?}"),
            Self::Word(word) => f.write_str(word),
        }
    }
}

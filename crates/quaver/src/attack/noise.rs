//! [`NoiseMode`]: which randomness of the classifier each step of an attack sees.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::spec::{Spec, SpecError, Value, check_range};

/// Most draws a step may average.
pub const MAX_DRAWS: u32 = 1000;

/// The randomness of a randomized classifier during an attack. Written `off`, `fixed`,
/// `per-step`, `per-backward`, `eot(20)` or `eot:20`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum NoiseMode {
    /// The classifier's own deterministic form.
    Off,
    /// One draw for the whole attack.
    Fixed,
    /// A fresh draw each step, shared by forward and backward.
    #[default]
    PerStep,
    /// The loss from one fresh draw, its gradient through another.
    PerBackward,
    /// The mean gradient of this many fresh draws a step (expectation over transformation),
    /// 1 to [`MAX_DRAWS`].
    Eot(u32),
}

impl NoiseMode {
    /// Draws each step averages.
    #[must_use]
    pub const fn n_draws(self) -> u32 {
        match self {
            Self::Eot(n_draws) => n_draws,
            _ => 1,
        }
    }
}

impl fmt::Display for NoiseMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Fixed => f.write_str("fixed"),
            Self::PerStep => f.write_str("per-step"),
            Self::PerBackward => f.write_str("per-backward"),
            Self::Eot(n_draws) => write!(f, "eot({n_draws})"),
        }
    }
}

impl FromStr for NoiseMode {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        if let Some(n_draws) = text.strip_prefix("eot:") {
            return Self::from_str(&format!("eot({n_draws})"));
        }
        let spec: Spec = text.parse()?;
        let plain = spec.params.is_empty();
        match (spec.name.as_str(), &spec.bare) {
            _ if !plain => Err(unknown(text)),
            ("off", None) => Ok(Self::Off),
            ("fixed", None) => Ok(Self::Fixed),
            ("per-step", None) => Ok(Self::PerStep),
            ("per-backward", None) => Ok(Self::PerBackward),
            ("eot", Some(Value::Int(n_draws))) => {
                let most = i64::from(MAX_DRAWS);
                check_range("eot", *n_draws, 1..=most, "1 to 1000 draws")?;
                Ok(Self::Eot(*n_draws as u32))
            }
            _ => Err(unknown(text)),
        }
    }
}

fn unknown(text: &str) -> SpecError {
    SpecError::UnknownName {
        kind: "noise mode",
        got: text.to_owned(),
        allowed: "off, fixed, per-step, per-backward, eot:K".to_owned(),
        nearest: None,
    }
}

impl TryFrom<String> for NoiseMode {
    type Error = SpecError;

    fn try_from(text: String) -> Result<Self, SpecError> {
        text.parse()
    }
}

impl From<NoiseMode> for String {
    fn from(mode: NoiseMode) -> Self {
        mode.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_notations_read_and_one_is_printed() {
        for (text, printed) in [
            ("off", "off"),
            ("fixed", "fixed"),
            ("per-step", "per-step"),
            ("per-backward", "per-backward"),
            ("eot:20", "eot(20)"),
            ("eot(20)", "eot(20)"),
        ] {
            assert_eq!(text.parse::<NoiseMode>().unwrap().to_string(), printed);
        }
    }

    #[test]
    fn refuses_what_is_no_mode() {
        for text in [
            "",
            "eot",
            "eot(0)",
            "eot(1001)",
            "eot(-1)",
            "eot(1.5)",
            "eot(k=3)",
            "off(1)",
            "on",
        ] {
            assert!(text.parse::<NoiseMode>().is_err(), "{text}");
        }
        let error = "on".parse::<NoiseMode>().unwrap_err().to_string();
        assert_eq!(
            error,
            "unknown noise mode \"on\"; there are off, fixed, per-step, per-backward, eot:K"
        );
    }
}

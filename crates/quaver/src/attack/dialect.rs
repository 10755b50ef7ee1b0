//! [`Dialect`] and [`LabelSource`]: in what implementations of an attack differ.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::spec::{SpecError, find_name};

/// Whose details an attack follows where implementations of it differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dialect {
    /// Ours: without the known weaknesses of the others.
    #[default]
    #[serde(rename = "corrected")]
    Corrected,
    /// CleverHans 2.1 to 3.0.
    #[serde(rename = "cleverhans-2.1")]
    CleverHans21,
    /// CleverHans 3.1.
    #[serde(rename = "cleverhans-3.1")]
    CleverHans31,
    /// Adversarial Robustness Toolbox.
    #[serde(rename = "art")]
    Art,
    /// Torchattacks.
    #[serde(rename = "torchattacks")]
    Torchattacks,
}

impl Dialect {
    const ALL: [Self; 5] = [
        Self::Corrected,
        Self::CleverHans21,
        Self::CleverHans31,
        Self::Art,
        Self::Torchattacks,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Corrected => "corrected",
            Self::CleverHans21 => "cleverhans-2.1",
            Self::CleverHans31 => "cleverhans-3.1",
            Self::Art => "art",
            Self::Torchattacks => "torchattacks",
        }
    }

    /// Which labels it attacks unless told.
    #[must_use]
    pub const fn labels(self) -> LabelSource {
        match self {
            Self::Corrected | Self::Torchattacks => LabelSource::True,
            Self::CleverHans21 | Self::CleverHans31 | Self::Art => LabelSource::Predicted,
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Dialect {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        Ok(Self::ALL[find_name("dialect", text, &Self::ALL.map(Self::name))?])
    }
}

/// Which class an attack takes for that of a clean image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelSource {
    /// The label.
    #[default]
    True,
    /// The class that one pass of the classifier names.
    Predicted,
}

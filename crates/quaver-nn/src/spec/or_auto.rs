//! [`OrAuto`]: a value that may be left to the plug-in.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

/// The word that leaves a value to the plug-in.
pub const AUTO: &str = "auto";

/// A parameter's value, or the word `auto`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OrAuto<T> {
    /// What suits the other parameters.
    Auto,
    /// This one.
    Given(T),
}

impl<T> OrAuto<T> {
    /// The value that is given, else `auto()`.
    pub fn unwrap_or_else(self, auto: impl FnOnce() -> T) -> T {
        match self {
            Self::Auto => auto(),
            Self::Given(value) => value,
        }
    }
}

impl<T: Serialize> Serialize for OrAuto<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str(AUTO),
            Self::Given(value) => value.serialize(serializer),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for OrAuto<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Json::deserialize(deserializer)?;
        if json == AUTO {
            return Ok(Self::Auto);
        }
        let value = serde_json::from_value(json).map_err(serde::de::Error::custom)?;
        Ok(Self::Given(value))
    }
}

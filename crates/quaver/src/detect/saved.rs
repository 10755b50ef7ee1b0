//! [`Saved`]: a fitted detector as JSON.

use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{DetectError, Fitted, entry};

/// Version of the layout of [`Saved`]; a file with another one is refused.
pub const SCHEMA: u64 = 1;

/// Longest text that is read: a thousand times a detector of today, and little memory even
/// where every two bytes of it are a value.
const MAX_BYTES: usize = 1 << 20;

/// A fitted detector with what is needed to use it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    /// [`SCHEMA`].
    pub schema: u64,
    /// Id of the detector.
    pub detector: String,
    /// Id of the uncertainty measure it was fitted on.
    pub measure: String,
    /// Passes that the measure read when it was fitted; at least 1.
    pub n_passes: u32,
    /// What was fitted.
    pub parameters: Value,
}

impl Saved {
    /// `fitted` on `measure` over `n_passes` passes.
    #[must_use]
    pub fn new(fitted: &dyn Fitted, measure: &str, n_passes: u32) -> Self {
        Self {
            schema: SCHEMA,
            detector: fitted.id().to_owned(),
            measure: measure.to_owned(),
            n_passes,
            parameters: fitted.parameters(),
        }
    }

    /// Reads JSON.
    ///
    /// # Errors
    /// [`DetectError::Schema`] of another version, [`DetectError::Format`] of anything else
    /// that is no saved detector.
    pub fn from_json(text: &str) -> Result<Self, DetectError> {
        if text.len() > MAX_BYTES {
            let reason = format!("{} bytes, allowed are {MAX_BYTES}", text.len());
            return Err(serde_json::Error::custom(reason).into());
        }
        // The number is looked at first: another version may have other fields.
        let fields: Map<String, Value> = serde_json::from_str(text)?;
        match fields.get("schema").and_then(Value::as_u64) {
            Some(got) if got != SCHEMA => Err(DetectError::Schema {
                got,
                allowed: SCHEMA,
            }),
            _ => Ok(serde_json::from_value(fields.into())?),
        }
    }

    /// Writes JSON with a final line feed.
    ///
    /// # Errors
    /// [`DetectError::Format`] where a fitted parameter cannot be written.
    pub fn to_json(&self) -> Result<String, DetectError> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// The detector, ready to score.
    ///
    /// # Errors
    /// [`DetectError`] where the detector is unknown or its parameters do not read.
    pub fn load(&self) -> Result<Box<dyn Fitted>, DetectError> {
        (entry(&self.detector)?.load)(self.parameters.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Detector, LogisticRegression, Sample};
    use super::*;

    fn saved() -> (Box<dyn Fitted>, Saved) {
        let samples: Vec<Sample> = (0..8)
            .map(|i| Sample {
                source: i,
                score: i as f64 * 0.1,
                adversarial: i % 3 > 0,
            })
            .collect();
        let fitted = LogisticRegression::default().fit(&samples).unwrap();
        let saved = Saved::new(&*fitted, "variance", 50);
        (fitted, saved)
    }

    #[test]
    fn a_detector_comes_back_the_same() {
        let (fitted, saved) = saved();
        let text = saved.to_json().unwrap();
        let loaded = Saved::from_json(&text).unwrap();
        assert_eq!(loaded, saved);
        let score = loaded.load().unwrap().suspicion(0.31);
        assert_eq!(score.to_bits(), fitted.suspicion(0.31).to_bits());
    }

    #[test]
    fn foreign_files_are_refused_in_words() {
        let text = saved().1.to_json().unwrap();
        let newer = text.replace("\"schema\": 1", "\"schema\": 2");
        let error = Saved::from_json(&newer).unwrap_err().to_string();
        assert_eq!(error, "saved detector has schema 2, this program reads 1");
        for list in [r#"[1, "a", "b", 1, {}]"#, r#"[2, "a", "b", 1, {}]"#, "{}"] {
            assert!(Saved::from_json(list).is_err(), "{list}");
        }
        assert!(Saved::from_json(&text[..30]).is_err());
        let long = "[],".repeat(1 << 19);
        let error = Saved::from_json(&long).unwrap_err().to_string();
        assert!(
            error.ends_with("1572864 bytes, allowed are 1048576"),
            "{error}"
        );
        assert!(
            Saved::from_json(&text.replace("logistic-regression", "oracle"))
                .unwrap()
                .load()
                .is_err()
        );
        assert!(
            Saved::from_json(&text.replace("weight", "waist"))
                .unwrap()
                .load()
                .is_err()
        );
    }
}

//! [`Saved`]: a fitted detector as JSON, with all that it needs to be used again.

use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{DetectError, Fitted, entry, threshold_at};
use crate::decision::Decision;
use crate::feature::{self, Features};

/// Version of the layout of [`Saved`]; a file with another one is refused.
pub const SCHEMA: u64 = 2;

/// Most values that are read, with little memory even where each of them is a list.
const MAX_VALUES: usize = 1 << 20;

/// A fitted detector with what is needed to use it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    /// [`SCHEMA`].
    pub schema: u64,
    /// Fingerprint of the classifier that it was fitted for, if that has one.
    pub model: Option<String>,
    /// How passes become an answer; the features read as many.
    pub decision: Decision,
    /// The features and what they were fitted on, in the order of the numbers.
    pub features: Vec<feature::Saved>,
    /// The detector.
    pub detector: Named,
    /// Suspicions of clean inputs that it was fitted on: thresholds of a share of false alarms
    /// come from them.
    pub clean: Vec<f64>,
}

/// A fitted detector and its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// Id of its entry.
    pub id: String,
    /// What was fitted.
    pub parameters: Value,
}

impl Named {
    /// Of `fitted`.
    #[must_use]
    pub fn of(fitted: &dyn Fitted) -> Self {
        Self {
            id: fitted.id().to_owned(),
            parameters: fitted.parameters(),
        }
    }
}

impl Saved {
    /// Reads JSON.
    ///
    /// # Errors
    /// [`DetectError::Schema`] of another version, [`DetectError::Format`] of anything else
    /// that is no saved detector.
    pub fn from_json(text: &str) -> Result<Self, DetectError> {
        let begins = |byte: &u8| matches!(byte, b',' | b'[' | b'{');
        let n_values = text.bytes().filter(begins).count();
        if n_values > MAX_VALUES {
            let reason = format!("{n_values} values, allowed are {MAX_VALUES}");
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

    /// The features and the detector, ready to score.
    ///
    /// # Errors
    /// [`DetectError`] where one is unknown, what was fitted does not read, or they do not fit
    /// each other.
    pub fn load(&self) -> Result<(Features, Box<dyn Fitted>), DetectError> {
        let features = Features::load(&self.features)?;
        let fitted = (entry(&self.detector.id)?.load)(self.detector.parameters.clone())?;
        let (reads, given) = (fitted.width(), features.width());
        match reads == given {
            true => Ok((features, fitted)),
            false => Err(DetectError::Width { reads, given }),
        }
    }

    /// Suspicion above which at most a share `max_fpr` of the clean inputs that it was fitted on
    /// lie.
    #[must_use]
    pub fn threshold_at(&self, max_fpr: f64) -> Option<f64> {
        threshold_at(&self.clean, max_fpr)
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
                features: vec![i as f64 * 0.1],
                adversarial: i % 3 > 0,
            })
            .collect();
        let fitted = LogisticRegression::default().fit(&samples).unwrap();
        let saved = Saved {
            schema: SCHEMA,
            model: Some("abc".into()),
            decision: Decision::Mean(50),
            features: vec![feature::Saved {
                feature: "variance".into(),
                fitted: Value::Null,
            }],
            detector: Named::of(&*fitted),
            clean: (0..100).map(f64::from).collect(),
        };
        (fitted, saved)
    }

    #[test]
    fn a_detector_comes_back_the_same() {
        let (fitted, saved) = saved();
        let text = saved.to_json().unwrap();
        let loaded = Saved::from_json(&text).unwrap();
        assert_eq!(loaded, saved);
        let (features, again) = loaded.load().unwrap();
        assert!(features.specs().eq(["variance"]));
        let suspicions = [again, fitted].map(|fitted| fitted.suspicion(&[0.31]).to_bits());
        assert_eq!(suspicions[0], suspicions[1]);
        assert_eq!(loaded.threshold_at(0.05), Some(94.0));
    }

    #[test]
    fn foreign_files_are_refused_in_words() {
        let text = saved().1.to_json().unwrap();
        let older = text.replace("\"schema\": 2", "\"schema\": 1");
        let error = Saved::from_json(&older).unwrap_err().to_string();
        assert_eq!(error, "saved detector has schema 1, this program reads 2");
        for list in [r#"[2, null, "first", [], {}, []]"#, r#"[3, "a"]"#, "{}"] {
            assert!(Saved::from_json(list).is_err(), "{list}");
        }
        assert!(Saved::from_json(&text[..30]).is_err());
        let long = "[],".repeat(1 << 20);
        let error = Saved::from_json(&long).unwrap_err().to_string();
        assert!(
            error.ends_with("2097152 values, allowed are 1048576"),
            "{error}"
        );
        for (word, other) in [
            ("logistic-regression", "oracle"),
            ("weight", "waist"),
            ("variance", "varianz"),
        ] {
            let changed = Saved::from_json(&text.replace(word, other)).unwrap();
            assert!(changed.load().is_err(), "{other}");
        }
        let mut two = saved().1;
        two.features.push(two.features[0].clone());
        let error = two.load().err().unwrap().to_string();
        assert_eq!(error, "saved detector reads 1 numbers, its features give 2");
    }
}

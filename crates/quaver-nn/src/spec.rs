//! Spec strings such as `pgd(eps=0.3,n_steps=40)`: one notation for everything that is
//! found by name (attacks, quantizers, measures, detectors) in flags, files and reports.
//!
//! What a plug-in takes is a list of [`Parameter`]s; its values are read into a plain serde
//! struct. Fields of real numbers are `f64`, so that what a user typed is what is printed back.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeBounds;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

mod error;
mod or_auto;
mod parameter;
mod plug_in;
mod text;
mod value;

pub use error::SpecError;
use error::nearest;
pub use or_auto::{AUTO, OrAuto};
pub use parameter::{Allowed, Interval, Parameter};
pub use plug_in::PlugIn;
pub use text::{split_list, split_sum};
pub use value::Value;

/// A name and the parameters given with it. Printing it gives the canonical form: parameters
/// sorted by name, no spaces, numbers in the shortest form that reads back to the same value.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// Name of the plug-in.
    pub name: String,
    /// Parameters given by name.
    pub params: BTreeMap<String, Value>,
    /// A single value given without a name, as in `k-bit(2)`: the only parameter of its plug-in.
    pub bare: Option<Value>,
}

/// Checks that `range` holds `value`; NaN is in no range.
///
/// # Errors
/// [`SpecError::OutOfRange`] naming the parameter, the value and `allowed`.
pub fn check_range<T: PartialOrd + fmt::Display>(
    name: &str,
    value: T,
    range: impl RangeBounds<T>,
    allowed: &str,
) -> Result<(), SpecError> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(SpecError::OutOfRange {
        name: name.to_owned(),
        got: value.to_string(),
        allowed: allowed.to_owned(),
    })
}

/// Position of `got` in `names`.
///
/// # Errors
/// [`SpecError::UnknownName`] listing `names` and the nearest of them.
pub fn find_name(kind: &'static str, got: &str, names: &[&str]) -> Result<usize, SpecError> {
    names
        .iter()
        .position(|name| *name == got)
        .ok_or_else(|| SpecError::UnknownName {
            kind,
            got: got.to_owned(),
            allowed: names.join(", "),
            nearest: nearest(got, names),
        })
}

impl Spec {
    /// The spec of `name` with all fields of `params`; fields that are `None` are left out.
    ///
    /// # Errors
    /// [`SpecError::WrongValue`] if `params` is not a struct of numbers, booleans and words.
    pub fn of<T: Serialize>(name: &str, params: &T) -> Result<Self, SpecError> {
        let mut spec = Self {
            name: name.to_owned(),
            params: BTreeMap::new(),
            bare: None,
        };
        for (key, json) in fields(name, params)? {
            if let Some(value) = Value::from_json(&json) {
                spec.params.insert(key, value);
            }
        }
        Ok(spec)
    }

    /// The same with the parameter `name` given as `value`.
    ///
    /// # Errors
    /// [`SpecError::OutOfRange`] for numbers that are not finite.
    pub fn with(mut self, name: &str, value: &str) -> Result<Self, SpecError> {
        let value = Value::parse(value, name)?;
        self.params.insert(name.to_owned(), value);
        Ok(self)
    }

    /// Values of all `parameters`: those that the spec gives, else the defaults.
    ///
    /// # Errors
    /// [`SpecError::UnknownParameter`] and [`SpecError::OutOfRange`], naming the parameter.
    pub fn values(&self, parameters: &[Parameter]) -> Result<Values, SpecError> {
        let mut given = self.named(parameters)?;
        let mut params = BTreeMap::new();
        for parameter in parameters {
            let value = match given.remove(parameter.name) {
                Some(value) => value.clone(),
                None => Value::parse(parameter.default, parameter.name)?,
            };
            parameter.check(&value)?;
            params.insert(parameter.name.to_owned(), value);
        }
        Ok(Values(Self {
            name: self.name.clone(),
            params,
            bare: None,
        }))
    }

    /// What the spec gives, by name.
    fn named(&self, parameters: &[Parameter]) -> Result<BTreeMap<&str, &Value>, SpecError> {
        let known: Vec<&str> = parameters.iter().map(|one| one.name).collect();
        let mut given: BTreeMap<&str, &Value> = BTreeMap::new();
        if let Some(value) = &self.bare {
            let [only] = parameters else {
                return Err(self.unknown_parameter(&value.to_string(), &known));
            };
            given.insert(only.name, value);
        }
        for (name, value) in &self.params {
            if !known.contains(&name.as_str()) || given.insert(name, value).is_some() {
                return Err(self.unknown_parameter(name, &known));
            }
        }
        Ok(given)
    }

    fn unknown_parameter(&self, got: &str, known: &[&str]) -> SpecError {
        SpecError::UnknownParameter {
            of: self.name.clone(),
            got: got.to_owned(),
            allowed: if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            },
            nearest: nearest(got, known),
        }
    }

    fn wrong_whole(&self, reason: &str) -> SpecError {
        SpecError::WrongValue {
            of: self.name.clone(),
            name: "parameters".to_owned(),
            got: self.to_string(),
            reason: reason.to_owned(),
        }
    }
}

/// The values of all parameters of a plug-in, each in its range.
#[derive(Clone, Debug, PartialEq)]
pub struct Values(Spec);

impl Values {
    /// As a struct with a field for each parameter.
    ///
    /// # Errors
    /// [`SpecError::WrongValue`] if the struct has others.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, SpecError> {
        let json = |(name, value): (&String, &Value)| (name.clone(), value.to_json());
        let fields = self.0.params.iter().map(json).collect();
        serde_json::from_value(Json::Object(fields)).map_err(|e| self.0.wrong_whole(&e.to_string()))
    }

    /// Those called `names`, as a struct with a field for each.
    ///
    /// # Errors
    /// [`SpecError::WrongValue`] if the struct has others.
    pub fn read_some<T: DeserializeOwned>(&self, names: &[&str]) -> Result<T, SpecError> {
        let mut some = self.clone();
        some.0
            .params
            .retain(|name, _| names.contains(&name.as_str()));
        some.read()
    }

    /// As a spec that gives all of them.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.0
    }
}

/// The fields of a parameter struct as JSON, sorted by name.
fn fields<T: Serialize>(
    name: &str,
    params: &T,
) -> Result<serde_json::Map<String, Json>, SpecError> {
    let wrong = |reason: String| SpecError::WrongValue {
        of: name.to_owned(),
        name: "parameters".to_owned(),
        got: "a value that is no struct".to_owned(),
        reason,
    };
    match serde_json::to_value(params) {
        Ok(Json::Object(map)) => Ok(map),
        Ok(Json::Null) => Ok(serde_json::Map::new()),
        Ok(_) => Err(wrong("expected named fields".to_owned())),
        Err(error) => Err(wrong(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Params {
        eps: f64,
        n_steps: u32,
        keep: bool,
        noise: String,
    }

    const fn parameter(name: &'static str, default: &'static str, allowed: Allowed) -> Parameter {
        let about = "";
        Parameter {
            name,
            default,
            allowed,
            about,
        }
    }

    const ALL: &[Parameter] = &[
        parameter("eps", "0.3", Allowed::Real(&[Interval::closed(0.0, 1.0)])),
        parameter("keep", "true", Allowed::Flag),
        parameter("n_steps", "40", Allowed::Integer(1, 100)),
        parameter("noise", "off", Allowed::Spec("noise", |_| Ok(()))),
    ];
    const BITS: &[Parameter] = &[parameter("bits", "1", Allowed::Integer(1, 8))];

    #[derive(Debug, PartialEq, Deserialize)]
    struct One {
        bits: u32,
    }

    fn parse(text: &str) -> Spec {
        text.parse().unwrap()
    }

    fn message(text: &str) -> String {
        match text.parse::<Spec>() {
            Err(error) => error.to_string(),
            Ok(spec) => spec.values(ALL).unwrap_err().to_string(),
        }
    }

    #[test]
    fn prints_sorted_and_shortest_and_reads_back() {
        let spec = parse(" pgd( n_steps = 40.0, eps=3e-1 , tiny=1e-7,noise=eot( 20 ),k=eot:20) ");
        assert_eq!(
            spec.to_string(),
            "pgd(eps=0.3,k=eot:20,n_steps=40,noise=eot(20),tiny=1e-7)"
        );
        assert_eq!(parse(&spec.to_string()), spec);
        assert_eq!(parse("jsma()").to_string(), "jsma");
        assert_eq!(parse("cleverhans-2.1").name, "cleverhans-2.1");
    }

    #[test]
    fn fills_defaults_and_prints_all_in_force() {
        let params: Params = parse("pgd(eps=1,noise=eot(20))")
            .values(ALL)
            .unwrap()
            .read()
            .unwrap();
        assert_eq!(
            params,
            Params {
                eps: 1.0,
                n_steps: 40,
                keep: true,
                noise: "eot(20)".to_owned(),
            }
        );
        let spec = Spec::of("pgd", &params).unwrap();
        assert_eq!(
            spec.to_string(),
            "pgd(eps=1,keep=true,n_steps=40,noise=eot(20))"
        );
        assert_eq!(spec.values(ALL).unwrap().spec(), &spec);
    }

    #[test]
    fn quotients_are_numbers() {
        let params = parse("pgd(eps=8/255)").values(ALL).unwrap();
        assert_eq!(params.spec().params["eps"], Value::Real(8.0 / 255.0));
        assert!(message("pgd(eps=8/0)").contains("finite"));
        assert!(message("pgd(eps=510/255)").contains("eps = 2 is out of range"));
    }

    #[test]
    fn one_bare_value_names_the_only_parameter() {
        assert_eq!(
            parse("k-bit(2)").values(BITS).unwrap().read(),
            Ok(One { bits: 2 })
        );
        assert_eq!(parse("k-bit(2)").to_string(), "k-bit(2)");
        assert!(parse("pgd(2)").values(ALL).is_err());
        assert!(parse("k-bit(2,bits=3)").values(BITS).is_err());
    }

    #[test]
    fn errors_name_what_was_given_and_what_is_allowed() {
        assert_eq!(
            message("pgd(step=1,n_stps=4)"),
            "pgd has no parameter \"n_stps\" (did you mean \"n_steps\"?); \
             it takes eps, keep, n_steps, noise"
        );
        assert_eq!(
            message("pgd(n_steps=1.5)"),
            "n_steps = 1.5 is out of range; allowed: whole numbers from 1 to 100"
        );
        assert_eq!(
            message("pgd(eps=nan)"),
            "eps = nan is out of range; allowed: finite numbers"
        );
        assert!(message("pgd(eps=-inf)").contains("finite"));
    }

    #[test]
    fn unknown_names_list_all_and_the_nearest() {
        let error = find_name("attack", "fsgm", &["fgsm", "pgd"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown attack \"fsgm\" (did you mean \"fgsm\"?); there are fgsm, pgd"
        );
        assert_eq!(find_name("attack", "pgd", &["fgsm", "pgd"]), Ok(1));
        assert!(
            !find_name("attack", "zzzz", &["fgsm"])
                .unwrap_err()
                .to_string()
                .contains("mean")
        );
    }

    #[test]
    fn ranges_refuse_nan() {
        assert!(check_range("eps", 0.0, 0.0..=1.0, "0 to 1").is_ok());
        for bad in [f64::NAN, f64::INFINITY, -0.1, 1.1] {
            assert!(check_range("eps", bad, 0.0..=1.0, "0 to 1").is_err());
        }
    }
}

//! One number of a table with its doubt and the value it is held beside, as text.

use crate::evaluate::interval::{Estimate, Rate};
use crate::evaluate::seeds::Moments;

/// What stands where a number is missing, for people.
pub const MISSING: &str = "n/a";

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A share of 1, written as a percentage with one decimal.
    Percent,
    /// A share of 1, written with three decimals.
    Share,
    /// Written as `9.62e-4`.
    Scientific,
    /// Written with two decimals.
    Decimal,
    /// A whole number.
    Count,
}

impl Unit {
    /// `value` as written; [`MISSING`] if it is no number.
    pub fn text(self, value: f64) -> String {
        match self {
            Self::Percent => fixed(value * 100.0, 1),
            Self::Share => fixed(value, 3),
            Self::Scientific if value == 0.0 => "0".into(),
            Self::Scientific if value.is_finite() => format!("{value:.2e}"),
            Self::Scientific => MISSING.into(),
            Self::Decimal => fixed(value, 2),
            Self::Count => fixed(value, 0),
        }
    }

    /// Name of the stored unit, for programs.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Percent | Self::Share => "fraction",
            Self::Scientific | Self::Decimal => "",
            Self::Count => "count",
        }
    }
}

/// `value` with `digits` decimals and no negative zero; [`MISSING`] if it is no number.
pub fn fixed(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return MISSING.into();
    }
    let text = format!("{value:.digits$}");
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| matches!(c, '0' | '.')) => rest.into(),
        _ => text,
    }
}

/// How sure a number is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Doubt {
    /// Not stated.
    Unstated,
    /// 95 % interval.
    Interval(f64, f64),
    /// Standard deviation over seeds.
    Deviation(f64),
}

/// A number of a table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value {
    /// The number; `None` where there is none.
    pub value: Option<f64>,
    /// How sure it is.
    pub doubt: Doubt,
    /// Cases, images or seeds it rests on.
    pub n: Option<u64>,
    /// The number of others that it is held beside, in the same unit.
    pub reference: Option<f64>,
    /// How it is written.
    pub unit: Unit,
}

impl Value {
    /// A number that does not exist.
    pub const fn missing(unit: Unit) -> Self {
        Self {
            value: None,
            doubt: Doubt::Unstated,
            n: None,
            reference: None,
            unit,
        }
    }

    /// A number without doubt.
    pub fn plain(value: Option<f64>, unit: Unit) -> Self {
        Self {
            value,
            ..Self::missing(unit)
        }
    }

    /// A count.
    pub fn count(value: u64) -> Self {
        Self::plain(Some(value as f64), Unit::Count)
    }

    /// A share of cases.
    pub fn rate(rate: Option<Rate>) -> Self {
        let Some(rate) = rate else {
            return Self::missing(Unit::Percent);
        };
        Self {
            value: Some(rate.value),
            doubt: Doubt::Interval(rate.low, rate.high),
            n: Some(rate.n),
            ..Self::missing(Unit::Percent)
        }
    }

    /// Another statistic.
    pub fn estimate(estimate: Option<Estimate>, unit: Unit) -> Self {
        let Some(estimate) = estimate else {
            return Self::missing(unit);
        };
        Self {
            value: Some(estimate.value),
            doubt: Doubt::Interval(estimate.low, estimate.high),
            n: Some(estimate.n),
            ..Self::missing(unit)
        }
    }

    /// A number over seeds.
    pub fn moments(moments: Option<Moments>, unit: Unit) -> Self {
        let Some(moments) = moments else {
            return Self::missing(unit);
        };
        Self {
            value: Some(moments.mean),
            doubt: moments.deviation.map_or(Doubt::Unstated, Doubt::Deviation),
            n: Some(moments.k),
            ..Self::missing(unit)
        }
    }

    /// The same with the number of others beside it.
    pub fn beside(self, reference: Option<f64>) -> Self {
        Self { reference, ..self }
    }

    /// The number as text.
    pub fn main(&self) -> String {
        self.value
            .map_or_else(|| MISSING.into(), |value| self.unit.text(value))
    }

    /// The doubt as text: both ends joined by `dash`, or the deviation after `plus_minus`.
    pub fn doubt_text(&self, dash: &str, plus_minus: &str) -> Option<String> {
        self.value?;
        match self.doubt {
            Doubt::Unstated => None,
            Doubt::Interval(low, high) => Some(format!(
                "{}{dash}{}",
                self.unit.text(low),
                self.unit.text(high)
            )),
            Doubt::Deviation(deviation) => {
                Some(format!("{plus_minus}{}", self.unit.text(deviation)))
            }
        }
    }

    /// The number of others as text.
    pub fn reference_text(&self) -> Option<String> {
        self.reference.map(|reference| self.unit.text(reference))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_their_unit() {
        assert_eq!(Unit::Percent.text(0.9876), "98.8");
        assert_eq!(Unit::Share.text(0.91249), "0.912");
        assert_eq!(Unit::Scientific.text(9.62e-4), "9.62e-4");
        assert_eq!(Unit::Scientific.text(0.0), "0");
        assert_eq!(Unit::Count.text(500.0), "500");
        assert_eq!(fixed(-0.004, 2), "0.00");
        assert_eq!(fixed(-1.5, 1), "-1.5");
    }

    #[test]
    fn what_is_no_number_is_never_printed_as_one() {
        for unit in [
            Unit::Percent,
            Unit::Share,
            Unit::Scientific,
            Unit::Decimal,
            Unit::Count,
        ] {
            assert_eq!(unit.text(f64::NAN), MISSING);
            assert_eq!(unit.text(f64::INFINITY), MISSING);
        }
        assert_eq!(Value::rate(None).main(), MISSING);
        assert_eq!(Value::rate(None).doubt_text("-", "±"), None);
    }

    #[test]
    fn doubt_is_an_interval_or_a_deviation() {
        let rate = Value::rate(Rate::new(1, 2));
        assert_eq!(rate.main(), "50.0");
        assert_eq!(rate.doubt_text("-", "±").unwrap(), "9.5-90.5");
        let moments = Moments {
            k: 3,
            mean: 0.5,
            deviation: Some(0.01),
        };
        let value = Value::moments(Some(moments), Unit::Percent).beside(Some(0.982));
        assert_eq!(value.doubt_text("-", "±").unwrap(), "±1.0");
        assert_eq!(value.reference_text().unwrap(), "98.2");
    }
}

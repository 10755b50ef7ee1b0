//! Numbers among the flags: one parser, which tells the range that is allowed.

use std::fmt::Display;
use std::ops::Bound::{self, Excluded, Included, Unbounded};
use std::ops::RangeBounds;
use std::str::FromStr;

/// Parser of whole numbers in `range`.
pub(super) fn whole<T>(range: impl Range<T>) -> impl Parser<T>
where
    T: FromStr + PartialOrd + Display,
{
    move |text| {
        text.parse()
            .ok()
            .filter(|got| range.contains(got))
            .ok_or_else(|| expected("a whole number", &range))
    }
}

/// Parser of finite numbers in `range`.
pub(super) fn real(range: impl Range<f64>) -> impl Parser<f64> {
    move |text| {
        let got = text.parse().ok();
        got.filter(|got: &f64| got.is_finite() && range.contains(got))
            .ok_or_else(|| expected("a number", &range))
    }
}

/// What the parser of a flag has to be.
pub(super) trait Parser<T>:
    Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
{
}

impl<T, F: Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static> Parser<T> for F {}

/// A range that such a parser can hold.
pub(super) trait Range<T>: RangeBounds<T> + Clone + Send + Sync + 'static {}

impl<T, R: RangeBounds<T> + Clone + Send + Sync + 'static> Range<T> for R {}

fn expected<T: Display>(what: &str, range: &impl RangeBounds<T>) -> String {
    let bound = |word: &str, bound: Bound<&T>| match bound {
        Included(end) => format!(" {word} {end}"),
        Excluded(end) if word == "from" => format!(" above {end}"),
        Excluded(end) => format!(" below {end}"),
        Unbounded => String::new(),
    };
    let [low, high] = [
        bound("from", range.start_bound()),
        bound("to", range.end_bound()),
    ];
    format!("expected {what}{low}{high}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed_is_told_whatever_was_got() {
        let passes = whole(1..=50_u32);
        assert_eq!(passes("50"), Ok(50));
        for got in [
            "",
            "x",
            "0",
            "-3",
            "51",
            "1e9",
            "2.5",
            "99999999999999999999",
        ] {
            assert_eq!(
                passes(got).unwrap_err(),
                "expected a whole number from 1 to 50"
            );
        }
        let n = whole(1_usize..);
        assert_eq!(n("0").unwrap_err(), "expected a whole number from 1");
        let rate = real((Excluded(0.0), Included(1.0)));
        assert_eq!(rate("1e-3"), Ok(1e-3));
        for got in ["0", "nan", "inf", "-1", "1.5", "fast"] {
            assert_eq!(rate(got).unwrap_err(), "expected a number above 0 to 1");
        }
        assert_eq!(real(..)("inf").unwrap_err(), "expected a number");
    }
}

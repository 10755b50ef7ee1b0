//! Columns of numbers that every input has, and sections of rows, one an input.

use crate::published::{self, PublishedRow};
use crate::results::{CLEAN, InputMoments, InputResults, Results, TopologyResults};

use super::view::View;
use super::{Column, Section, Unit, Value, rows};

/// A column of numbers that every input has.
///
/// `S` is the part of [`InputResults`] the number is taken from.
pub(super) struct Metric<S = InputResults> {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) unit: Unit,
    /// The number of one seed.
    pub(super) seed: fn(&S) -> Value,
    /// The number over seeds.
    pub(super) across: fn(&InputMoments) -> Value,
    /// The paper's number for an input, in the metric's unit.
    pub(super) paper: fn(&PublishedRow, &str) -> Option<f64>,
}

impl<S> Metric<S> {
    fn value(
        &self,
        row: &TopologyResults,
        view: View,
        input: &str,
        select: fn(&InputResults) -> Option<&S>,
    ) -> Value {
        let seed = view
            .seed(row)
            .and_then(|seed| seed.inputs.iter().find(|i| i.input == input));
        let seed = seed.and_then(select);
        let across = view
            .across(row)
            .and_then(|all| all.inputs.iter().find(|i| i.input == input));
        let value = match (seed, across) {
            (Some(input), _) => (self.seed)(input),
            (None, Some(input)) => (self.across)(input),
            (None, None) => Value::missing(self.unit),
        };
        value.beside(published::row(&row.topology).and_then(|row| (self.paper)(row, input)))
    }
}

/// For metrics over seeds that are not kept.
pub(super) const fn not_kept(_: &InputMoments) -> Value {
    Value::missing(Unit::Percent)
}

/// For metrics that the paper does not have.
pub(super) const fn unpublished(_: &PublishedRow, _: &str) -> Option<f64> {
    None
}

pub(super) fn columns<S>(metrics: &[Metric<S>]) -> Vec<Column> {
    metrics
        .iter()
        .map(|m| Column {
            id: m.id.into(),
            title: m.title.into(),
            optional: true,
        })
        .collect()
}

/// One section an input, in the order of `inputs`; `select` finds what the metrics read.
pub(super) fn sections<S>(
    results: &Results,
    view: View,
    inputs: &[(String, String)],
    metrics: &[Metric<S>],
    select: fn(&InputResults) -> Option<&S>,
) -> Vec<Section> {
    let cells = |row: &TopologyResults, input: &str| {
        let values = metrics.iter().map(|m| m.value(row, view, input, select));
        values.collect()
    };
    let section = |(id, title): &(String, String)| Section {
        id: id.clone(),
        title: title.clone(),
        rows: rows(results, view, |row| cells(row, id)),
    };
    inputs.iter().map(section).collect()
}

/// Clean inputs and the attack that the paper's tables 1 and 3 hold, as (id, title).
pub(super) fn clean_and_first(results: &Results) -> Vec<(String, String)> {
    let clean = (CLEAN.to_owned(), "Clean".to_owned());
    std::iter::once(clean)
        .chain(attacks(results).into_iter().take(1))
        .collect()
}

/// The attacks of the paper's tables 2 and 4.
pub(super) fn others(results: &Results) -> Vec<(String, String)> {
    attacks(results).into_iter().skip(1).collect()
}

pub(super) fn attacks(results: &Results) -> Vec<(String, String)> {
    results
        .attacks
        .iter()
        .map(|attack| (attack.id.clone(), attack.title.clone()))
        .collect()
}

/// Clean inputs and all attacks.
pub(super) fn inputs(results: &Results) -> Vec<(String, String)> {
    clean_and_first(results)
        .into_iter()
        .chain(others(results))
        .collect()
}

/// "clean and FGSM" of the titles of `inputs`, within a sentence.
pub(super) fn titles(inputs: &[(String, String)]) -> String {
    let inner = |(id, title): &(String, String)| {
        if id == CLEAN {
            id.clone()
        } else {
            title.clone()
        }
    };
    let titles: Vec<_> = inputs.iter().map(inner).collect();
    match titles.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

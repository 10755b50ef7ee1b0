//! Tables 3 and 4: the variance over passes and the paper's detector.

use crate::published::{PublishedRow, PublishedUncertainty};
use crate::results::{InputResults, Rate, Results, Spread};
use quaver::evaluate::interval::Estimate;

use super::metric::{self, Metric};
use super::view::View;
use super::{Table, Unit, Value};

const METRICS: [Metric; 4] = [
    Metric {
        id: "mean",
        title: "Mean",
        unit: Unit::Scientific,
        seed: |input| Value::estimate(input.uncertainty.map(mean), Unit::Scientific),
        across: |input| Value::moments(input.uncertainty_mean, Unit::Scientific),
        paper: |row, input| published(row, input).map(|numbers| numbers.mu),
    },
    Metric {
        id: "standard_deviation",
        title: "Deviation",
        unit: Unit::Scientific,
        seed: |input| spread(input, |spread| spread.standard_deviation),
        across: metric::not_kept,
        paper: metric::unpublished,
    },
    Metric {
        id: "variance",
        title: "Variance",
        unit: Unit::Scientific,
        seed: |input| spread(input, |spread| spread.variance),
        across: |input| Value::moments(input.uncertainty_variance, Unit::Scientific),
        paper: |row, input| published(row, input).map(|numbers| numbers.sigma),
    },
    Metric {
        id: "detector_paper",
        title: "Detector (paper's way)",
        unit: Unit::Percent,
        seed: |input| Value::rate(paper_detector(input)),
        across: |input| Value::moments(input.detector_paper, Unit::Percent),
        paper: |row, input| published(row, input)?.lr.map(|lr| lr / 100.0),
    },
];

fn published<'a>(row: &'a PublishedRow, input: &str) -> Option<&'a PublishedUncertainty> {
    row.uncertainty.get(input)
}

fn mean(spread: Spread) -> Estimate {
    let Spread {
        n, mean, low, high, ..
    } = spread;
    Estimate {
        n,
        value: mean,
        low,
        high,
    }
}

fn spread(input: &InputResults, of: fn(&Spread) -> f64) -> Value {
    let n = input.uncertainty.map(|spread| spread.n);
    Value {
        n,
        ..Value::plain(input.uncertainty.as_ref().map(of), Unit::Scientific)
    }
}

fn paper_detector(input: &InputResults) -> Option<Rate> {
    input.detection.as_ref()?.paper.as_ref()?.all.accuracy
}

pub(super) fn clean_and_first(results: &Results, view: View) -> Table {
    table(
        "table-3",
        3,
        results,
        view,
        &metric::clean_and_first(results),
    )
}

pub(super) fn others(results: &Results, view: View) -> Table {
    table("table-4", 4, results, view, &metric::others(results))
}

fn table(
    id: &'static str,
    number: u32,
    results: &Results,
    view: View,
    inputs: &[(String, String)],
) -> Table {
    Table {
        id,
        number: Some(number),
        title: format!("Uncertainty on {} inputs", metric::titles(inputs)),
        note: format!(
            "Variance of the softmax output over {} passes, over images; detector accuracy in %, {}. \
             What the paper prints as sigma is a variance and stands beside ours. The detector is \
             fitted and scored on the same points here, as the paper's was.",
            results.n_passes,
            view.reading(results)
        ),
        main: true,
        columns: metric::columns(&METRICS),
        sections: metric::sections(results, view, inputs, &METRICS, |input| Some(input)),
        ..Table::default()
    }
}

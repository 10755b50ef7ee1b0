//! The honest detector: fitted on some source images, scored on others.

use crate::results::{InputMoments, InputResults, OperatingPoint, Performance, Results};

use super::metric::{self, Metric};
use super::view::View;
use super::{Table, Unit, Value};

type Across = fn(&InputMoments) -> Value;

fn metrics(accuracy: Across, auroc: Across) -> [Metric<Performance>; 9] {
    [
        metric(
            "accuracy",
            "Accuracy",
            Unit::Percent,
            |s| Value::rate(s.accuracy),
            accuracy,
        ),
        metric(
            "auroc",
            "AUROC",
            Unit::Share,
            |s| Value::estimate(s.auroc, Unit::Share),
            auroc,
        ),
        kept("tpr_at_5", "Caught (5 %)", |s| {
            Value::rate(at_5(s).and_then(|p| p.tpr))
        }),
        kept("fpr_at_5", "False alarms (5 %)", |s| {
            Value::rate(at_5(s).and_then(|p| p.fpr))
        }),
        kept("threshold_at_5", "Threshold (5 %)", |s| threshold(at_5(s))),
        kept("tpr_at_1", "Caught (1 %)", |s| {
            Value::rate(at_1(s).and_then(|p| p.tpr))
        }),
        kept("fpr_at_1", "False alarms (1 %)", |s| {
            Value::rate(at_1(s).and_then(|p| p.fpr))
        }),
        kept("n_clean", "Clean", |s| Value::count(s.n_clean)),
        kept("n_adversarial", "Adversarial", |s| {
            Value::count(s.n_adversarial)
        }),
    ]
}

fn metric(
    id: &'static str,
    title: &'static str,
    unit: Unit,
    seed: fn(&Performance) -> Value,
    across: Across,
) -> Metric<Performance> {
    Metric {
        id,
        title,
        unit,
        seed,
        across,
        paper: metric::unpublished,
    }
}

/// A metric that only single seeds have.
fn kept(
    id: &'static str,
    title: &'static str,
    seed: fn(&Performance) -> Value,
) -> Metric<Performance> {
    metric(id, title, Unit::Percent, seed, metric::not_kept)
}

fn at_5(performance: &Performance) -> Option<&OperatingPoint> {
    at(performance, 0.05)
}

fn at_1(performance: &Performance) -> Option<&OperatingPoint> {
    at(performance, 0.01)
}

fn at(performance: &Performance, max_fpr: f64) -> Option<&OperatingPoint> {
    performance
        .at_fpr
        .iter()
        .find(|point| (point.max_fpr - max_fpr).abs() < 1e-9)
}

/// The threshold in the unit of the uncertainty.
fn threshold(point: Option<&OperatingPoint>) -> Value {
    Value::plain(point.and_then(|point| point.score), Unit::Scientific)
}

pub(super) fn all(results: &Results, view: View) -> Table {
    let metrics = metrics(
        |input| Value::moments(input.detector_honest, Unit::Percent),
        |input| Value::moments(input.auroc, Unit::Share),
    );
    let table = table(
        "detector",
        "all adversarial inputs",
        results,
        view,
        &metrics,
        |input| Some(&input.detection.as_ref()?.honest.as_ref()?.all),
    );
    Table {
        main: true,
        ..table
    }
}

pub(super) fn successful(results: &Results, view: View) -> Table {
    let metrics = metrics(metric::not_kept, metric::not_kept);
    table(
        "detector-successful",
        "successful ones only",
        results,
        view,
        &metrics,
        |input| {
            input
                .detection
                .as_ref()?
                .honest
                .as_ref()?
                .successful
                .as_ref()
        },
    )
}

fn table(
    id: &'static str,
    which: &str,
    results: &Results,
    view: View,
    metrics: &[Metric<Performance>],
    select: fn(&InputResults) -> Option<&Performance>,
) -> Table {
    Table {
        id,
        title: format!("Detector on new images, {which}"),
        note: format!(
            "Logistic regression on the variance, fitted on one part of the source images and \
             scored on the other, in %, {}. Caught: adversarial inputs above the threshold that was \
             set for 5 % (1 %) false alarms; beside it the false alarms it gave.",
            view.reading(results)
        ),
        columns: metric::columns(metrics),
        sections: metric::sections(results, view, &metric::attacks(results), metrics, select),
        ..Table::default()
    }
}

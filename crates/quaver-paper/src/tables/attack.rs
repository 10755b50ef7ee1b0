//! What each attack did to the images.

use crate::results::{AttackOutcome, Results};

use super::metric::{self, Metric};
use super::view::View;
use super::{Table, Unit, Value};

const METRICS: [Metric<AttackOutcome>; 8] = [
    metric("success", "Success", |a| Value::rate(a.success)),
    metric("success_of_correct", "Success, of correct", |a| {
        Value::rate(a.success_of_correct)
    }),
    metric("target_reached", "Target reached", |a| {
        Value::rate(a.target_reached)
    }),
    metric("mean_linf", "Mean L-inf", |a| {
        Value::plain(a.mean_linf, Unit::Share)
    }),
    metric("mean_l2", "Mean L2", |a| {
        Value::plain(a.mean_l2, Unit::Decimal)
    }),
    metric("mean_l0", "Mean pixels changed", |a| {
        Value::plain(a.mean_l0, Unit::Decimal)
    }),
    metric("n_zero_gradient", "Zero gradients", |a| {
        Value::count(a.n_zero_gradient)
    }),
    metric("n_non_finite", "Non-finite", |a| {
        Value::count(a.n_non_finite)
    }),
];

const fn metric(
    id: &'static str,
    title: &'static str,
    seed: fn(&AttackOutcome) -> Value,
) -> Metric<AttackOutcome> {
    Metric {
        id,
        title,
        unit: Unit::Percent,
        seed,
        across: metric::not_kept,
        paper: metric::unpublished,
    }
}

pub(super) fn table(results: &Results, view: View) -> Table {
    Table {
        id: "attacks",
        title: "What the attacks did".into(),
        note: format!(
            "Success: misclassified by the vote of fresh passes, in % of all images and of those \
             classified rightly before, {}. Distances in pixel units, pixels being in [0, 1].",
            view.reading(results)
        ),
        columns: metric::columns(&METRICS),
        sections: metric::sections(
            results,
            view,
            &metric::attacks(results),
            &METRICS,
            |input| input.attack.as_ref(),
        ),
        ..Table::default()
    }
}

//! What a reader should know before the numbers of a run are believed.

use crate::attack::record::Counts;
use crate::attack::{Attack, Setting};
use crate::threat::{Budget, Norm};

use super::Options;

/// One sentence each.
pub(super) fn of(attack: &dyn Attack, options: &Options, counts: &Counts) -> Vec<String> {
    let mut notes = attack.warnings(options.dialect);
    let setting = Setting {
        n_features: 0,
        range: options.range,
        dialect: options.dialect,
    };
    let width = options.range.high - options.range.low;
    if let Some(Budget {
        norm: Norm::Linf,
        eps,
    }) = attack.bound(setting).ball()
        && eps > width
    {
        notes.push(format!(
            "eps = {eps} in L-infinity is more than the whole range of a pixel, {} to {}: every \
             image is in the ball of every other (is it in units of 1/255? write {eps}/255)",
            options.range.low, options.range.high
        ));
    }
    if counts.n_saturated > 0 {
        notes.push(format!(
            "the softmax saturates on {} of {} images, where cross-entropy as frameworks compute \
             it has no gradient; log-odds, cross-entropy-f64 and margin go on there",
            counts.n_saturated, counts.n
        ));
    }
    notes
}

//! Schedules: how the learning rate changes over a run. One a file.

mod constant;
mod cosine;
mod step;

use crate::spec::{Allowed, Interval, Parameter, PlugIn, Spec, SpecError};
use std::fmt::Debug;

/// A factor of the learning rate: a pure function of the place in the run.
pub trait Schedule: Debug + Send + Sync {
    /// What the learning rate is multiplied by at `at`.
    fn factor(&self, at: At) -> f64;
    /// Whether the factor depends on the length of the run, so that a run cannot be continued to
    /// another length.
    fn spans_the_run(&self) -> bool {
        false
    }
}

/// A batch's place in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// Batches before it.
    pub batch: u64,
    /// Batches of an epoch, at least 1.
    pub per_epoch: u64,
    /// Epochs of the run.
    pub epochs: u32,
}

impl At {
    /// Epochs before it, with their fraction.
    pub fn epoch(self) -> f64 {
        self.batch as f64 / self.per_epoch as f64
    }

    /// The factor of a rise over `warmup` epochs: a line to 1 that begins above 0.
    fn warm_up(self, warmup: f64) -> f64 {
        let batches = warmup * self.per_epoch as f64;
        let done = (self.batch + 1) as f64;
        if done < batches { done / batches } else { 1.0 }
    }
}

const WARMUP: Parameter = Parameter {
    name: "warmup",
    default: "0",
    allowed: Allowed::Real(&[Interval::closed(0.0, 100_000.0)]),
    about: "epochs over which the learning rate rises to its full size",
};

/// Every schedule.
pub const SCHEDULES: &[&PlugIn<dyn Schedule>] = &[&constant::ENTRY, &step::ENTRY, &cosine::ENTRY];

/// The schedule of a spec string such as `cosine(warmup=1)`, and the spec in full.
///
/// # Errors
/// For an unknown name, and for parameters that are unknown or out of range.
pub fn build(text: &str) -> Result<(Box<dyn Schedule>, Spec), SpecError> {
    PlugIn::find("schedule", SCHEDULES, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The factors of ten batches an epoch over four epochs, every fifth.
    pub(super) fn factors(text: &str) -> Vec<f64> {
        let (schedule, _) = build(text).unwrap();
        let factor = |batch| {
            let (per_epoch, epochs) = (10, 4);
            let factor = schedule.factor(At {
                batch,
                per_epoch,
                epochs,
            });
            (factor * 1e9).round() / 1e9
        };
        (0..40).step_by(5).map(factor).collect()
    }

    #[test]
    fn every_schedule_begins_in_full_or_from_a_tenth() {
        for entry in SCHEDULES {
            assert_eq!(factors(entry.id)[0], 1.0, "{}", entry.id);
            let warm = factors(&format!("{}(warmup=1)", entry.id));
            assert_eq!(warm[0], 0.1, "{}", entry.id);
        }
    }

    #[test]
    fn bad_parameters_are_refused() {
        for entry in SCHEDULES {
            for parameter in entry.parameters {
                for value in parameter.refused() {
                    let text = format!("{}({}={value})", entry.id, parameter.name);
                    assert!(build(&text).is_err(), "{text}");
                }
            }
        }
    }
}

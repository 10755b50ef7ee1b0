//! Optimizers: how parameters move along their gradients. One a file.

mod adam;
mod adamw;
mod moments;
mod sgd;

pub use adam::Adam;
pub use adamw::AdamW;
pub use moments::Moments;
pub use sgd::Sgd;

use crate::kernel::Simd;
use crate::spec::{PlugIn, Spec, SpecError};
use std::fmt::Debug;

/// A rule that moves every element of a parameter by itself.
pub trait Optimizer: Debug + Send + Sync {
    /// What it keeps from step to step for every element, by name; at most [`STATES`], all 0 at
    /// the start.
    fn states(&self) -> &'static [&'static str];
    /// Moves a piece of a parameter by one step.
    fn step(&self, update: Update<'_>);
}

/// Numbers of an element that an optimizer may keep.
pub const STATES: usize = 2;

/// A piece of a parameter about to move.
pub struct Update<'a> {
    /// Number of the step, from 1.
    pub step: u64,
    /// Learning rate of the step.
    pub rate: f64,
    /// Gradient of the loss.
    pub gradient: &'a [f32],
    /// The elements.
    pub params: &'a mut [f32],
    /// State of the elements, in the order of [`Optimizer::states`]; what it does not have is
    /// empty.
    pub state: [&'a mut [f32]; STATES],
    /// Range that the elements are clipped to after the step.
    pub clip: Option<(f32, f32)>,
    pub(crate) simd: Simd,
}

/// `value` in the range `clip`; what is not a number stays visible.
#[inline(always)]
fn clipped(value: f32, (low, high): (f32, f32)) -> f32 {
    // Not `clamp`, which panics where a bound is not a number.
    if value < low {
        low
    } else if value > high {
        high
    } else {
        value
    }
}

/// Every number.
const UNBOUNDED: (f32, f32) = (f32::NEG_INFINITY, f32::INFINITY);

/// Below it what an optimizer keeps of an element moves no weight and counts as 0: a subnormal
/// number takes many times as long to work with, and the state of a weight that is done would be
/// full of them.
const NEGLIGIBLE: f32 = 1e-36;

/// `value`, or 0 where it is smaller than `least`; NaN stays NaN.
#[inline(always)]
fn at_least(least: f32, value: f32) -> f32 {
    if value.abs() < least { 0.0 } else { value }
}

/// Every optimizer.
pub const OPTIMIZERS: &[&PlugIn<dyn Optimizer>] = &[&adam::ENTRY, &adamw::ENTRY, &sgd::ENTRY];

/// The optimizer of a spec string such as `sgd(momentum=0.9)`, and the spec in full.
///
/// # Errors
/// For an unknown name, and for parameters that are unknown or out of range.
pub fn build(text: &str) -> Result<(Box<dyn Optimizer>, Spec), SpecError> {
    PlugIn::find("optimizer", OPTIMIZERS, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `params` after steps along `gradients` at rate 0.1, clipped to [-1, 1].
    pub(super) fn moved(optimizer: &dyn Optimizer, param: f32, gradients: &[f32]) -> f32 {
        let mut params = [param];
        let mut states = [[0.0]; STATES];
        for (gradient, step) in gradients.iter().zip(1..) {
            let mut state = states.each_mut().map(|state| &mut state[..]);
            for unused in &mut state[optimizer.states().len()..] {
                *unused = &mut [];
            }
            optimizer.step(Update {
                step,
                rate: 0.1,
                gradient: &[*gradient],
                params: &mut params,
                state,
                clip: Some((-1.0, 1.0)),
                simd: Simd::best(),
            });
        }
        params[0]
    }

    #[test]
    fn every_optimizer_descends_and_clips_and_shows_what_is_no_number() {
        for entry in OPTIMIZERS {
            let (optimizer, spec) = build(entry.id).unwrap();
            assert_eq!(build(&spec.to_string()).unwrap().1, spec);
            assert!(optimizer.states().len() <= STATES, "{spec}");
            // Half the square of a number has its minimum at 0.
            let mut x = 0.9;
            let mut gradients = Vec::new();
            for _ in 0..300 {
                gradients.push(x);
                x = moved(&*optimizer, 0.9, &gradients);
            }
            assert!(x.abs() < 0.05, "{spec}: {x}");
            assert_eq!(moved(&*optimizer, 0.99, &[-3.0]), 1.0, "{spec}");
            assert!(moved(&*optimizer, 0.5, &[f32::NAN]).is_nan(), "{spec}");
        }
    }

    #[test]
    fn bad_parameters_are_refused() {
        for entry in OPTIMIZERS {
            for parameter in entry.parameters {
                for value in parameter.refused() {
                    let text = format!("{}({}={value})", entry.id, parameter.name);
                    assert!(build(&text).is_err(), "{text}");
                }
            }
        }
    }
}

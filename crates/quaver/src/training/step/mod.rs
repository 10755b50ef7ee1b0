//! Training steps: what is done with a batch. One a file, found by name in [`STEPS`].

use crate::spec::{PlugIn, Spec, SpecError};
use quaver_nn::train::Step;

plug_ins! {
    /// Every training step.
    pub const STEPS: PlugIn<dyn Step> = [cross_entropy, adversarial];
}

/// The step of a spec string such as `adversarial(eps=0.1)`, and the spec in full.
///
/// # Errors
/// For an unknown name, and for parameters that are unknown or out of range.
pub fn build(text: &str) -> Result<(Box<dyn Step>, Spec), SpecError> {
    PlugIn::find("training step", STEPS, text)
}

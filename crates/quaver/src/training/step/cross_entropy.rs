//! The plain step.

use crate::spec::PlugIn;
use quaver_nn::train::{CrossEntropy, Step};

pub(super) const ENTRY: PlugIn<dyn Step> = PlugIn {
    id: "cross-entropy",
    title: "softmax cross-entropy",
    paper: "",
    parameters: &[],
    build: |_| Ok(Box::new(CrossEntropy)),
};

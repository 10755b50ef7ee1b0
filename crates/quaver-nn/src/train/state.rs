//! [`State`]: what an optimizer keeps from step to step.

use crate::model::Model;
use crate::optim::Optimizer;

/// A number for every element of every parameter, by node and parameter.
pub(super) type Parameters = Vec<Vec<Vec<f32>>>;

/// Optimizer state: what a checkpoint holds beside the model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Steps taken.
    pub step: u64,
    /// What the optimizer keeps of every parameter, by the names of
    /// [`Optimizer::states`](crate::optim::Optimizer::states).
    pub values: Vec<(String, Vec<Vec<Vec<f32>>>)>,
}

impl State {
    pub(super) fn fresh(model: &Model, optimizer: &dyn Optimizer) -> Self {
        let zeros = |name: &&str| (name.to_string(), zeros(&model.params));
        Self {
            step: 0,
            values: optimizer.states().iter().map(zeros).collect(),
        }
    }

    /// Whether it is of `optimizer`, or of one that keeps the same.
    pub(super) fn is_of(&self, optimizer: &dyn Optimizer) -> bool {
        let names = self.values.iter().map(|(name, _)| name.as_str());
        names.eq(optimizer.states().iter().copied())
    }
}

/// Zeros in the shape of `params`.
pub(super) fn zeros(params: &[Vec<Vec<f32>>]) -> Parameters {
    let node = |node: &Vec<Vec<f32>>| node.iter().map(|p| vec![0.0; p.len()]).collect();
    params.iter().map(node).collect()
}

//! What a run has found so far: [`Found`].

use crate::attack::Flags;
use crate::attack::oracle::Cost;
use crate::decision::Tally;
use crate::threat::Distances;

/// All about the attacked images but their pixels, lists in the order of the images.
#[derive(Default)]
pub(super) struct Found {
    pub(super) attacked_labels: Vec<usize>,
    pub(super) targets: Vec<usize>,
    /// Passes on the clean images and on the perturbed ones; asked for whole batches, so that
    /// random weights are drawn seldom.
    pub(super) clean: Vec<Tally>,
    pub(super) adversarial: Vec<Tally>,
    pub(super) distances: Vec<Distances>,
    pub(super) n_steps: Vec<u32>,
    pub(super) restarts: Vec<u32>,
    pub(super) flags: Vec<Flags>,
    pub(super) cost: Cost,
}

impl Found {
    /// Number of images.
    pub(super) fn n(&self) -> usize {
        self.flags.len()
    }

    /// Adds the images that come next.
    pub(super) fn append(&mut self, next: Self) {
        self.attacked_labels.extend(next.attacked_labels);
        self.targets.extend(next.targets);
        self.clean.extend(next.clean);
        self.adversarial.extend(next.adversarial);
        self.distances.extend(next.distances);
        self.n_steps.extend(next.n_steps);
        self.restarts.extend(next.restarts);
        self.flags.extend(next.flags);
        self.cost.n_forward += next.cost.n_forward;
        self.cost.n_backward += next.cost.n_backward;
    }
}

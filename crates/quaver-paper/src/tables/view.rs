//! Which numbers a table shows: one seed's, or those over all seeds.

use crate::results::{AcrossSeeds, Results, SeedResults, TopologyResults};

/// Whose numbers are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// Those of the seed at this index of [`Results::seeds`].
    Seed(usize),
    /// Mean and deviation over the seeds.
    AcrossSeeds,
}

impl View {
    /// What a reader sees first.
    pub(crate) fn first(results: &Results) -> Self {
        if results.seeds.len() > 1 {
            Self::AcrossSeeds
        } else {
            Self::Seed(0)
        }
    }

    /// How its numbers are to be read.
    pub(crate) fn reading(self, results: &Results) -> String {
        match self {
            Self::Seed(index) => {
                let seed = results
                    .seeds
                    .get(index)
                    .map_or_else(String::new, u64::to_string);
                format!(
                    "with its 95 % interval, seed {seed}, n = {} images",
                    results.n
                )
            }
            Self::AcrossSeeds => format!(
                "mean ± standard deviation over {} seeds, n = {} images each",
                results.seeds.len(),
                results.n
            ),
        }
    }

    pub(super) fn seed(self, row: &TopologyResults) -> Option<&SeedResults> {
        match self {
            Self::Seed(index) => row.seeds.get(index),
            Self::AcrossSeeds => None,
        }
    }

    pub(super) fn across(self, row: &TopologyResults) -> Option<&AcrossSeeds> {
        match self {
            Self::Seed(_) => None,
            Self::AcrossSeeds => row.across_seeds.as_ref(),
        }
    }
}

//! Training: a [`Trainer`] takes steps, [`fit`] takes epochs of them.

mod fit;
mod trainer;
mod update;

pub use fit::{Config, CrossEntropy, Epoch, FitError, Set, Step, Watch, fit};
pub use trainer::{Loss, State, Trainer};

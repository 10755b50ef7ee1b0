//! Training: a [`Trainer`] takes steps, [`fit`] takes epochs of them.

mod fit;
pub mod schedule;
mod state;
mod step;
mod trainer;
mod update;

pub use fit::{Augment, Epoch, FitError, ImageKey, Method, Set, Watch, fit};
pub use state::State;
pub use step::{CrossEntropy, Step};
pub use trainer::{Loss, Trainer};

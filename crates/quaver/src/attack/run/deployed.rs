//! [`Deployed`]: the rule that an attack is measured against.

use std::error::Error;

use crate::classifier::{Batch, Draw};
use crate::decision::Verdict;

/// What answers where a model is used, and may refuse an input.
pub trait Deployed: Sync {
    /// Answers about the images of `batch` on passes from `draw` on, `(n)`.
    ///
    /// # Errors
    /// What the classifier or a detector refuses.
    fn verdicts(
        &self,
        batch: Batch<'_>,
        draw: Draw,
    ) -> Result<Vec<Verdict>, Box<dyn Error + Send + Sync>>;
}

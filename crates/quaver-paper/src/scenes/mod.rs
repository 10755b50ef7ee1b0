//! The paper's pictures.

mod accuracy;
mod uncertainty;

pub(crate) use accuracy::{AccuracyPanel, accuracy};
pub(crate) use uncertainty::uncertainty;

//! The paper's experiment: its results as plain data and the paper's own tables beside them.

pub mod published;
pub mod results;

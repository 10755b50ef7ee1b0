//! What the numbers say and how sure they are: intervals, tests, detection.

pub mod accuracy;
pub mod auroc;
pub mod bootstrap;
pub mod checks;
pub mod detection;
pub mod holm;
pub mod interval;
pub mod paired;
pub mod seeds;
pub mod slope;
pub mod spread;
mod student;
pub mod summary;

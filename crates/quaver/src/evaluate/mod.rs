//! What the numbers say and how sure they are: intervals, tests, detection, calibration.

pub mod interval;

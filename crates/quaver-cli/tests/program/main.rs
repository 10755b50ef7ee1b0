//! The built program, run as people and scripts run it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_files;
mod bad_models;
mod bad_output;
mod bad_words;
mod commands;
mod determinism;
mod fixture;
mod folder;
mod interruption;
mod own_data;
mod own_data_refused;
mod pictures;
mod wrapping;

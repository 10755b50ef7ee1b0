//! ONNX files: what is written comes back, and broken files are refused in words.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod broken;
mod networks;
mod onnxruntime;
mod options;
mod round_trip;

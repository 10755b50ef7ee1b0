//! Model files in and out.

mod bits;
mod error;
mod header;
pub mod onnx;
pub mod safetensors;
pub mod state_dict;

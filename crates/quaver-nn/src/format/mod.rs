//! Model files in and out.

mod bits;
mod header;
pub mod onnx;
pub mod safetensors;
pub mod state_dict;

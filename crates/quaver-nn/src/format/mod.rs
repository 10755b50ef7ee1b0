//! Model files in and out.

mod bits;
pub mod onnx;
pub mod safetensors;
pub mod state_dict;

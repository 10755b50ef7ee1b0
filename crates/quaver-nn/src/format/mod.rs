//! Model files in and out.

pub mod onnx;
pub mod safetensors;
pub mod state_dict;

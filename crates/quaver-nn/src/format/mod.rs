//! Model files in and out.

pub mod onnx;
pub mod safetensors;

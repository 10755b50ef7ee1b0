//! Model files in and out.

pub mod safetensors;

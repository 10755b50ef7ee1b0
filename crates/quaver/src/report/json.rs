//! JSON, to be read by programs.

use serde::Serialize;

use super::RenderError;

/// `value` as indented JSON in the order of its fields, with a line feed behind.
///
/// # Errors
/// [`RenderError::Json`] when it cannot be written, which no plain data causes.
pub fn write(value: &impl Serialize) -> Result<Vec<u8>, RenderError> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}

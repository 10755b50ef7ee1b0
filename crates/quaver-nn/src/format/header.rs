//! Files as bytes, once their header is known to take no more memory than they do.

use super::error::FormatError;
use std::path::Path;

/// Bytes that the values of any header may take, however short the file.
const FLOOR: usize = 1 << 20;
/// What a value of a header may take: itself, its place in a growing list, its name, twice.
const VALUE: usize = 128;

/// The bytes of the safetensors file at `path`.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, FormatError> {
    let file = std::fs::read(path).map_err(|source| FormatError::Io {
        path: path.display().to_string(),
        source,
    })?;
    match header_cost(&file) {
        cost if cost <= FLOOR + file.len() => Ok(file),
        cost => Err(FormatError::Safetensors {
            path: path.display().to_string(),
            reason: format!(
                "its header would take {cost} bytes, allowed are {}",
                FLOOR + file.len()
            ),
        }),
    }
}

/// What the header of a file would take in memory: two bytes of JSON become a value of dozens.
/// A backslash may stand for anything.
fn header_cost(file: &[u8]) -> usize {
    let Some((length, rest)) = file.split_first_chunk::<8>() else {
        return 0;
    };
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let header = &rest[..length.min(rest.len())];
    let begins = |byte: &&u8| matches!(byte, b',' | b'[' | b'{' | b'\\');
    VALUE * header.iter().filter(begins).count()
}

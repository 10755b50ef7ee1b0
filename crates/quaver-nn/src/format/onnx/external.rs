//! Numbers of a model that lie in a file beside it, as PyTorch's exporter leaves them unless it
//! is told otherwise.

use super::error::OnnxError;
use super::limits::MAX_FILE;
use super::message::{ModelFile, TensorMessage};
use prost::bytes::Bytes;
use std::collections::BTreeMap;
use std::path::{Component, Path};

/// A file beside the model, and how many of its bytes no tensor has taken yet.
struct Beside {
    bytes: Bytes,
    left: usize,
}

/// Puts the numbers of files in `folder` into the tensors of `file` that name them, and returns
/// how many bytes these files have.
pub(super) fn attach(file: &mut ModelFile, folder: &Path) -> Result<usize, OnnxError> {
    let Some(graph) = &mut file.graph else {
        return Ok(0);
    };
    let attributes = graph.node.iter_mut().flat_map(|node| &mut node.attribute);
    let held = attributes.filter_map(|attribute| attribute.t.as_deref_mut());
    let mut files = BTreeMap::new();
    for tensor in graph.initializer.iter_mut().chain(held) {
        if tensor.data_location != 0 {
            let numbers = numbers(tensor, folder, &mut files);
            tensor.raw_data = numbers.map_err(|reason| OnnxError::Tensor {
                tensor: tensor.name.clone(),
                reason,
            })?;
            tensor.data_location = 0;
        }
    }
    Ok(files.values().map(|file| file.bytes.len()).sum())
}

fn numbers(
    tensor: &TensorMessage,
    folder: &Path,
    files: &mut BTreeMap<String, Beside>,
) -> Result<Bytes, String> {
    let entry = |key: &str| {
        let entry = tensor.external_data.iter().find(|entry| entry.key == key);
        entry.map(|entry| entry.value.as_str())
    };
    let location = entry("location").ok_or("the file with its numbers is not named")?;
    let size = |key: &str| -> Result<Option<usize>, String> {
        let text = entry(key);
        let size = text.map(|text| text.parse().map_err(|_| format!("{key} {text:?}")));
        size.transpose()
    };
    let (offset, length) = (size("offset")?.unwrap_or(0), size("length")?);
    if !files.contains_key(location) {
        files.insert(location.to_string(), open(location, folder)?);
    }
    let file = files.get_mut(location).ok_or("no file")?;
    let end = match length {
        Some(length) => offset.saturating_add(length),
        None => file.bytes.len(),
    };
    let length = end.saturating_sub(offset);
    if offset > end || end > file.bytes.len() || length > file.left {
        return Err(format!(
            "bytes {offset} to {end} of {location:?}, which has {}, each for one tensor",
            file.bytes.len()
        ));
    }
    file.left -= length;
    Ok(file.bytes.slice(offset..end))
}

fn open(location: &str, folder: &Path) -> Result<Beside, String> {
    let path = Path::new(location);
    let is_inside = path.components().all(|c| matches!(c, Component::Normal(_)));
    if !is_inside || location.is_empty() {
        return Err(format!(
            "its numbers lie in {location:?}; only files in the model's own folder are read"
        ));
    }
    let path = folder.join(path);
    let wrong = |e: std::io::Error| format!("its numbers lie in {}: {e}", path.display());
    let size = std::fs::metadata(&path).map_err(wrong)?.len();
    if size > MAX_FILE as u64 {
        return Err(format!(
            "its numbers lie in {}, which has {size} bytes; allowed are {MAX_FILE}",
            path.display()
        ));
    }
    let bytes = Bytes::from(std::fs::read(&path).map_err(wrong)?);
    let left = bytes.len();
    Ok(Beside { bytes, left })
}

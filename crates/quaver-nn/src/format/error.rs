//! Why a model file cannot be used.

use crate::graph::GraphError;

/// Version of the metadata this program writes. It reads all from 1 on: the second added wrappers,
/// how a model was trained, and the state of any optimizer.
pub const SCHEMA: u32 = 2;

/// A model file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// It cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is no safetensors file, or is cut short.
    #[error("{path}: no whole safetensors file: {reason}")]
    Safetensors {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// It is not ours.
    #[error(
        "{path}: a safetensors file without a quaver network in it; import plain weights \
         with their architecture (quaver model import)"
    )]
    NoMetadata {
        /// The file.
        path: String,
    },
    /// Its metadata does not parse.
    #[error("{path}: the quaver metadata does not parse: {reason}")]
    Metadata {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// It was written by another version.
    #[error("{path}: schema {got}, this program reads 1 to {SCHEMA}")]
    Schema {
        /// The file.
        path: String,
        /// Its schema.
        got: u64,
    },
    /// The graph is unusable.
    #[error("{path}: {source}")]
    Graph {
        /// The file.
        path: String,
        /// Why.
        source: GraphError,
    },
    /// Its tensors do not fit a network.
    #[error("{path}: {reason}")]
    Unmatched {
        /// The file.
        path: String,
        /// What does not fit.
        reason: String,
    },
    /// A tensor is missing, foreign, or of the wrong kind.
    #[error("{path}: tensor {tensor:?}: {reason}")]
    Tensor {
        /// The file.
        path: String,
        /// Name of the tensor.
        tensor: String,
        /// What is wrong.
        reason: String,
    },
}

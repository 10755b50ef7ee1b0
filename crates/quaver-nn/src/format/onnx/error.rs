//! Why an ONNX file cannot be used.

use crate::graph::GraphError;

/// An ONNX file cannot be read, expressed here, or written.
#[derive(Debug, thiserror::Error)]
pub enum OnnxError {
    /// It cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Its bytes are no protobuf messages.
    #[error("no ONNX file: {0}")]
    NoProtobuf(String),
    /// It takes more memory than a file of its length may.
    #[error("{what} takes {got} bytes or numbers, allowed are {allowed}")]
    TooLarge {
        /// What is meant.
        what: &'static str,
        /// How much it is.
        got: usize,
        /// How much it may be.
        allowed: usize,
    },
    /// The file as a whole is not what is read here.
    #[error("{what} must be {allowed}, got {got}")]
    File {
        /// What is meant.
        what: &'static str,
        /// What was found.
        got: String,
        /// What is possible.
        allowed: &'static str,
    },
    /// A constant of the file is broken.
    #[error("tensor {tensor:?}: {reason}")]
    Tensor {
        /// Its name.
        tensor: String,
        /// What is wrong.
        reason: String,
    },
    /// A node cannot be expressed by the layers here.
    #[error("node {node:?} ({operator}): {reason}")]
    Node {
        /// Its name, or the name of its output.
        node: String,
        /// Its operator.
        operator: String,
        /// What is in the way, and what would be needed.
        reason: String,
    },
    /// The layers do not fit each other.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// What was asked of the import is out of range or names no layer.
    #[error("{what}: {reason}")]
    Option {
        /// The setting.
        what: &'static str,
        /// What is wrong, and what is allowed.
        reason: String,
    },
}

/// Why a node cannot be translated; the caller adds which node.
pub(super) type Reason = String;

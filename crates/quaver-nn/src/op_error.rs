//! [`OpError`]: an op or a quantizer was described wrongly.

/// An op or a quantizer was described wrongly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpError {
    /// The input does not fit.
    #[error("{op} takes {allowed}, got {got}")]
    Shape {
        /// Name of the op.
        op: &'static str,
        /// Shapes given.
        got: String,
        /// Shapes taken.
        allowed: String,
    },
    /// A setting is out of range.
    #[error("{op}: {name} must be {allowed}, got {got}")]
    Setting {
        /// Name of the op.
        op: &'static str,
        /// Name of the setting.
        name: &'static str,
        /// Value given.
        got: String,
        /// Values taken.
        allowed: &'static str,
    },
    /// There is no such op or quantizer.
    #[error("unknown {kind} {got:?}, there are {allowed}")]
    Unknown {
        /// `op` or `quantizer`.
        kind: &'static str,
        /// Name given.
        got: String,
        /// Names there are.
        allowed: String,
    },
    /// The description does not parse.
    #[error("{op}: {reason}")]
    Config {
        /// Name of the op.
        op: String,
        /// What is wrong.
        reason: String,
    },
}

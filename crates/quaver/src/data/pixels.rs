//! [`Pixels`]: as they were read.

use ndarray::{Array4, Axis};

/// Pixels `(n, c, h, w)` as they were read.
#[derive(Clone, Debug, PartialEq)]
pub enum Pixels {
    /// 0 to 255; the value a classifier sees is v / 255.
    Bytes(Array4<u8>),
    /// In [0, 1].
    Floats(Array4<f32>),
}

impl Pixels {
    /// `(n, c, h, w)`.
    pub(super) fn dim(&self) -> (usize, usize, usize, usize) {
        match self {
            Self::Bytes(x) => x.dim(),
            Self::Floats(x) => x.dim(),
        }
    }

    /// The same with the last axis innermost in memory.
    pub(super) fn in_row_major_order(self) -> Self {
        match self {
            Self::Bytes(x) if !x.is_standard_layout() => {
                Self::Bytes(x.as_standard_layout().into_owned())
            }
            Self::Floats(x) if !x.is_standard_layout() => {
                Self::Floats(x.as_standard_layout().into_owned())
            }
            ordered => ordered,
        }
    }

    /// The images of `rows`, which are there.
    pub(super) fn select(&self, rows: &[usize]) -> Self {
        match self {
            Self::Bytes(x) => Self::Bytes(x.select(Axis(0), rows)),
            Self::Floats(x) => Self::Floats(x.select(Axis(0), rows)),
        }
    }
}

/// The value in [0, 1] of a byte pixel.
pub(super) fn unit(v: u8) -> f32 {
    f32::from(v) / 255.0
}

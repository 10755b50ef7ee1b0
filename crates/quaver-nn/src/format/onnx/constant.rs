//! [`Constant`]: numbers of a file that do not depend on its input, and the memory that they take.

use super::array::{Array, indices};
use super::error::Reason;

/// A constant, and the latent values it was quantized from.
#[derive(Clone, Debug)]
pub(super) struct Constant {
    pub(super) array: Array,
    /// What a chain of elementwise operators began with, in the shape of `array`.
    pub(super) latent: Option<Array>,
    /// Whether a Constant node holds it, which no training moves, and not a parameter.
    pub(super) is_fixed: bool,
}

impl From<Array> for Constant {
    fn from(array: Array) -> Self {
        Self {
            array,
            latent: None,
            is_fixed: false,
        }
    }
}

/// Numbers that computed constants may have.
#[derive(Debug)]
pub(super) struct Budget {
    /// At the same time.
    live: usize,
    /// In all.
    all: usize,
}

impl Budget {
    /// Long chains compute many constants of which few live at a time.
    const CHAIN: usize = 64;

    pub(super) fn new(live: usize) -> Self {
        let all = live.saturating_mul(Self::CHAIN);
        Self { live, all }
    }

    /// Claims memory for a constant of `shape`.
    pub(super) fn take(&mut self, shape: &[usize]) -> Result<(), Reason> {
        let count = shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
        let left = count.and_then(|n| Some((self.live.checked_sub(n)?, self.all.checked_sub(n)?)));
        let (live, all) = left.ok_or_else(|| {
            format!(
                "computing a constant of shape {shape:?} takes more memory than the file explains"
            )
        })?;
        (self.live, self.all) = (live, all);
        Ok(())
    }

    /// Numbers that may still live.
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// Gives back what a constant took that nothing reads any more.
    pub(super) fn give(&mut self, numbers: usize) {
        self.live += numbers;
    }
}

/// Numbers of `from` repeated to `shape` by the rules of broadcasting.
pub(super) fn broadcast(from: &Array, shape: &[usize]) -> Result<Array, Reason> {
    if from.shape == shape {
        return Ok(from.clone());
    }
    let lacking = shape.len().checked_sub(from.shape.len());
    let lacking = lacking.ok_or_else(|| format!("{:?} is not part of {shape:?}", from.shape))?;
    let mut stride = vec![0; shape.len()];
    let mut step = 1;
    for (i, &n) in from.shape.iter().enumerate().rev() {
        match n {
            1 => {}
            n if n == shape[lacking + i] => stride[lacking + i] = step,
            _ => return Err(format!("{:?} does not broadcast to {shape:?}", from.shape)),
        }
        step *= n;
    }
    Ok(from.gathered(shape.to_vec(), &indices(shape, &stride, 0)))
}

//! Zeros around planes: a layer of its own, and the first step of a padded convolution.

use super::{Backward, Forward, Layer};
use crate::kernel::Lanes;

/// Copies planes into the middle of larger planes and back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pad {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) left: usize,
    pub(crate) top: usize,
    pub(crate) padded_width: usize,
    pub(crate) padded_height: usize,
}

impl Pad {
    /// Calls `row(offset in a plane, offset in a padded plane)` for every plane and row.
    fn rows(&self, planes: usize, mut row: impl FnMut(usize, usize)) {
        for plane in 0..planes {
            for y in 0..self.height {
                let inner = (plane * self.height + y) * self.width;
                let outer = (plane * self.padded_height + y + self.top) * self.padded_width;
                row(inner, outer + self.left);
            }
        }
    }

    /// `padded` becomes `plain` with zeros around each plane.
    pub(crate) fn pad(&self, plain: &[Lanes], padded: &mut [Lanes]) {
        let mut done = 0;
        self.rows(plain.len() / (self.width * self.height), |inner, outer| {
            padded[done..outer].fill(Lanes::ZERO);
            done = outer + self.width;
            padded[outer..done].copy_from_slice(&plain[inner..inner + self.width]);
        });
        padded[done..].fill(Lanes::ZERO);
    }
}

impl Layer for Pad {
    fn forward(&self, chunk: Forward<'_>) {
        self.pad(chunk.inputs[0], chunk.output);
    }

    fn backward(&self, chunk: Backward<'_>) {
        let Some(dx) = &mut chunk.input_gradients[0] else {
            return;
        };
        let upstream = chunk.upstream;
        self.rows(dx.len() / (self.width * self.height), |inner, outer| {
            dx[inner..inner + self.width].copy_from_slice(&upstream[outer..outer + self.width]);
        });
    }
}

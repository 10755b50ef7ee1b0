//! The elements of an example in another shape and order.

use super::{Backward, BuiltLayer, Checked, Forward, Layer, Op, OpError, Shape, shapes_text, size};
use crate::kernel::Lanes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Features as an image, or axes in another order: PyTorch's `Unflatten`, `permute` and `reshape`
/// in one. The input, row-major, is walked along `axes`, the last fastest; the elements as they
/// are met are the output, row-major.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rearrange {
    /// Of each axis its size, and how far apart its neighbors are in the input. Together they
    /// meet each element once.
    pub axes: Vec<[usize; 2]>,
    /// Shape of the output.
    pub shape: Shape,
}

impl Rearrange {
    /// Places in the input, as the output has them.
    pub(crate) fn places(&self) -> Vec<usize> {
        let mut places = vec![0];
        for &[n, apart] in &self.axes {
            let along = |&at: &usize| (0..n).map(move |i| at + i * apart);
            places = places.iter().flat_map(along).collect();
        }
        places
    }

    /// Number of elements, if each is met once: the axes, the closest first, are those of a
    /// row-major array.
    fn elements(&self) -> Option<usize> {
        let mut axes = self.axes.clone();
        axes.retain(|&[n, _]| n != 1);
        axes.sort_unstable_by_key(|&[_, apart]| apart);
        let grow = |before: usize, [n, apart]: [usize; 2]| match before == apart {
            true => before.checked_mul(n).filter(|&n| n > 0),
            false => None,
        };
        axes.into_iter().try_fold(1, grow)
    }
}

impl Checked for Rearrange {
    fn check(&self) -> Result<(), OpError> {
        let size = self
            .shape
            .iter()
            .try_fold(1_usize, |n, d| n.checked_mul(*d));
        let few = (1..=8).contains(&self.axes.len()) && (1..=3).contains(&self.shape.len());
        if few && size.is_some() && size == self.elements() {
            return Ok(());
        }
        Err(OpError::Setting {
            op: "rearrange",
            name: "axes and shape",
            got: format!("{:?} and {:?}", self.axes, self.shape),
            allowed: "1 to 8 axes that meet each element once, and as many in 1 to 3 axes",
        })
    }
}

impl Op for Rearrange {
    fn name(&self) -> &'static str {
        "rearrange"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, OpError> {
        let allowed = format!("one input of {} elements", size(&self.shape));
        match inputs {
            [input] if size(input) == size(&self.shape) => Ok(self.shape.clone()),
            _ => Err(OpError::Shape {
                op: "rearrange",
                got: shapes_text(inputs),
                allowed,
            }),
        }
    }
    fn layer(&self, _inputs: &[Shape]) -> BuiltLayer {
        BuiltLayer::new(Places(self.places().into()))
    }
}

/// Where in the input each element of the output is.
#[derive(Clone)]
struct Places(Arc<[usize]>);

impl Places {
    /// Calls `pair(input, output)` for the elements of all blocks that belong together.
    fn pairs(&self, blocks: usize, mut pair: impl FnMut(usize, usize)) {
        for first in (0..blocks).map(|b| b * self.0.len()) {
            for (to, from) in self.0.iter().enumerate() {
                pair(first + from, first + to);
            }
        }
    }
}

impl Layer for Places {
    fn forward(&self, chunk: Forward<'_>) {
        let (x, out): (&[Lanes], _) = (chunk.inputs[0], chunk.output);
        self.pairs(chunk.blocks, |from, to| out[to] = x[from]);
    }

    fn backward(&self, chunk: Backward<'_>) {
        for dx in chunk.input_gradients.iter_mut().flatten() {
            self.pairs(chunk.blocks, |from, to| dx[from] = chunk.upstream[to]);
        }
    }
}

//! [`Value`]: what an output of an ONNX node is here.

use super::constant::Constant;
use super::error::Reason;
use crate::op::Rearrange;

/// What a name of the ONNX graph stands for.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Numbers that do not depend on the input.
    Constant(Constant),
    /// An output of a layer.
    Activation(Activation),
    /// A sign on its way.
    Step(Step),
    /// A quantizer on its way.
    Rounded(Rounded),
    /// `kept - taken`: half of a quantizer that was written straight through.
    Residue { kept: Box<Value>, taken: Activation },
    /// Softmax of an activation, or its logarithm: fit only to be the network's output.
    Probabilities(Activation),
}

/// `high` where the activation is at least 0, else `low`.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) of: Activation,
    pub(super) low: f32,
    pub(super) high: f32,
}

impl Step {
    /// A function of it.
    pub(super) fn map(&self, f: impl Fn(f32) -> f32) -> Self {
        let (low, high) = (f(self.low), f(self.high));
        let of = self.of.clone();
        Self { of, low, high }
    }
}

/// A rounded activation: `clip(round(of / step) · scale + shift)`.
#[derive(Clone, Debug)]
pub(super) struct Rounded {
    pub(super) of: Activation,
    pub(super) step: f64,
    /// What the integer is multiplied by.
    pub(super) scale: f64,
    /// What is added to it then.
    pub(super) shift: f64,
    /// Smallest and largest output.
    pub(super) clip: Option<(f64, f64)>,
}

impl Rounded {
    /// Multiplied by a positive factor, and with a number added.
    pub(super) fn line(&self, factor: f64, more: f64) -> Self {
        let line = |v: f64| v * factor + more;
        Self {
            scale: self.scale * factor,
            shift: line(self.shift),
            clip: self.clip.map(|(low, high)| (line(low), line(high))),
            ..self.clone()
        }
    }
}

/// An output of a layer as ONNX sees it: perhaps with other axes, in another order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Activation {
    /// Value in the graph here.
    pub(super) value: usize,
    /// Sizes of the axes whose row-major order is ONNX's order, and their distances here.
    axes: Vec<(usize, usize)>,
    /// Shape of one example in ONNX.
    pub(super) shape: Vec<usize>,
}

fn row_major(shape: &[usize]) -> Vec<(usize, usize)> {
    let mut axes: Vec<(usize, usize)> = shape.iter().map(|&n| (n, 1)).collect();
    for i in (1..axes.len()).rev() {
        axes[i - 1].1 = axes[i].1 * axes[i].0;
    }
    axes
}

impl Activation {
    /// A value whose order is the same in both.
    pub(super) fn new(value: usize, shape: &[usize]) -> Self {
        Self {
            value,
            axes: row_major(shape),
            shape: shape.to_vec(),
        }
    }

    /// The same elements in another value.
    pub(super) fn at(&self, value: usize) -> Self {
        Self {
            value,
            ..self.clone()
        }
    }

    /// Whether the order here is ONNX's.
    pub(super) fn is_plain(&self) -> bool {
        let mut step = 1;
        self.axes
            .iter()
            .rev()
            .filter(|(n, _)| *n > 1)
            .all(|(n, s)| {
                let fits = *s == step;
                step *= n;
                fits
            })
    }

    /// The layer that puts the elements into ONNX's order, as `shape`.
    pub(super) fn rearranged(&self, shape: Vec<usize>) -> Rearrange {
        let axes = self.axes.iter().map(|&(n, apart)| [n, apart]);
        let axes = axes.collect();
        Rearrange { axes, shape }
    }

    /// Place here of each element in ONNX's order.
    pub(super) fn order(&self) -> Vec<usize> {
        self.rearranged(Vec::new()).places()
    }

    /// Which axis of a value of shape `stored` each axis of ONNX is, if they are the same in
    /// another order.
    pub(super) fn places(&self, stored: &[usize]) -> Option<Vec<usize>> {
        let sizes = self.axes.iter().map(|(n, _)| n);
        if stored.len() != self.shape.len() || !sizes.eq(&self.shape) {
            return None;
        }
        let mut free: Vec<Option<(usize, usize)>> =
            row_major(stored).into_iter().map(Some).collect();
        let place = |&(n, apart): &(usize, usize)| {
            let is_it =
                |axis: &Option<_>| axis.is_some_and(|(m, at)| m == n && (n == 1 || at == apart));
            let found = free.iter().position(is_it)?;
            free[found] = None;
            Some(found)
        };
        self.axes.iter().map(place).collect()
    }

    pub(super) fn size(&self) -> usize {
        self.shape.iter().product()
    }

    /// The same elements in the same order as another shape.
    pub(super) fn reshaped(&self, shape: Vec<usize>) -> Result<Self, Reason> {
        if shape.iter().product::<usize>() != self.size() {
            return Err(format!(
                "an example of {:?} does not reshape to {shape:?}; the batch must stay the first axis",
                self.shape
            ));
        }
        let long = |n: &&usize| **n != 1;
        let same = self.shape.iter().filter(long).eq(shape.iter().filter(long));
        let axes = if self.is_plain() {
            row_major(&shape)
        } else if same && self.axes.len() == self.shape.len() {
            // Axes of one element come and go.
            let mut long = self.axes.iter().filter(|(n, _)| *n != 1);
            let axis = |&n: &usize| {
                if n == 1 {
                    Some((1, 1))
                } else {
                    long.next().copied()
                }
            };
            shape.iter().filter_map(axis).collect()
        } else {
            self.axes.clone()
        };
        Ok(Self {
            value: self.value,
            axes,
            shape,
        })
    }

    /// With axis `perm[i]` of ONNX's (the batch not counted) at place i.
    pub(super) fn transposed(&self, perm: &[usize]) -> Result<Self, Reason> {
        let sizes = self.axes.iter().map(|(n, _)| *n);
        let mut sorted = perm.to_vec();
        sorted.sort_unstable();
        if !sizes.eq(self.shape.iter().copied()) || !sorted.into_iter().eq(0..self.shape.len()) {
            return Err(format!("{:?} cannot be permuted by {perm:?}", self.shape));
        }
        Ok(Self {
            value: self.value,
            axes: perm.iter().map(|&p| self.axes[p]).collect(),
            shape: perm.iter().map(|&p| self.shape[p]).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_last_keeps_its_order() {
        let image = Activation::new(0, &[2, 1, 3]);
        let last = image.transposed(&[1, 2, 0]).unwrap();
        assert_eq!(last.shape, [1, 3, 2]);
        assert!(!last.is_plain());
        // Elements by pixel, then by channel.
        let flat = last.reshaped(vec![6]).unwrap();
        assert_eq!(flat.order(), [0, 3, 1, 4, 2, 5]);
        assert_eq!(last.transposed(&[2, 0, 1]).unwrap(), image);
        assert!(flat.transposed(&[0, 1]).is_err());
    }

    #[test]
    fn one_channel_has_one_order() {
        let gray = Activation::new(0, &[1, 4, 3])
            .transposed(&[1, 2, 0])
            .unwrap();
        assert!(gray.is_plain());
        let first = gray.reshaped(vec![1, 4, 3]).unwrap();
        assert_eq!(first, Activation::new(0, &[1, 4, 3]));
    }
}

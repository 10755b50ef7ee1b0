//! Pooling, and reduction over height and width.

use super::error::Reason;
use super::layers::{padding, reach};
use super::node::Node;
use super::translate::Translator;
use super::value::{Activation, Value};
use crate::op::{AveragePool2d, MaxPool2d, WindowMax2d};

/// Pixels beyond an axis of `n`, `after` of them padding at its end, for a last window that is
/// only partly on it (ceil_mode). One that begins behind the image is left out, as in PyTorch.
fn partial(n: usize, after: usize, reach: usize, stride: usize) -> usize {
    let left = n.saturating_sub(reach) % stride.max(1);
    let begins = n.saturating_sub(reach) - left + stride;
    match left > 0 && begins < n - after {
        true => stride - left,
        false => 0,
    }
}

impl Translator<'_> {
    pub(super) fn pool(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
    ) -> Result<Value, Reason> {
        let x = self.image(node.name(), inputs)?;
        let whole = [x.shape[1], x.shape[2]];
        let average = |kernel, stride, padding, count_padding| AveragePool2d {
            kernel,
            stride,
            padding,
            count_padding,
        };
        if node.op() == "GlobalAveragePool" {
            return self.push(node, average(whole, [1, 1], [0; 4], false), &x, Vec::new());
        }
        let kernel = match node.op() {
            "GlobalMaxPool" => whole,
            _ => node.sizes("kernel_shape", [0; 2])?,
        };
        let stride = node.sizes("strides", [1; 2])?;
        let dilation = node.sizes("dilations", [1; 2])?;
        let reach = [0, 1].map(|axis| reach(kernel[axis], dilation[axis]));
        let [top, left, mut bottom, mut right] = padding(node, &x.shape, reach)?;
        let is_padded = [top, left, bottom, right] != [0; 4];
        let mut beyond = false;
        if node.int("ceil_mode", 0)? != 0 {
            let more = [
                partial(whole[0] + top + bottom, bottom, reach[0], stride[0]),
                partial(whole[1] + left + right, right, reach[1], stride[1]),
            ];
            beyond = more != [0; 2];
            (bottom, right) = (bottom + more[0], right + more[1]);
        }
        let padding = [left, right, top, bottom];
        if node.op() == "AveragePool" {
            let count = is_padded && node.int("count_include_pad", 0)? != 0;
            if dilation != [1, 1] || (beyond && count) {
                return Err(
                    "means over windows with dilation, or of padding that counts in one direction \
                     only (ceil_mode), are not built here"
                        .into(),
                );
            }
            let op = average(kernel, stride, padding, count);
            return self.push(node, op, &x, Vec::new());
        }
        let is_square = kernel[0] == kernel[1] && stride[0] == stride[1] && kernel[0] <= 64;
        if padding == [0; 4] && dilation == [1, 1] && is_square && stride[0] <= 64 {
            let op = MaxPool2d {
                kernel: kernel[0],
                stride: stride[0],
            };
            return self.push(node, op, &x, Vec::new());
        }
        let op = WindowMax2d {
            kernel,
            stride,
            dilation,
            padding,
        };
        self.push(node, op, &x, Vec::new())
    }

    /// A mean or maximum over whole axes of an image.
    pub(super) fn reduce(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
    ) -> Result<Value, Reason> {
        let x = self.activation(node.name(), inputs, 0)?;
        let axes = match Self::optional(inputs, 1, "axes")? {
            Some(axes) => axes.array.as_ints()?.to_vec(),
            None => node.ints("axes")?.unwrap_or_default(),
        };
        let stored = &self.build.shapes[x.value];
        let rank = x.shape.len() as i64 + 1;
        let is_reduced = |i: usize| axes.iter().any(|a| a.rem_euclid(rank) == i as i64 + 1);
        // Axis of the engine's image that each axis of ONNX is.
        let places: Option<Vec<usize>> = match stored.len() {
            3 => (0..x.shape.len()).map(|i| x.place(i, stored)).collect(),
            _ => None,
        };
        let places = places.filter(|p| p.len() == 3 && !axes.contains(&0) && !axes.is_empty());
        let places = places.filter(|p| !(0..3).any(|i| p[i] == 0 && is_reduced(i)));
        let places = places.ok_or("only height and width of images are reduced here")?;
        let mut kernel = [1; 2];
        for i in (0..3).filter(|&i| is_reduced(i)) {
            kernel[places[i] - 1] = x.shape[i];
        }
        let padding = [0; 4];
        let from = node.name();
        let value = match node.op() {
            "ReduceMax" => {
                let (stride, dilation) = ([1; 2], [1; 2]);
                let op = WindowMax2d {
                    kernel,
                    stride,
                    dilation,
                    padding,
                };
                self.build.push(from, op, &[x.value], Vec::new())?
            }
            _ => {
                let (stride, count_padding) = ([1; 2], false);
                let op = AveragePool2d {
                    kernel,
                    stride,
                    padding,
                    count_padding,
                };
                self.build.push(from, op, &[x.value], Vec::new())?
            }
        };
        let reduced = Activation::new(value, &self.build.shapes[value]);
        let mut perm = [0; 3];
        places
            .iter()
            .enumerate()
            .for_each(|(i, &place)| perm[i] = place);
        let reduced = reduced.transposed(&perm)?;
        let kept = (0..3).filter(|&i| !is_reduced(i)).map(|i| x.shape[i]);
        Ok(Value::Activation(match node.int("keepdims", 1)? {
            0 => reduced.reshaped(kept.collect())?,
            _ => reduced,
        }))
    }
}

//! Pooling, and reduction over height and width.

use super::error::Reason;
use super::layers::{padding, reach};
use super::node::Node;
use super::translator::Translator;
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
        if node.op() == "GlobalAveragePool" {
            let op = AveragePool2d {
                kernel: whole,
                stride: [1; 2],
                padding: [0; 4],
                count_padding: false,
            };
            return self.push(node, op, &x, Vec::new());
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
            let op = AveragePool2d {
                kernel,
                stride,
                padding,
                count_padding: count,
            };
            return self.push(node, op, &x, Vec::new());
        }
        let op = WindowMax2d {
            kernel,
            stride,
            dilation,
            padding,
        };
        self.maxima(node, &x, op)
    }

    /// Maxima over windows, by the quicker op where they are square and plain.
    fn maxima(
        &mut self,
        node: &Node<'_>,
        x: &Activation,
        op: WindowMax2d,
    ) -> Result<Value, Reason> {
        let ([kernel, width], [stride, across]) = (op.kernel, op.stride);
        let is_square = kernel == width && stride == across && kernel <= 64 && stride <= 64;
        if is_square && op.padding == [0; 4] && op.dilation == [1, 1] {
            return self.push(node, MaxPool2d { kernel, stride }, x, Vec::new());
        }
        self.push(node, op, x, Vec::new())
    }

    /// A mean or maximum over whole axes.
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
        let rank = x.shape.len() as i64 + 1;
        let axes: Vec<i64> = axes.iter().map(|axis| axis.rem_euclid(rank)).collect();
        if axes.is_empty() || axes.contains(&0) {
            return Err("it reduces the batch; only axes of an example are reduced here".into());
        }
        let is_reduced = |i: &usize| axes.contains(&(*i as i64 + 1));
        let keeps = node.int("keepdims", 1)? != 0;
        let sizes = x.shape.iter().enumerate();
        let left = sizes.filter_map(|(i, &n)| match is_reduced(&i) {
            true => keeps.then_some(1),
            false => Some(n),
        });
        let left = left.collect();
        let stored = &self.build.shapes[x.value];
        let places = x.places(stored).filter(|places| {
            let is_channels = |i: usize| places[i] == 0 && is_reduced(&i);
            places.len() == 3 && !(0..3).any(is_channels)
        });
        let reduced = if let Some(places) = places {
            let mut kernel = [1; 2];
            for i in (0..3).filter(is_reduced) {
                kernel[places[i] - 1] = x.shape[i];
            }
            self.window(node, x.value, kernel)?.transposed(&places)?
        } else {
            // What is reduced becomes the columns of an image.
            let (last, mut order): (Vec<_>, Vec<_>) = (0..x.shape.len()).partition(is_reduced);
            order.extend(&last);
            let height = last.iter().map(|&i| x.shape[i]).product();
            let x = x.transposed(&order)?;
            let columns = vec![x.size() / height, height, 1];
            let columns = self.arranged(node.name(), &x, columns)?;
            self.window(node, columns.value, [height, 1])?
        };
        reduced.reshaped(left).map(Value::Activation)
    }

    /// The one mean or maximum in windows of `kernel`.
    fn window(
        &mut self,
        node: &Node<'_>,
        value: usize,
        kernel: [usize; 2],
    ) -> Result<Activation, Reason> {
        let (from, stride, padding) = (node.name(), [1; 2], [0; 4]);
        let value = if node.op() == "ReduceMax" {
            let op = WindowMax2d {
                kernel,
                stride,
                dilation: [1; 2],
                padding,
            };
            self.build.push(from, op, &[value], Vec::new())?
        } else {
            let op = AveragePool2d {
                kernel,
                stride,
                padding,
                count_padding: false,
            };
            self.build.push(from, op, &[value], Vec::new())?
        };
        Ok(Activation::new(value, &self.build.shapes[value]))
    }
}

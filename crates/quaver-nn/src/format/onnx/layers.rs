//! Nodes with weights, and pooling.

use super::array::Array;
use super::error::Reason;
use super::fold::Constant;
use super::node::Node;
use super::quantized::{Weights, recognize};
use super::translate::Translator;
use super::value::{Activation, Value};
use crate::op::{AveragePool2d, BatchNorm, Conv2d, Dense, GroupedConv2d, MaxPool2d, ZeroPad2d};

/// The shortest decimal number that is this float32: 1e-5 rather than 9.99999974e-6.
pub(super) fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

/// Padding `[top, left, bottom, right]` of a convolution or pooling over `shape`.
fn padding(node: &Node<'_>, shape: &[usize], reach: [usize; 2]) -> Result<[usize; 4], Reason> {
    let upper = match node.text("auto_pad")? {
        "" | "NOTSET" => return node.sizes("pads", [0; 4]),
        "VALID" => return Ok([0; 4]),
        "SAME_UPPER" => true,
        "SAME_LOWER" => false,
        other => return Err(format!("auto_pad {other:?}")),
    };
    let strides = node.sizes("strides", [1; 2])?;
    let mut out = [0; 4];
    for axis in 0..2 {
        let (n, stride) = (shape[axis + 1], strides[axis].max(1));
        let whole = ((n.div_ceil(stride) - 1) * stride + reach[axis]).saturating_sub(n);
        let (less, more) = (whole / 2, whole - whole / 2);
        (out[axis], out[axis + 2]) = if upper { (less, more) } else { (more, less) };
    }
    Ok(out)
}

impl Translator<'_> {
    fn weights(&mut self, node: &Node<'_>, constant: &Constant) -> Weights {
        let weights = recognize(constant, self.surrogate);
        if let Some(quantizer) = &weights.quantizer {
            let config = serde_json::json!(quantizer);
            self.notes.push(format!(
                "{}: its weights lie on a grid: {config}",
                node.name()
            ));
        }
        weights
    }

    pub(super) fn convolution(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
    ) -> Result<Value, Reason> {
        let mut x = self.image(node.name(), inputs)?;
        let kernel = Self::constant(inputs, 1, "weight")?;
        let [out_channels, channels, kh, kw] = kernel.array.shape[..] else {
            let shape = &kernel.array.shape;
            return Err(format!(
                "weights of {shape:?}; only two-dimensional convolutions are built here"
            ));
        };
        let dilation = node.sizes("dilations", [1; 2])?;
        let groups = usize::try_from(node.int("group", 1)?).unwrap_or(0);
        let stride = node.sizes("strides", [1; 2])?;
        let reach = |axis: usize, k: usize| (k.max(1) - 1).saturating_mul(dilation[axis]) + 1;
        let pads = padding(node, &x.shape, [reach(0, kh), reach(1, kw)])?;
        let is_plain = groups == 1 && dilation == [1, 1] && stride[0] == stride[1];
        let even = is_plain && pads.iter().all(|p| *p == pads[0]) && pads[0] < kh.min(kw);
        if !even && pads != [0; 4] {
            x = self.padded(node, &x, pads)?;
        }
        let bias = Self::optional(inputs, 2, "bias")?.map(|b| b.array.as_floats());
        let weights = self.weights(node, kernel);
        let (in_channels, kernel) = (channels.saturating_mul(groups), [kh, kw]);
        let (has_bias, quantizer) = (bias.is_some(), weights.quantizer);
        let params = std::iter::once(weights.values).chain(bias).collect();
        if !is_plain {
            let op = GroupedConv2d {
                in_channels,
                out_channels,
                kernel,
                stride,
                dilation,
                groups,
                bias: has_bias,
                quantizer,
            };
            return self.push(node, op, &x, params);
        }
        let op = Conv2d {
            in_channels,
            out_channels,
            kernel,
            stride: stride[0],
            padding: if even { pads[0] } else { 0 },
            bias: has_bias,
            quantizer,
        };
        self.push(node, op, &x, params)
    }

    /// `x` with zeros around it, `[top, left, bottom, right]`.
    pub(super) fn padded(
        &mut self,
        node: &Node<'_>,
        x: &Activation,
        [top, left, bottom, right]: [usize; 4],
    ) -> Result<Activation, Reason> {
        let padding = [left, right, top, bottom];
        let op = ZeroPad2d { padding };
        let value = self.build.push(node.name(), op, &[x.value], Vec::new())?;
        Ok(Activation::new(value, &self.build.shapes[value]))
    }

    /// Adds a layer whose output has the order of this engine.
    fn push(
        &mut self,
        node: &Node<'_>,
        op: impl crate::op::Op,
        x: &Activation,
        params: Vec<Vec<f32>>,
    ) -> Result<Value, Reason> {
        let value = self.build.push(node.name(), op, &[x.value], params)?;
        let shape = &self.build.shapes[value];
        Ok(Value::Activation(Activation::new(value, shape)))
    }

    pub(super) fn gemm(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
    ) -> Result<Value, Reason> {
        let (alpha, beta) = (node.float("alpha", 1.0)?, node.float("beta", 1.0)?);
        if node.int("transA", 0)? != 0 || alpha != 1.0 || beta != 1.0 {
            return Err("transA, alpha and beta other than 0, 1 and 1 are not built here".into());
        }
        let weight = Self::constant(inputs, 1, "weight")?;
        let bias = Self::optional(inputs, 2, "bias")?;
        let is_turned = node.int("transB", 0)? != 0;
        self.dense(node, inputs, (weight, is_turned), bias)
    }

    pub(super) fn product(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
    ) -> Result<Value, Reason> {
        let weight = Self::constant(inputs, 1, "second factor")?;
        self.dense(node, inputs, (weight, false), None)
    }

    /// A dense layer; `weight` is `(out, in)` if the flag beside it is set, else `(in, out)`.
    fn dense(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
        (weight, is_turned): (&Constant, bool),
        bias: Option<&Constant>,
    ) -> Result<Value, Reason> {
        let x = self.activation(node.name(), inputs, 0)?;
        let x = self.vector(node.name(), &x)?;
        let turn = |array: &Array| match is_turned {
            true => Ok(array.clone()),
            false => array.transposed(&[1, 0]),
        };
        let order = x.order();
        let place = |array: Array| -> Result<Array, Reason> {
            let [out, features] = array.shape[..] else {
                return Err(format!("weights of {:?}, expected two axes", array.shape));
            };
            if features != order.len() {
                let n = order.len();
                return Err(format!("weights of {features} features on {n}"));
            }
            if x.is_plain() {
                return Ok(array);
            }
            let mut places = vec![0; array.len()];
            for o in 0..out {
                for (i, &at) in order.iter().enumerate() {
                    places[o * features + at] = o * features + i;
                }
            }
            Ok(array.gathered(array.shape.clone(), &places))
        };
        let moved = Constant {
            array: place(turn(&weight.array)?)?,
            latent: match &weight.latent {
                Some(latent) => Some(place(turn(latent)?)?),
                None => None,
            },
        };
        let (out_features, in_features) = (moved.array.shape[0], moved.array.shape[1]);
        let weights = self.weights(node, &moved);
        let bias = bias.map(|bias| match bias.array.as_floats() {
            one if one.len() == 1 => vec![one[0]; out_features],
            all => all,
        });
        let op = Dense {
            in_features,
            out_features,
            bias: bias.is_some(),
            quantizer: weights.quantizer,
        };
        let params = std::iter::once(weights.values).chain(bias).collect();
        self.push(node, op, &x, params)
    }

    pub(super) fn normalization(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
    ) -> Result<Value, Reason> {
        if node.int("training_mode", 0)? != 0 {
            return Err("it is in training mode; export the model in evaluation mode".into());
        }
        let mut x = self.activation(node.name(), inputs, 0)?;
        let order = match x.shape.len() {
            1 => {
                x = self.vector(node.name(), &x)?;
                x.order()
            }
            _ => {
                x = self.image(node.name(), inputs)?;
                (0..x.shape[0]).collect()
            }
        };
        let names = ["scale", "bias", "mean", "variance"];
        let mut params = Vec::new();
        for (i, name) in names.iter().enumerate() {
            let given = Self::constant(inputs, i + 1, name)?.array.as_floats();
            if given.len() != order.len() {
                let (got, n) = (given.len(), order.len());
                return Err(format!("its {name} has {got} numbers, expected {n}"));
            }
            let mut placed = vec![0.0; given.len()];
            order.iter().zip(given).for_each(|(&at, v)| placed[at] = v);
            params.push(placed);
        }
        if params[3].iter().any(|v| *v < 0.0) {
            return Err("a variance is negative".into());
        }
        let momentum = 1.0 - decimal(node.float("momentum", 0.9)?);
        let op = BatchNorm {
            eps: decimal(node.float("epsilon", 1e-5)?),
            // Back from 1 - 0.9 to the number that it was before.
            momentum: decimal(momentum as f32),
            ..BatchNorm::new(order.len(), true)
        };
        let value = self.build.push(node.name(), op, &[x.value], params)?;
        Ok(Value::Activation(x.at(value)))
    }

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
        match node.op() {
            "GlobalAveragePool" => {
                return self.push(node, average(whole, [1, 1], [0; 4], false), &x, Vec::new());
            }
            "ReduceMean" => return self.mean(node, inputs, &x),
            _ => {}
        }
        let kernel = match node.op() {
            "GlobalMaxPool" => whole,
            _ => node.sizes("kernel_shape", [0; 2])?,
        };
        let stride = node.sizes("strides", [1; 2])?;
        let [top, left, bottom, right] = padding(node, &x.shape, kernel)?;
        let dilation = node.sizes("dilations", [1; 2])?;
        let ceil = node.int("ceil_mode", 0)? != 0;
        let covers = |n: usize, k: usize, s: usize| n >= k && s > 0 && (n - k).is_multiple_of(s);
        let exact = covers(whole[0] + top + bottom, kernel[0], stride[0])
            && covers(whole[1] + left + right, kernel[1], stride[1]);
        if dilation != [1, 1] || (ceil && !exact) {
            return Err("windows with dilation or beyond the image are not pooled here".into());
        }
        let padding = [left, right, top, bottom];
        if node.op() == "AveragePool" {
            let count = node.int("count_include_pad", 0)? != 0;
            let op = average(kernel, stride, padding, count);
            return self.push(node, op, &x, Vec::new());
        }
        if padding != [0; 4] || kernel[0] != kernel[1] || stride[0] != stride[1] {
            return Err(format!(
                "kernel {kernel:?}, strides {stride:?}, pads {padding:?}; maxima here are taken \
                 over square windows without padding"
            ));
        }
        let op = MaxPool2d {
            kernel: kernel[0],
            stride: stride[0],
        };
        self.push(node, op, &x, Vec::new())
    }

    /// A mean over all positions.
    fn mean(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
        x: &Activation,
    ) -> Result<Value, Reason> {
        let axes = match Self::optional(inputs, 1, "axes")? {
            Some(axes) => axes.array.as_ints()?.to_vec(),
            None => node.ints("axes")?.unwrap_or_default(),
        };
        let mut axes: Vec<i64> = axes.iter().map(|a| a.rem_euclid(4)).collect();
        axes.sort_unstable();
        if axes != [2, 3] {
            return Err("only a mean over height and width is built here".into());
        }
        let op = AveragePool2d {
            kernel: [x.shape[1], x.shape[2]],
            stride: [1, 1],
            padding: [0; 4],
            count_padding: false,
        };
        let value = self.build.push(node.name(), op, &[x.value], Vec::new())?;
        let pooled = Activation::new(value, &self.build.shapes[value]);
        match node.int("keepdims", 1)? {
            0 => Ok(Value::Activation(pooled.reshaped(vec![x.shape[0]])?)),
            _ => Ok(Value::Activation(pooled)),
        }
    }
}

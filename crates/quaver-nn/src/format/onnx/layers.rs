//! Nodes with weights, and normalization.

use super::array::Array;
use super::constant::Constant;
use super::error::Reason;
use super::node::Node;
use super::quantized::{Weights, recognize, recognize_scaled};
use super::translator::Translator;
use super::value::{Activation, Value};
use crate::op::{Affine, BatchNorm, Conv2d, Dense, GroupedConv2d, ZeroPad2d};
use crate::quantizer::Quantization;

/// The shortest decimal number that is this float32: 1e-5 rather than 9.99999974e-6.
pub(super) fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

/// Padding `[top, left, bottom, right]` of a convolution or pooling over `shape`.
pub(super) fn padding(
    node: &Node<'_>,
    shape: &[usize],
    reach: [usize; 2],
) -> Result<[usize; 4], Reason> {
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

/// Pixels from the first to the last of a window along an axis.
pub(super) fn reach(kernel: usize, dilation: usize) -> usize {
    (kernel.max(1) - 1).saturating_mul(dilation) + 1
}

/// Weights `(out, features)` with their features in the order in which `x` is kept here.
fn placed(array: Array, x: &Activation) -> Result<Array, Reason> {
    let order = x.order();
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
}

/// Weights of a layer, its bias, and what its outputs are multiplied by before the bias.
struct Product {
    weights: Weights,
    bias: Option<Vec<f32>>,
    factors: Option<Vec<f32>>,
}

impl Translator<'_> {
    fn weights(&mut self, node: &Node<'_>, constant: &Constant, bias: Option<Vec<f32>>) -> Product {
        let mut weights = recognize(constant, self.surrogate);
        let mut factors = None;
        if weights.quantizer.is_none()
            && let Some(found) = recognize_scaled(constant, self.surrogate)
        {
            (weights, factors) = (found.0, Some(found.1));
        }
        if let Some(quantizer) = &weights.quantizer {
            let config = serde_json::json!(quantizer);
            let each = factors
                .as_ref()
                .map_or("", |_| ", times a factor for each channel");
            self.notes.push(format!(
                "{}: its weights lie on a grid: {config}{each}",
                node.name()
            ));
        }
        Product {
            weights,
            bias,
            factors,
        }
    }

    /// Adds a layer with weights, made by `op` of whether it has a bias and of its quantizer.
    fn weighted<O: crate::op::Op>(
        &mut self,
        node: &Node<'_>,
        x: &Activation,
        product: Product,
        op: impl Fn(bool, Option<Quantization>) -> O,
    ) -> Result<Value, Reason> {
        let Product {
            weights,
            bias,
            factors,
        } = product;
        let Some(factors) = factors else {
            let op = op(bias.is_some(), weights.quantizer);
            let params = std::iter::once(weights.values).chain(bias).collect();
            return self.push(node, op, x, params);
        };
        let value = op(false, weights.quantizer);
        let value = self
            .build
            .push(node.name(), value, &[x.value], vec![weights.values])?;
        let shift = bias.unwrap_or_else(|| vec![0.0; factors.len()]);
        let [scale, shift] = [factors, shift].map(|v| v.into_iter().map(decimal).collect());
        let x = Activation::new(value, &self.build.shapes[value]);
        self.push(node, Affine { scale, shift }, &x, Vec::new())
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
        let reach = [reach(kh, dilation[0]), reach(kw, dilation[1])];
        let pads = padding(node, &x.shape, reach)?;
        let is_plain = groups == 1 && dilation == [1, 1] && stride[0] == stride[1];
        let even = is_plain && pads.iter().all(|p| *p == pads[0]) && pads[0] < kh.min(kw);
        if !even && pads != [0; 4] {
            x = self.padded(node, &x, pads)?;
        }
        let bias = Self::optional(inputs, 2, "bias")?.map(|b| b.array.as_floats());
        let product = self.weights(node, kernel, bias);
        let (in_channels, kernel) = (channels.saturating_mul(groups), [kh, kw]);
        if !is_plain {
            return self.weighted(node, &x, product, |bias, quantizer| GroupedConv2d {
                in_channels,
                out_channels,
                kernel,
                stride,
                dilation,
                groups,
                bias,
                quantizer,
            });
        }
        self.weighted(node, &x, product, |bias, quantizer| Conv2d {
            in_channels,
            out_channels,
            kernel,
            stride: stride[0],
            padding: if even { pads[0] } else { 0 },
            bias,
            quantizer,
        })
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
    pub(super) fn push(
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
        let moved = Constant {
            array: placed(turn(&weight.array)?, &x)?,
            latent: match &weight.latent {
                Some(latent) => Some(placed(turn(latent)?, &x)?),
                None => None,
            },
            is_fixed: weight.is_fixed,
        };
        let (out_features, in_features) = (moved.array.shape[0], moved.array.shape[1]);
        let bias = bias.map(|bias| match bias.array.as_floats() {
            one if one.len() == 1 => vec![one[0]; out_features],
            all => all,
        });
        let product = self.weights(node, &moved, bias);
        self.weighted(node, &x, product, |bias, quantizer| Dense {
            in_features,
            out_features,
            bias,
            quantizer,
        })
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
        // A normalization without gamma has ones that are no parameter.
        let is_fixed = Self::constant(inputs, 1, "scale")?.is_fixed;
        let has_scale = !is_fixed || params[0].iter().any(|gamma| *gamma != 1.0);
        let momentum = 1.0 - decimal(node.float("momentum", 0.9)?);
        let op = BatchNorm {
            eps: decimal(node.float("epsilon", 1e-5)?),
            // Back from 1 - 0.9 to the number that it was before.
            momentum: decimal(momentum as f32),
            ..BatchNorm::new(order.len(), has_scale)
        };
        let value = self.build.push(node.name(), op, &[x.value], params)?;
        Ok(Value::Activation(x.at(value)))
    }
}

//! The nodes of ONNX that stand for a layer.

use super::super::error::OnnxError;
use super::writer::{Writer, Written, float, int, ints};
use crate::op::{
    Affine, AveragePool2d, BatchNorm, Conv2d, Dense, Dropout, Function, GroupedConv2d, MaxPool2d,
    Pointwise, Quantize, Rearrange, Relu, WindowMax2d, ZeroPad2d,
};
use crate::quantizer::Quantization;
use serde_json::Value;

impl Writer {
    /// Writes a layer.
    pub(super) fn layer(&mut self, layer: &Written<'_>) -> Result<(), OnnxError> {
        let (inputs, output) = (&layer.inputs, &layer.output);
        if self.weighted(layer)?
            || self.activation(layer)?
            || self.pooling(layer)
            || self.moved(layer)
        {
            return Ok(());
        }
        match layer.op.name() {
            "flatten" => self.node("Flatten", inputs, output, vec![int("axis", 1)]),
            "add" => self.node("Add", inputs, output, Vec::new()),
            "concat" => self.node("Concat", inputs, output, vec![int("axis", 1)]),
            other => {
                return Err(OnnxError::Node {
                    node: layer.name.into(),
                    operator: other.into(),
                    reason: "it has no counterpart in ONNX".into(),
                });
            }
        }
        Ok(())
    }

    /// Whether it is a layer with parameters, which is written then.
    fn weighted(&mut self, layer: &Written<'_>) -> Result<bool, OnnxError> {
        let (inputs, output) = (&layer.inputs, &layer.output);
        if let Some(op) = layer.is::<Conv2d>() {
            let weights = self.weights(layer, op.quantizer.as_ref(), op.bias)?;
            let attributes = vec![
                ints("kernel_shape", op.kernel),
                ints("strides", [op.stride; 2]),
                ints("pads", [op.padding; 4]),
            ];
            self.node("Conv", &weights, output, attributes);
        } else if let Some(op) = layer.is::<GroupedConv2d>() {
            let weights = self.weights(layer, op.quantizer.as_ref(), op.bias)?;
            let attributes = vec![
                ints("kernel_shape", op.kernel),
                ints("strides", op.stride),
                ints("dilations", op.dilation),
                int("group", op.groups as i64),
            ];
            self.node("Conv", &weights, output, attributes);
        } else if let Some(op) = layer.is::<Dense>() {
            let weights = self.weights(layer, op.quantizer.as_ref(), op.bias)?;
            self.node("Gemm", &weights, output, vec![int("transB", 1)]);
        } else if let Some(op) = layer.is::<BatchNorm>() {
            let parts = ["weight", "bias", "running_mean", "running_var"];
            let parts = parts.map(|part| layer.part(part));
            let all = [&inputs[..], &parts[..]].concat();
            let attributes = vec![
                float("epsilon", op.eps),
                float("momentum", 1.0 - op.momentum),
            ];
            self.node("BatchNormalization", &all, output, attributes);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// The same of activations and dropout.
    fn activation(&mut self, layer: &Written<'_>) -> Result<bool, OnnxError> {
        let (inputs, output) = (&layer.inputs, &layer.output);
        if let Some(op) = layer.is::<Quantize>() {
            self.quantizer(layer, &op.quantizer, &inputs[0], output)?;
        } else if let Some(op) = layer.is::<Relu>() {
            self.relu(layer, op);
        } else if let Some(op) = layer.is::<Dropout>() {
            let ratio = self.number(&layer.part("ratio"), op.p);
            self.node("Dropout", &[inputs[0].clone(), ratio], output, Vec::new());
        } else if let Some(op) = layer.is::<Pointwise>() {
            self.pointwise(layer, op.function);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// The same of pooling and padding.
    fn pooling(&mut self, layer: &Written<'_>) -> bool {
        let (inputs, output) = (&layer.inputs, &layer.output);
        if let Some(op) = layer.is::<MaxPool2d>() {
            let sizes = vec![
                ints("kernel_shape", [op.kernel; 2]),
                ints("strides", [op.stride; 2]),
            ];
            self.node("MaxPool", inputs, output, sizes);
        } else if let Some(op) = layer.is::<WindowMax2d>() {
            let [left, right, top, bottom] = op.padding;
            let attributes = vec![
                ints("kernel_shape", op.kernel),
                ints("strides", op.stride),
                ints("dilations", op.dilation),
                ints("pads", [top, left, bottom, right]),
            ];
            self.node("MaxPool", inputs, output, attributes);
        } else if let Some(op) = layer.is::<AveragePool2d>() {
            let [left, right, top, bottom] = op.padding;
            let attributes = vec![
                ints("kernel_shape", op.kernel),
                ints("strides", op.stride),
                ints("pads", [top, left, bottom, right]),
                int("count_include_pad", i64::from(op.count_padding)),
            ];
            self.node("AveragePool", inputs, output, attributes);
        } else if let Some(op) = layer.is::<ZeroPad2d>() {
            let [left, right, top, bottom] = op.padding;
            let pads = [0, 0, top, left, 0, 0, bottom, right];
            let pads = self.integers(layer.part("pads"), &pads);
            self.node("Pad", &[inputs[0].clone(), pads], output, Vec::new());
        } else {
            return false;
        }
        true
    }

    /// The same of what else has settings.
    fn moved(&mut self, layer: &Written<'_>) -> bool {
        let (inputs, output) = (&layer.inputs, &layer.output);
        if let Some(op) = layer.is::<Rearrange>() {
            self.rearranged(layer, op);
        } else if let Some(op) = layer.is::<Affine>() {
            let mut shape = vec![1; layer.rank];
            let mut constant = |name: &str, values: &[f64]| {
                shape[0] = values.len();
                let values: Vec<f32> = values.iter().map(|v| *v as f32).collect();
                self.floats(&layer.part(name), &shape, &values)
            };
            let (scale, shift) = (constant("scale", &op.scale), constant("shift", &op.shift));
            let scaled = layer.part("scaled");
            self.node("Mul", &[inputs[0].clone(), scale], &scaled, Vec::new());
            self.node("Add", &[scaled, shift], output, Vec::new());
        } else {
            return false;
        }
        true
    }

    /// Inputs of a layer with weights, quantized where they are.
    fn weights(
        &mut self,
        layer: &Written<'_>,
        quantizer: Option<&Quantization>,
        has_bias: bool,
    ) -> Result<Vec<String>, OnnxError> {
        let latent = layer.part("weight");
        let weight = match quantizer {
            None => latent,
            Some(quantizer) => {
                let grid = layer.part("weight.grid");
                self.quantizer(layer, quantizer, &latent, &grid)?;
                grid
            }
        };
        let bias = has_bias.then(|| layer.part("bias"));
        Ok([layer.inputs[0].clone(), weight]
            .into_iter()
            .chain(bias)
            .collect())
    }

    /// The input's axes, these in another order, and their elements as the shape asked for.
    fn rearranged(&mut self, layer: &Written<'_>, op: &Rearrange) {
        let mut order: Vec<usize> = (0..op.axes.len()).collect();
        order.sort_by_key(|&i| std::cmp::Reverse(op.axes[i][1]));
        let mut perm = vec![0; order.len() + 1];
        // 0 keeps the batch, in a shape and as the first axis.
        let (mut split, mut shape) = (vec![0], vec![0]);
        for (place, &i) in order.iter().enumerate() {
            split.push(op.axes[i][0]);
            perm[i + 1] = place + 1;
        }
        shape.extend(&op.shape);
        let [axes, walked] = ["axes", "walked"].map(|part| layer.part(part));
        let split = self.integers(layer.part("split"), &split);
        let shape = self.integers(layer.part("shape"), &shape);
        let perm = ints("perm", perm);
        self.node(
            "Reshape",
            &[layer.inputs[0].clone(), split],
            &axes,
            Vec::new(),
        );
        self.node("Transpose", &[axes], &walked, vec![perm]);
        self.node("Reshape", &[walked, shape], &layer.output, Vec::new());
    }

    fn relu(&mut self, layer: &Written<'_>, op: &Relu) {
        if op.scale.is_none() {
            return self.node("Relu", &layer.inputs, &layer.output, Vec::new());
        }
        let plain = layer.part("plain");
        self.node("Relu", &layer.inputs, &plain, Vec::new());
        let scaled = [plain, layer.part("scale")];
        self.node("Mul", &scaled, &layer.output, Vec::new());
    }

    fn pointwise(&mut self, layer: &Written<'_>, function: Function) {
        let (inputs, output) = (&layer.inputs, &layer.output);
        match function {
            Function::LeakyRelu { slope } => {
                self.node("LeakyRelu", inputs, output, vec![float("alpha", slope)]);
            }
            Function::Sigmoid => self.node("Sigmoid", inputs, output, Vec::new()),
            Function::Tanh => self.node("Tanh", inputs, output, Vec::new()),
            Function::Clip { min, max } => {
                let low = self.number(&layer.part("min"), min);
                let high = self.number(&layer.part("max"), max);
                self.node("Clip", &[inputs[0].clone(), low, high], output, Vec::new());
            }
        }
    }

    /// The operators that compute a quantizer.
    fn quantizer(
        &mut self,
        layer: &Written<'_>,
        quantizer: &Quantization,
        from: &str,
        to: &str,
    ) -> Result<(), OnnxError> {
        let config = quantizer.get().config();
        let number = |key: &str| config.get(key).and_then(Value::as_f64).unwrap_or(1.0);
        let part = |name: &str| format!("{}.{name}", layer.name);
        match quantizer.get().name() {
            "sign" | "stochastic-sign" => {
                let zero = self.number(&part("zero"), 0.0);
                let (one, other) = (
                    self.number(&part("one"), 1.0),
                    self.number(&part("other"), -1.0),
                );
                let is_high = part("is_high");
                self.node("GreaterOrEqual", &[from.into(), zero], &is_high, Vec::new());
                self.node("Where", &[is_high, one, other], to, Vec::new());
            }
            name @ ("k-bit" | "linear") => {
                let (step, low, high) = match name {
                    "k-bit" => (2.0_f64.powf(1.0 - number("bits")), -1.0, 1.0),
                    _ => (number("step"), number("min"), number("max")),
                };
                let (step, low) = (
                    self.number(&part("step"), step),
                    self.number(&part("low"), low),
                );
                let high = self.number(&part("high"), high);
                let [level, rounded, scaled] = ["level", "rounded", "scaled"].map(part);
                self.node("Div", &[from.into(), step.clone()], &level, Vec::new());
                self.node("Round", &[level], &rounded, Vec::new());
                self.node("Mul", &[rounded, step], &scaled, Vec::new());
                self.node("Clip", &[scaled, low, high], to, Vec::new());
            }
            other => {
                return Err(OnnxError::Node {
                    node: layer.name.into(),
                    operator: other.into(),
                    reason: "this quantizer has no counterpart in ONNX".into(),
                });
            }
        }
        Ok(())
    }
}

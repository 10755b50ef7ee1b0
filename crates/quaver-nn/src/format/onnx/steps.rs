//! Arithmetic with constants, and the chains of operators that quantize activations.

use super::array::Array;
use super::error::Reason;
use super::fold::{Constant, broadcast};
use super::layers::decimal;
use super::node::Node;
use super::translate::Translator;
use super::value::{Activation, Rounded, Value};
use crate::op::{Add, Affine, Dense, Quantize};
use crate::quantizer::Quantization;
use serde_json::json;

impl Translator<'_> {
    /// `value` as the output of a layer.
    pub(super) fn materialize(&mut self, from: &str, value: &Value) -> Result<Activation, Reason> {
        match value {
            Value::Activation(activation) => Ok(activation.clone()),
            Value::Step { of, low, high } => {
                let signs = self.quantize(from, of, "sign", json!({}))?;
                let (scale, shift) = ((high - low) / 2.0, (high + low) / 2.0);
                self.scaled(from, &signs, decimal(scale), decimal(shift))
            }
            Value::Rounded(rounded) => self.rounded(from, rounded),
            Value::Constant(_) => Err("a constant where layers are expected".into()),
            Value::Probabilities(_) => Err(
                "it reads a softmax; only the network's output may be one, as attacks use logits"
                    .into(),
            ),
        }
    }

    fn quantize(
        &mut self,
        from: &str,
        of: &Activation,
        name: &str,
        mut config: serde_json::Value,
    ) -> Result<Activation, Reason> {
        config["surrogate"] = json!(self.surrogate);
        let quantizer = Quantization::from_config(name, config).map_err(|e| e.to_string())?;
        // The same chain may be read twice, by the two arms of a residual block.
        let known = self.build.layers.iter().position(|layer| {
            let op = layer.op.as_any().downcast_ref::<Quantize>();
            layer.inputs == [of.value]
                && op.is_some_and(|op| json!(op.quantizer) == json!(quantizer))
        });
        if let Some(at) = known {
            return Ok(of.at(at + 1));
        }
        self.notes.push(format!(
            "{from}: activations are quantized: {}, backward by its surrogate",
            json!(quantizer)
        ));
        let op = Quantize { quantizer };
        let value = self.build.push(from, op, &[of.value], Vec::new())?;
        Ok(of.at(value))
    }

    fn rounded(&mut self, from: &str, rounded: &Rounded) -> Result<Activation, Reason> {
        let Rounded {
            of,
            step,
            scale,
            clip,
        } = rounded;
        let levels = 1.0 / step;
        let factor = scale / step;
        let bits = levels.log2();
        let is_k_bit = (0.0..=15.0).contains(&bits) && bits.fract() == 0.0;
        let quantized = match clip {
            Some((low, high)) if is_k_bit && factor == 1.0 && *low == -1.0 && *high == 1.0 => {
                self.quantize(from, of, "k-bit", json!({ "bits": bits as u32 + 1 }))?
            }
            _ => {
                let free = step * f64::from(1_u32 << 24);
                let (low, high) = clip.map_or((-free, free), |(a, b)| (a / factor, b / factor));
                let config = json!({ "step": step, "min": low, "max": high });
                self.quantize(from, of, "linear", config)?
            }
        };
        // Two roundings of one number are no rescaling.
        let factor = if (factor - 1.0).abs() < 1e-6 {
            1.0
        } else {
            factor
        };
        self.scaled(from, &quantized, factor, 0.0)
    }

    /// `x · scale + shift`.
    fn scaled(
        &mut self,
        from: &str,
        x: &Activation,
        scale: f64,
        shift: f64,
    ) -> Result<Activation, Reason> {
        if scale == 1.0 && shift == 0.0 {
            return Ok(x.clone());
        }
        let op = Affine {
            scale: vec![scale],
            shift: vec![shift],
        };
        Ok(x.at(self.build.push(from, op, &[x.value], Vec::new())?))
    }

    pub(super) fn arithmetic(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
    ) -> Result<Value, Reason> {
        let (value, constant, is_second) = match inputs {
            [Some(value), Some(Value::Constant(constant))] => (*value, constant, true),
            [Some(Value::Constant(constant)), Some(value)] => (*value, constant, false),
            _ => return self.sum(node, inputs),
        };
        if let Some(c) = constant.array.scalar() {
            let f: Box<dyn Fn(f32) -> f32> = match (node.op(), is_second) {
                ("Add", _) => Box::new(move |v| v + c),
                ("Mul", _) => Box::new(move |v| v * c),
                ("Sub", true) => Box::new(move |v| v - c),
                ("Sub", false) => Box::new(move |v| c - v),
                (_, true) => Box::new(move |v| v / c),
                (_, false) => return Err("a constant divided by activations".into()),
            };
            match value {
                Value::Step { of, low, high } => {
                    let (of, low, high) = (of.clone(), f(*low), f(*high));
                    return Ok(Value::Step { of, low, high });
                }
                Value::Rounded(rounded) if ["Mul", "Div"].contains(&node.op()) && c > 0.0 => {
                    let factor = if node.op() == "Mul" {
                        decimal(c)
                    } else {
                        1.0 / decimal(c)
                    };
                    let mut rounded = rounded.clone();
                    rounded.scale *= factor;
                    rounded.clip = rounded.clip.map(|(a, b)| (a * factor, b * factor));
                    return Ok(Value::Rounded(rounded));
                }
                _ => {}
            }
        }
        let x = self.materialize(node.name(), value)?;
        self.shifted(node, &x, constant, is_second)
            .map(Value::Activation)
    }

    /// Arithmetic of `x` with one constant, or one for each channel.
    fn shifted(
        &mut self,
        node: &Node<'_>,
        x: &Activation,
        constant: &Constant,
        is_second: bool,
    ) -> Result<Activation, Reason> {
        let by = self.by_channel(x, &constant.array)?;
        let by = by.into_iter().map(decimal);
        let (scale, shift): (Vec<f64>, Vec<f64>) = match (node.op(), is_second) {
            ("Add", _) => by.map(|c| (1.0, c)).unzip(),
            ("Mul", _) => by.map(|c| (c, 0.0)).unzip(),
            ("Sub", true) => by.map(|c| (1.0, -c)).unzip(),
            ("Sub", false) => by.map(|c| (-1.0, c)).unzip(),
            (_, true) => by.map(|c| (1.0 / c, 0.0)).unzip(),
            (_, false) => return Err("a constant divided by activations".into()),
        };
        let dense = self.build.made_by::<Dense>(x.value);
        if let Some((layer, op)) = dense.filter(|(_, op)| !op.bias && node.op() == "Add") {
            let (read, from) = (layer.inputs[0], layer.from.clone());
            let bias = match shift.len() {
                1 => vec![shift[0] as f32; op.out_features],
                _ => shift.iter().map(|&s| s as f32).collect(),
            };
            let params = vec![layer.params[0].clone(), bias];
            let op = Dense {
                bias: true,
                ..op.clone()
            };
            return Ok(x.at(self.build.push(&from, op, &[read], params)?));
        }
        let op = Affine { scale, shift };
        let value = self.build.push(node.name(), op, &[x.value], Vec::new())?;
        Ok(x.at(value))
    }

    /// The numbers of `constant` for each channel of `x`, or one for all.
    fn by_channel(&self, x: &Activation, constant: &Array) -> Result<Vec<f32>, Reason> {
        if let Some(one) = constant.scalar() {
            return Ok(vec![one]);
        }
        let mut shape = vec![1];
        shape.extend(&x.shape);
        let all = broadcast(constant, &shape)?.as_floats();
        let stored = &self.build.shapes[x.value];
        let positions: usize = stored[1..].iter().product();
        let mut channels = vec![None; stored[0]];
        for (value, at) in all.into_iter().zip(x.order()) {
            let channel = channels[at / positions].get_or_insert(value);
            if *channel != value {
                return Err(
                    "a constant that differs between positions; one for each channel is needed"
                        .into(),
                );
            }
        }
        Ok(channels.into_iter().flatten().collect())
    }

    /// The sum of two activations.
    fn sum(&mut self, node: &Node<'_>, inputs: &[Option<&Value>]) -> Result<Value, Reason> {
        if node.op() != "Add" {
            return Err("of two activations only the sum is built here".into());
        }
        let a = self.activation(node.name(), inputs, 0)?;
        let b = self.activation(node.name(), inputs, 1)?;
        if a.at(0) != b.at(0) {
            return Err(format!(
                "it adds {:?} and {:?} of different order or shape",
                a.shape, b.shape
            ));
        }
        let both = [a.value, b.value];
        let value = self.build.push(node.name(), Add {}, &both, Vec::new())?;
        Ok(Value::Activation(a.at(value)))
    }

    pub(super) fn quantization(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
    ) -> Result<Value, Reason> {
        match node.op() {
            "Where" => choose(inputs),
            "Not" => match inputs {
                [Some(Value::Step { of, low, high })] => Ok(Value::Step {
                    of: of.clone(),
                    low: 1.0 - low,
                    high: 1.0 - high,
                }),
                _ => Err("only a comparison with a constant can be negated".into()),
            },
            "Sign" => {
                self.notes.push(format!(
                    "{}: its sign is 0 at 0; here it is +1",
                    node.name()
                ));
                let of = self.activation(node.name(), inputs, 0)?;
                let (low, high) = (-1.0, 1.0);
                Ok(Value::Step { of, low, high })
            }
            "Round" | "Floor" => self.round(node, inputs),
            "QuantizeLinear" => self.quantize_linear(node, inputs),
            "DequantizeLinear" => match inputs.first().copied().flatten() {
                // What it undoes has already been expressed with its scale.
                Some(rounded @ Value::Rounded(_)) => Ok(rounded.clone()),
                _ => Err("it stands alone; QuantizeLinear before it is needed".into()),
            },
            _ => self.compare(node, inputs),
        }
    }

    fn compare(&mut self, node: &Node<'_>, inputs: &[Option<&Value>]) -> Result<Value, Reason> {
        let (i, constant) = match inputs {
            [Some(_), Some(Value::Constant(constant))] => (0, constant),
            [Some(Value::Constant(constant)), Some(_)] => (1, constant),
            _ => return Err("only comparisons with a constant are built here".into()),
        };
        let threshold = constant.array.scalar();
        let threshold = threshold.ok_or("a threshold of one number is needed")?;
        let mut of = self.activation(node.name(), inputs, i)?;
        if threshold != 0.0 {
            of = self.scaled(node.name(), &of, 1.0, -decimal(threshold))?;
        }
        let above = node.op().starts_with("Greater") == (i == 0);
        // At 0 the comparisons x >= 0 and x < 0 hold what a sign holds, the others do not.
        if node.op().ends_with("OrEqual") != above {
            self.notes.push(format!(
                "{}: at exactly its threshold it differs from the sign that stands for it here",
                node.name()
            ));
        }
        let (low, high) = if above { (0.0, 1.0) } else { (1.0, 0.0) };
        Ok(Value::Step { of, low, high })
    }

    /// Rounds an activation, multiplied by a constant or not.
    fn round(&mut self, node: &Node<'_>, inputs: &[Option<&Value>]) -> Result<Value, Reason> {
        let x = self.activation(node.name(), inputs, 0)?;
        let half = if node.op() == "Floor" { 0.5 } else { 0.0 };
        let affine = self.build.made_by::<Affine>(x.value);
        let uniform = affine.and_then(|(layer, op)| match (&op.scale[..], &op.shift[..]) {
            ([scale], [shift]) if *shift == half && *scale > 0.0 => Some((layer.inputs[0], *scale)),
            _ => None,
        });
        // x · s + 0.5 comes as two layers.
        let under = |value: usize| {
            let (layer, op) = self.build.made_by::<Affine>(value)?;
            let is_scale = op.scale.len() == 1 && op.shift == [0.0] && op.scale[0] > 0.0;
            is_scale.then(|| (layer.inputs[0], op.scale[0]))
        };
        let (value, scale) = match uniform {
            Some((read, scale)) if half == 0.5 => {
                let (read, more) = under(read).unwrap_or((read, 1.0));
                self.notes.push(format!(
                    "{}: it rounds halves up; here they go to the even neighbor",
                    node.name()
                ));
                (read, scale * more)
            }
            Some(found) => found,
            None if half == 0.5 => {
                return Err("floor is built only as a rounding, floor(x · s + 0.5)".into());
            }
            None => (x.value, 1.0),
        };
        Ok(Value::Rounded(Rounded {
            of: x.at(value),
            step: 1.0 / scale,
            scale: 1.0,
            clip: None,
        }))
    }

    fn quantize_linear(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
    ) -> Result<Value, Reason> {
        let of = self.activation(node.name(), inputs, 0)?;
        let step = Self::constant(inputs, 1, "scale")?.array.scalar();
        let step = step.ok_or("one scale for all activations is needed")?;
        let zero = Self::optional(inputs, 2, "zero point")?.map(|zero| &zero.array);
        let (low, high) = zero.and_then(Array::integer_range).unwrap_or((0.0, 255.0));
        let zero = match zero {
            Some(zero) => zero.scalar().ok_or("one zero point is needed")?,
            None => 0.0,
        };
        let step = decimal(step);
        let bound = |level: f32| f64::from(level - zero) * step;
        Ok(Value::Rounded(Rounded {
            of,
            step,
            scale: step,
            clip: Some((bound(low), bound(high))),
        }))
    }
}

/// One of two constants by a comparison.
fn choose(inputs: &[Option<&Value>]) -> Result<Value, Reason> {
    let [
        Some(Value::Step { of, low, high }),
        Some(Value::Constant(yes)),
        Some(Value::Constant(no)),
    ] = inputs
    else {
        return Err("only a choice between two constants by a comparison is built here".into());
    };
    let one = "one number on each side is needed";
    let (yes, no) = (
        yes.array.scalar().ok_or(one)?,
        no.array.scalar().ok_or(one)?,
    );
    let pick = |held: f32| if held != 0.0 { yes } else { no };
    Ok(Value::Step {
        of: of.clone(),
        low: pick(*low),
        high: pick(*high),
    })
}

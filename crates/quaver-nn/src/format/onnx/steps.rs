//! The chains of operators that quantize activations.

use super::array::Array;
use super::error::Reason;
use super::layers::decimal;
use super::node::Node;
use super::translator::Translator;
use super::value::{Activation, Rounded, Step, Value};
use crate::op::{Affine, Quantize};
use crate::quantizer::Quantization;
use serde_json::json;

impl Translator<'_> {
    /// `value` as the output of a layer.
    pub(super) fn materialize(&mut self, from: &str, value: &Value) -> Result<Activation, Reason> {
        match value {
            Value::Activation(activation) => Ok(activation.clone()),
            Value::Step(Step { of, low, high }) => {
                let signs = self.quantize(from, of, "sign", json!({}))?;
                let (scale, shift) = ((high - low) / 2.0, (high + low) / 2.0);
                self.scaled(from, &signs, decimal(scale), decimal(shift))
            }
            Value::Residue { kept, taken } => {
                let kept = self.materialize(from, kept)?;
                let taken = self.scaled(from, taken, -1.0, 0.0)?;
                self.added(from, &kept, &taken)
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
        let op = Quantize { quantizer };
        let known = self.build.layers.len();
        let value = self.build.push(from, op.clone(), &[of.value], Vec::new())?;
        // The same chain may be read twice, by the two arms of a residual block.
        if value > known {
            self.notes.push(format!(
                "{from}: activations are quantized: {}, backward by its surrogate",
                json!(op.quantizer)
            ));
        }
        Ok(of.at(value))
    }

    fn rounded(&mut self, from: &str, rounded: &Rounded) -> Result<Activation, Reason> {
        let Rounded {
            of,
            step,
            scale,
            shift,
            clip,
        } = rounded;
        let levels = 1.0 / step;
        let factor = scale / step;
        let bits = levels.log2();
        let is_k_bit = (0.0..=15.0).contains(&bits) && bits.fract() == 0.0;
        let clip = clip.map(|(low, high)| (low - shift, high - shift));
        let quantized = match clip {
            Some((low, high)) if is_k_bit && factor == 1.0 && low == -1.0 && high == 1.0 => {
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
        self.scaled(from, &quantized, factor, *shift)
    }

    /// `x · scale + shift`.
    pub(super) fn scaled(
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

    pub(super) fn sign(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
    ) -> Result<Value, Reason> {
        if let [Some(Value::Step(step))] = inputs {
            let sign = |v: f32| if v == 0.0 { 0.0 } else { v.signum() };
            return Ok(Value::Step(step.map(sign)));
        }
        self.notes.push(format!(
            "{}: its sign is 0 at 0; here it is +1",
            node.name()
        ));
        let of = self.activation(node.name(), inputs, 0)?;
        let (low, high) = (-1.0, 1.0);
        Ok(Value::Step(Step { of, low, high }))
    }

    pub(super) fn compare(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
    ) -> Result<Value, Reason> {
        let (i, constant) = match inputs {
            [Some(_), Some(Value::Constant(constant))] => (0, constant),
            [Some(Value::Constant(constant)), Some(_)] => (1, constant),
            _ => return Err("only comparisons with a constant are built here".into()),
        };
        let threshold = constant.array.scalar();
        let threshold = threshold.ok_or("a threshold of one number is needed")?;
        // x >= c and x < c part the numbers at c, x > c and x <= c at the next one.
        let above = node.op().starts_with("Greater") == (i == 0);
        let at_least = node.op().ends_with("OrEqual") == above;
        let (low, high) = if above { (0.0, 1.0) } else { (1.0, 0.0) };
        let threshold = if at_least {
            threshold
        } else {
            threshold.next_up()
        };
        if let Some(Value::Step(step)) = inputs[i] {
            let held = |v: f32| if v >= threshold { high } else { low };
            return Ok(Value::Step(step.map(held)));
        }
        let of = self.activation(node.name(), inputs, i)?;
        let of = self.scaled(node.name(), &of, 1.0, -decimal(threshold))?;
        Ok(Value::Step(Step { of, low, high }))
    }

    /// Rounds an activation, multiplied by a constant or not.
    pub(super) fn round(
        &mut self,
        node: &Node<'_>,
        inputs: &[Option<&Value>],
    ) -> Result<Value, Reason> {
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
                return Err("floor is built only as a rounding, floor(x · s + 0.5); a quantizer that rounds \
                            down, in quaver-nn's src/quantizer, would be needed"
                    .into());
            }
            None => (x.value, 1.0),
        };
        Ok(Value::Rounded(Rounded {
            of: x.at(value),
            step: 1.0 / scale,
            scale: 1.0,
            shift: 0.0,
            clip: None,
        }))
    }

    pub(super) fn quantize_linear(
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
            shift: 0.0,
            clip: Some((bound(low), bound(high))),
        }))
    }
}

/// What it undoes has already been expressed with its scale.
pub(super) fn dequantize_linear(inputs: &[Option<&Value>]) -> Result<Value, Reason> {
    match inputs.first().copied().flatten() {
        Some(rounded @ Value::Rounded(_)) => Ok(rounded.clone()),
        _ => Err("it stands alone; QuantizeLinear before it is needed".into()),
    }
}

/// The other outcome of a comparison.
pub(super) fn negated(inputs: &[Option<&Value>]) -> Result<Value, Reason> {
    match inputs {
        [Some(Value::Step(step))] => Ok(Value::Step(step.map(|v| 1.0 - v))),
        _ => Err("only a comparison with a constant can be negated".into()),
    }
}

/// One of two constants by a comparison.
pub(super) fn choose(inputs: &[Option<&Value>]) -> Result<Value, Reason> {
    let [
        Some(Value::Step(step)),
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
    Ok(Value::Step(step.map(pick)))
}

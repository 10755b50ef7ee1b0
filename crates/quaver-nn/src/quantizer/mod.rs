//! Quantizers with their surrogate gradients, one a file.
//!
//! A quantizer maps a latent (real) value to a grid on the way forward; on the way back the
//! step function's gradient, zero almost everywhere, is replaced by a [`Surrogate`].

mod k_bit;
mod linear;
mod sign;
mod stochastic_sign;
mod surrogate;

pub use k_bit::KBit;
pub use linear::Linear;
pub use sign::Sign;
pub use stochastic_sign::{InputGradient, StochasticSign, TestWeights};
pub use surrogate::Surrogate;

use crate::kernel::Simd;
use crate::noise::LayerDraw;
use crate::op_error::OpError;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::fmt::Debug;
use std::sync::Arc;

/// Maps latent values to a grid; its gradient is a surrogate.
pub trait Quantizer: Debug + Send + Sync {
    /// Name in model files and flags.
    fn name(&self) -> &'static str;
    /// Settings, without the name.
    fn config(&self) -> Value;
    /// Smallest and largest value of the grid: latent weights are clipped to it after each
    /// optimizer step.
    fn range(&self) -> Option<(f32, f32)>;
    /// Whether the output is drawn.
    fn is_stochastic(&self) -> bool {
        false
    }
    /// Whether it is drawn outside training too.
    fn is_stochastic_at_test(&self) -> bool {
        self.is_stochastic()
    }
    /// Whether every output is −1 or 1, in training and outside.
    fn is_binary(&self) -> bool {
        false
    }
    /// Writes the grid value of each latent value. `draw` is `None` while noise is off.
    fn quantize(&self, latent: &[f32], draw: Option<LayerDraw>, out: &mut [f32]);
    /// What stands for its gradient.
    fn surrogate(&self) -> Surrogate;
    /// Writes the values that gradients with respect to a layer's input are to go through, if
    /// those are not the ones that the way forward takes.
    fn gradient_values(&self, _latent: &[f32], _out: &mut Vec<f32>) {}
}

type Build = fn(Value) -> Result<Arc<dyn Quantizer>, String>;

/// Every quantizer by name.
const REGISTRY: &[(&str, Build)] = &[
    ("k-bit", build::<KBit>),
    ("linear", build::<Linear>),
    ("sign", build::<Sign>),
    ("stochastic-sign", build::<StochasticSign>),
];

/// Settings that are checked before a quantizer exists: the reason why not, if they are wrong.
trait Checked: Quantizer + serde::de::DeserializeOwned + 'static {
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

fn build<Q: Checked>(config: Value) -> Result<Arc<dyn Quantizer>, String> {
    let quantizer: Q = serde_json::from_value(config).map_err(|e| e.to_string())?;
    quantizer.check()?;
    Ok(Arc::new(quantizer))
}

/// A quantizer as graphs and model files hold it: `{"name": "k-bit", "bits": 2}`.
#[derive(Clone, Debug)]
pub struct Quantization(Arc<dyn Quantizer>);

impl Quantization {
    /// The quantizer called `name` with `config` (an object; missing settings are defaults).
    ///
    /// # Errors
    /// For an unknown name, unknown settings, or settings out of range.
    pub fn from_config(name: &str, config: Value) -> Result<Self, OpError> {
        let entry = REGISTRY.iter().find(|(known, _)| *known == name);
        let (_, build) = entry.ok_or_else(|| OpError::Unknown {
            kind: "quantizer",
            got: name.into(),
            allowed: Self::names().collect::<Vec<_>>().join(", "),
        })?;
        build(config).map(Self).map_err(|reason| OpError::Config {
            op: name.into(),
            reason,
        })
    }

    /// Names there are.
    pub fn names() -> impl Iterator<Item = &'static str> {
        REGISTRY.iter().map(|(name, _)| *name)
    }

    /// The quantizer.
    pub fn get(&self) -> &dyn Quantizer {
        &*self.0
    }

    /// Turns the gradients with respect to outputs into those with respect to `latent` values,
    /// in place.
    pub fn pull(&self, simd: Simd, latent: &[f32], gradient: &mut [f32]) {
        let range = self.0.range().unwrap_or((-1.0, 1.0));
        self.0.surrogate().apply(simd, latent, gradient, range);
    }
}

impl Serialize for Quantization {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut config = self.0.config();
        if let Value::Object(map) = &mut config {
            map.insert("name".into(), self.0.name().into());
        }
        config.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Quantization {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut config = Value::deserialize(deserializer)?;
        let map = config.as_object_mut();
        let name = map.and_then(|map| map.remove("name"));
        let Some(Value::String(name)) = name else {
            return Err(serde::de::Error::missing_field("name"));
        };
        Self::from_config(&name, config).map_err(serde::de::Error::custom)
    }
}

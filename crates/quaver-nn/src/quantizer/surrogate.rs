//! What stands for the gradient of a step function.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::kernel::Simd;
use crate::spec::{Allowed, Interval, Parameter, Spec, SpecError, find_name};

/// Surrogate gradient: the factor, or the rule, that turns the gradient g with respect to a
/// quantizer's output into one with respect to its latent input r. Written as a spec, such as
/// `hardtanh` or `swish-sign(scale=0.1)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Surrogate {
    /// g inside the grid's range stretched `width` times about its middle, 0 outside (Hubara et
    /// al., "Binarized Neural Networks", 2016).
    Hardtanh {
        /// Factor on the range; above 0 to 1e6, 1 in the paper.
        width: f32,
    },
    /// g · s(1 − tanh²(s·r)): the derivative of tanh(s·r) (Gong et al., "Differentiable Soft
    /// Quantization", 2019).
    Tanh {
        /// s, above 0 to 1e6.
        scale: f32,
    },
    /// g (Bengio et al., "Estimating or Propagating Gradients Through Stochastic Neurons", 2013).
    Identity,
    /// g clipped to [-1, 1], no mask: the published code of Galloway et al., "Attacking
    /// Binarized Neural Networks", 2018.
    ValueClip,
    /// g · max(0, 2 − 2|r/w|) / w (Liu et al., "Bi-Real Net", 2018).
    ApproxSign {
        /// w, above 0 to 1e6, 1 in the paper.
        width: f32,
    },
    /// g · β(2 − βr·tanh(βr/2)) / (1 + cosh βr) (Darabi et al., "BNN+", 2018).
    SwishSign {
        /// β, above 0 to 1e6, 5 in the paper.
        scale: f32,
    },
    /// 0: no gradient passes (an ablation).
    None,
}

const POSITIVE: &[Interval] = &[Interval::above(0.0, 1e6)];

const fn parameter(name: &'static str, default: &'static str) -> Parameter {
    Parameter {
        name,
        default,
        allowed: Allowed::Real(POSITIVE),
        about: "how wide or steep it is, in units of the latent value",
    }
}

const WIDTH: Parameter = parameter("width", "1");
const SCALE: Parameter = parameter("scale", "1");
const NAMES: [&str; 7] = [
    "hardtanh",
    "tanh",
    "identity",
    "value-clip",
    "approx-sign",
    "swish-sign",
    "none",
];

impl Default for Surrogate {
    fn default() -> Self {
        Self::Hardtanh { width: 1.0 }
    }
}

impl FromStr for Surrogate {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let spec: Spec = text.parse()?;
        let number = |parameter: Parameter| -> Result<f32, SpecError> {
            let values = spec.values(&[parameter])?.spec().clone();
            let text = values.params[parameter.name].to_string();
            Ok(text.parse().unwrap_or(f32::NAN))
        };
        Ok(match NAMES[find_name("surrogate", &spec.name, &NAMES)?] {
            "hardtanh" => Self::Hardtanh {
                width: number(WIDTH)?,
            },
            "tanh" => Self::Tanh {
                scale: number(SCALE)?,
            },
            "approx-sign" => Self::ApproxSign {
                width: number(WIDTH)?,
            },
            "swish-sign" => Self::SwishSign {
                scale: number(SCALE.or("5"))?,
            },
            plain => {
                spec.values(&[])?;
                match plain {
                    "identity" => Self::Identity,
                    "value-clip" => Self::ValueClip,
                    _ => Self::None,
                }
            }
        })
    }
}

impl fmt::Display for Surrogate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, parameter, value, default) = match *self {
            Self::Hardtanh { width } => ("hardtanh", "width", width, 1.0),
            Self::Tanh { scale } => ("tanh", "scale", scale, 1.0),
            Self::ApproxSign { width } => ("approx-sign", "width", width, 1.0),
            Self::SwishSign { scale } => ("swish-sign", "scale", scale, 5.0),
            Self::Identity => return f.write_str("identity"),
            Self::ValueClip => return f.write_str("value-clip"),
            Self::None => return f.write_str("none"),
        };
        if value == default {
            return f.write_str(name);
        }
        write!(f, "{name}({parameter}={value})")
    }
}

impl TryFrom<String> for Surrogate {
    type Error = SpecError;

    fn try_from(text: String) -> Result<Self, SpecError> {
        text.parse()
    }
}

impl From<Surrogate> for String {
    fn from(surrogate: Surrogate) -> Self {
        surrogate.to_string()
    }
}

impl Surrogate {
    /// The same as it stands for a latent value in which everything is `stretch` times as large:
    /// as wide in units of the value's spread, whatever that is.
    #[must_use]
    pub fn stretched(self, stretch: f32) -> Self {
        let [wider, flatter] = [stretch, 1.0 / stretch];
        match self {
            Self::Hardtanh { width } => Self::Hardtanh {
                width: width * wider,
            },
            Self::Tanh { scale } => Self::Tanh {
                scale: scale * flatter,
            },
            Self::ApproxSign { width } => Self::ApproxSign {
                width: width * wider,
            },
            Self::SwishSign { scale } => Self::SwishSign {
                scale: scale * flatter,
            },
            Self::Identity | Self::ValueClip | Self::None => self,
        }
    }

    /// Turns the gradients with respect to the outputs into those with respect to the `latent`
    /// values whose grid spans `range`, in place.
    pub(crate) fn apply(self, simd: Simd, latent: &[f32], gradient: &mut [f32], range: (f32, f32)) {
        match self {
            Self::Hardtanh { width } => {
                let (low, high) = stretched_range(range, width);
                each(simd, latent, gradient, |r, g| {
                    if low <= r && r <= high { g } else { 0.0 }
                });
            }
            Self::Tanh { scale } => each(simd, latent, gradient, |r, g| {
                let e = exp(-2.0 * (scale * r).abs());
                let part = 1.0 / (1.0 + e);
                g * (scale * 4.0 * e * part * part)
            }),
            Self::Identity => {}
            Self::ValueClip => each(simd, latent, gradient, |_, g| g.clamp(-1.0, 1.0)),
            Self::ApproxSign { width } => each(simd, latent, gradient, |r, g| {
                g * ((2.0 - 2.0 * (r / width).abs()).max(0.0) / width)
            }),
            Self::SwishSign { scale } => each(simd, latent, gradient, |r, g| {
                // With e = exp(−|x|): tanh(|x| / 2) = (1 − e) / (1 + e), 1 + cosh x = (1 + e)² / 2e.
                let x = (scale * r).abs();
                let e = exp(-x);
                let part = 1.0 / (1.0 + e);
                let slope = (2.0 - x * (1.0 - e) * part) * 2.0 * e * part * part;
                g * (scale * slope)
            }),
            Self::None => gradient.fill(0.0),
        }
    }
}

fn stretched_range((low, high): (f32, f32), width: f32) -> (f32, f32) {
    if width == 1.0 {
        return (low, high);
    }
    let (middle, half) = (f32::midpoint(low, high), (high - low) / 2.0);
    (middle - width * half, middle + width * half)
}

fn each(simd: Simd, latent: &[f32], gradient: &mut [f32], rule: impl Fn(f32, f32) -> f32) {
    simd.vectorize(|| {
        for (g, r) in gradient.iter_mut().zip(latent) {
            *g = rule(*r, *g);
        }
    });
}

/// e to a power of 0 or less, to 2e-7 of it; 0 below −87. Free of branches and of calls, so that
/// it is many numbers at a time, and of what instruction sets round differently.
fn exp(power: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0;
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    // ln 2 in two parts, the first exact in products with whole numbers of 9 bits.
    const LN2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    let power = power.max(-87.0);
    let shifted = power * LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let rest = (power - whole * LN2[0]) - whole * LN2[1];
    let terms = [
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ];
    let series = terms.iter().fold(0.0, |sum, term| sum * rest + term);
    let exponent = (shifted.to_bits() << 23).wrapping_add(1.0_f32.to_bits());
    series * f32::from_bits(exponent)
}

#[cfg(test)]
mod tests {
    use super::Surrogate::*;
    use super::*;

    fn gradient(surrogate: Surrogate, r: f32, g: f32) -> f32 {
        let mut gradient = [g];
        surrogate.apply(Simd::best(), &[r], &mut gradient, (-1.0, 1.0));
        gradient[0]
    }

    #[test]
    fn formulas() {
        for (surrogate, r, g, expected) in [
            (Hardtanh { width: 1.0 }, 1.0, 3.0, 3.0),
            (Hardtanh { width: 1.0 }, -1.0, 3.0, 3.0),
            (Hardtanh { width: 1.0 }, 1.001, 3.0, 0.0),
            (Hardtanh { width: 50.0 }, -49.0, 3.0, 3.0),
            (Hardtanh { width: 50.0 }, 51.0, 3.0, 0.0),
            (Tanh { scale: 2.0 }, 0.0, 3.0, 6.0),
            (Identity, 7.0, 3.0, 3.0),
            (ValueClip, 7.0, 3.0, 1.0),
            (ValueClip, 7.0, -0.25, -0.25),
            (ApproxSign { width: 1.0 }, 0.25, 2.0, 3.0),
            (ApproxSign { width: 1.0 }, -1.5, 2.0, 0.0),
            (ApproxSign { width: 2.0 }, -1.0, 2.0, 1.0),
            (SwishSign { scale: 5.0 }, 0.0, 1.0, 5.0),
            (None, 0.0, 1.0, 0.0),
        ] {
            assert_eq!(gradient(surrogate, r, g), expected, "{surrogate}({r}, {g})");
        }
    }

    /// Central differences of what each stands for.
    #[test]
    fn slopes() {
        let swish = |x: f64, beta: f64| {
            let s = 1.0 / (1.0 + (-beta * x).exp());
            2.0 * s * (1.0 + beta * x * (1.0 - s)) - 1.0
        };
        for step in -60..60 {
            let r = f64::from(step) * 0.05;
            for scale in [0.3_f32, 1.0, 5.0, 40.0] {
                let wide = f64::from(scale);
                let slope = (swish(r + 1e-6, wide) - swish(r - 1e-6, wide)) / 2e-6;
                let got = f64::from(gradient(SwishSign { scale }, r as f32, 1.0));
                assert!((got - slope).abs() < 2e-5 * wide, "swish {scale} at {r}");
                let slope = ((wide * (r + 1e-6)).tanh() - (wide * (r - 1e-6)).tanh()) / 2e-6;
                let got = f64::from(gradient(Tanh { scale }, r as f32, 1.0));
                assert!((got - slope).abs() < 2e-5 * wide, "tanh {scale} at {r}");
            }
        }
    }

    #[test]
    fn exponentials() {
        for step in 0..100_000 {
            let power = -f64::from(step) * 8.6e-4;
            let (got, expected) = (f64::from(exp(power as f32)), f64::from(power as f32).exp());
            assert!((got / expected - 1.0).abs() < 3e-7, "{power}: {got}");
        }
        assert!(exp(-1e9) < 1e-37 && exp(0.0) == 1.0);
    }

    #[test]
    fn stretched_by_the_spread_it_sees_the_same() {
        for surrogate in [
            Hardtanh { width: 1.5 },
            Tanh { scale: 2.0 },
            ApproxSign { width: 0.5 },
            SwishSign { scale: 5.0 },
        ] {
            for r in [0.0, 0.1, 0.4, 1.4, 3.0_f32] {
                let here = gradient(surrogate, r, 1.0);
                let there = gradient(surrogate.stretched(8.0), 8.0 * r, 1.0);
                let factor = match surrogate {
                    Hardtanh { .. } => 1.0,
                    _ => 8.0,
                };
                assert_eq!(here, factor * there, "{surrogate} at {r}");
            }
        }
    }

    #[test]
    fn specs_read_back() {
        for (text, printed) in [
            ("hardtanh", "hardtanh"),
            ("hardtanh(width=1)", "hardtanh"),
            ("hardtanh(50)", "hardtanh(width=50)"),
            ("tanh(scale=0.25)", "tanh(scale=0.25)"),
            ("swish-sign(scale=5)", "swish-sign"),
            ("value-clip", "value-clip"),
        ] {
            let surrogate: Surrogate = text.parse().unwrap();
            assert_eq!(surrogate.to_string(), printed);
            assert_eq!(printed.parse::<Surrogate>().unwrap(), surrogate);
        }
        for text in [
            "hardtan",
            "hardtanh(width=0)",
            "tanh(width=1)",
            "identity(1)",
        ] {
            assert!(text.parse::<Surrogate>().is_err(), "{text}");
        }
    }
}

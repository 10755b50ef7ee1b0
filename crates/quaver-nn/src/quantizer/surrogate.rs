//! What stands for the gradient of a step function.

use serde::{Deserialize, Serialize};

/// Surrogate gradient: the factor, or the rule, that turns the gradient with respect to a
/// quantizer's output into one with respect to its latent input r.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Surrogate {
    /// g inside the grid's range, 0 outside (Hubara et al., "Binarized Neural Networks", 2016).
    #[default]
    Hardtanh,
    /// g (Bengio et al., "Estimating or Propagating Gradients Through Stochastic Neurons", 2013).
    Identity,
    /// g clipped to [-1, 1], no mask: the published code of Galloway et al., "Attacking
    /// Binarized Neural Networks", 2018.
    ValueClip,
    /// g · max(0, 2 − 2|r|) (Liu et al., "Bi-Real Net", 2018).
    ApproxSign,
    /// g · β(2 − βr·tanh(βr/2)) / (1 + cosh βr), β = 5 (Darabi et al., "BNN+", 2018).
    SwishSign,
    /// 0: no gradient passes (an ablation).
    None,
}

impl Surrogate {
    /// Gradient with respect to the latent value `r` whose grid spans `range`.
    pub fn gradient(self, r: f32, g: f32, range: (f32, f32)) -> f32 {
        match self {
            Self::Hardtanh => {
                if range.0 <= r && r <= range.1 {
                    g
                } else {
                    0.0
                }
            }
            Self::Identity => g,
            Self::ValueClip => g.clamp(-1.0, 1.0),
            Self::ApproxSign => g * (2.0 - 2.0 * r.abs()).max(0.0),
            Self::SwishSign => {
                let x = 5.0 * f64::from(r);
                let factor = 5.0 * (2.0 - x * libm::tanh(x / 2.0)) / (1.0 + libm::cosh(x));
                (f64::from(g) * factor) as f32
            }
            Self::None => 0.0,
        }
    }

    /// [`Surrogate::gradient`] of every element, in place.
    pub(crate) fn apply(self, latent: &[f32], gradient: &mut [f32], range: (f32, f32)) {
        match self {
            // The default, kept free of the match so that it vectorizes.
            Self::Hardtanh => {
                for (g, r) in gradient.iter_mut().zip(latent) {
                    *g = if range.0 <= *r && *r <= range.1 {
                        *g
                    } else {
                        0.0
                    };
                }
            }
            _ => {
                for (g, r) in gradient.iter_mut().zip(latent) {
                    *g = self.gradient(*r, *g, range);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Surrogate::*;

    #[test]
    fn formulas() {
        let unit = (-1.0, 1.0);
        for (surrogate, r, g, expected) in [
            (Hardtanh, 1.0, 3.0, 3.0),
            (Hardtanh, -1.0, 3.0, 3.0),
            (Hardtanh, 1.001, 3.0, 0.0),
            (Identity, 7.0, 3.0, 3.0),
            (ValueClip, 7.0, 3.0, 1.0),
            (ValueClip, 7.0, -0.25, -0.25),
            (ApproxSign, 0.25, 2.0, 3.0),
            (ApproxSign, -1.5, 2.0, 0.0),
            (SwishSign, 0.0, 1.0, 5.0),
            (None, 0.0, 1.0, 0.0),
        ] {
            assert_eq!(
                surrogate.gradient(r, g, unit),
                expected,
                "{surrogate:?}({r}, {g})"
            );
        }
        // d/dx of 2σ(βx)(1 + βx(1 − σ(βx))) − 1 at 0.3, by central differences.
        let swish = |x: f64| {
            let s = 1.0 / (1.0 + (-5.0 * x).exp());
            2.0 * s * (1.0 + 5.0 * x * (1.0 - s)) - 1.0
        };
        let slope = (swish(0.3 + 1e-5) - swish(0.3 - 1e-5)) / 2e-5;
        assert!((f64::from(SwishSign.gradient(0.3, 1.0, unit)) - slope).abs() < 1e-5);
    }
}

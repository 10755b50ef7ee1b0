//! What optimizers that divide by the root of the mean squared gradient share.

use super::{NEGLIGIBLE, UNBOUNDED, Update, at_least, clipped};
use crate::spec::{Allowed, Interval, Parameter};
use serde::{Deserialize, Serialize};

/// The square of a gradient below it is negligible.
const NEGLIGIBLE_GRADIENT: f32 = 1e-18;

const DECAY: Allowed = Allowed::Real(&[Interval::closed(0.0, 0.999_999)]);

pub(super) const BETA1: Parameter = Parameter {
    name: "beta1",
    default: "0.9",
    allowed: DECAY,
    about: "decay of the mean gradient",
};
pub(super) const BETA2: Parameter = Parameter {
    name: "beta2",
    default: "0.999",
    allowed: DECAY,
    about: "decay of the mean squared gradient",
};
pub(super) const EPS: Parameter = Parameter {
    name: "eps",
    default: "1e-8",
    allowed: Allowed::Real(&[Interval::above(0.0, 1.0)]),
    about: "added to the root of the mean squared gradient",
};

/// Values of the parameters `beta1`, `beta2` and `eps`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// Decay of the mean gradient.
    pub beta1: f64,
    /// Decay of the mean squared gradient.
    pub beta2: f64,
    /// Added to the root of the mean squared gradient.
    pub eps: f64,
}

impl Default for Moments {
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
        }
    }
}

impl Moments {
    pub(super) const STATES: &'static [&'static str] = &["mean", "square"];

    /// Moves parameters, each of which first shrinks to `keep` times itself.
    pub(super) fn step(&self, update: Update<'_>, keep: f32) {
        let power = |beta: f64| 1.0 - libm::pow(beta, update.step as f64);
        let rate = (update.rate / power(self.beta1)) as f32;
        let root = (1.0 / power(self.beta2).sqrt()) as f32;
        let range = update.clip.unwrap_or(UNBOUNDED);
        let (b1, b2, eps) = (self.beta1 as f32, self.beta2 as f32, self.eps as f32);
        let (c1, c2) = ((1.0 - self.beta1) as f32, (1.0 - self.beta2) as f32);
        let [mean, square] = update.state;
        let params = update.params.iter_mut().zip(update.gradient);
        let elements = params.zip(mean.iter_mut().zip(square));
        update.simd.vectorize(|| {
            for ((p, g), (m, v)) in elements {
                let square = at_least(NEGLIGIBLE_GRADIENT, *g).powi(2);
                *m = at_least(NEGLIGIBLE, b1 * *m + c1 * g);
                *v = at_least(NEGLIGIBLE, b2 * *v + c2 * square);
                *p = clipped(*p * keep - rate * (*m / (v.sqrt() * root + eps)), range);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Simd;

    #[test]
    fn moments_fade_to_zero_and_not_through_subnormal_numbers() {
        let (mut p, mut m, mut v) = ([1.0], [1e-3], [1e-30]);
        let mut step = |step, gradient| {
            let update = Update {
                step,
                rate: 1e-3,
                gradient: &[gradient],
                params: &mut p,
                state: [&mut m, &mut v],
                clip: None,
                simd: Simd::best(),
            };
            Moments::default().step(update, 1.0);
            (p[0], m[0], v[0])
        };
        let mut last = (0.0, 0.0, 0.0);
        for number in 1..40_000 {
            last = step(number, 1e-19);
            let (_, m, v) = last;
            assert!(!m.is_subnormal() && !v.is_subnormal(), "{m} {v}");
        }
        assert_eq!((last.2, last.1.log10().round()), (0.0, -19.0));
        let (p, m, v) = step(40_000, f32::NAN);
        assert!(m.is_nan() && v.is_nan() && p.is_nan());
    }
}

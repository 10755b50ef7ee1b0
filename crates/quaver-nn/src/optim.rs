//! Adam.

use serde::{Deserialize, Serialize};

/// Settings of Adam (Kingma & Ba, "Adam", 2015), step and state as PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adam {
    /// Step size, positive and finite.
    pub learning_rate: f64,
    /// Decay of the mean gradient.
    pub beta1: f64,
    /// Decay of the mean squared gradient.
    pub beta2: f64,
    /// Added to the root of the mean squared gradient.
    pub eps: f64,
}

impl Default for Adam {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
        }
    }
}

/// Below it a moment moves no weight, as `eps` outweighs it, and counts as 0: a subnormal number takes
/// many times as long to work with, and the moments of a weight that is done would be full of them.
const NEGLIGIBLE: f32 = 1e-36;
/// The square of a gradient below it is negligible.
const NEGLIGIBLE_GRADIENT: f32 = 1e-18;

/// `value`, or 0 where it is smaller than `least`; NaN stays NaN.
#[inline(always)]
fn at_least(least: f32, value: f32) -> f32 {
    if value.abs() < least { 0.0 } else { value }
}

impl Adam {
    /// Moves `params` by step number `step` (from 1); `mean` and `square` are its state.
    /// Latent weights are then clipped to `clip`.
    #[inline(always)]
    pub fn step(
        &self,
        step: u64,
        gradient: &[f32],
        params: &mut [f32],
        (mean, square): (&mut [f32], &mut [f32]),
        clip: Option<(f32, f32)>,
    ) {
        let power = |beta: f64| 1.0 - libm::pow(beta, step as f64);
        let rate = (self.learning_rate / power(self.beta1)) as f32;
        let root = (1.0 / power(self.beta2).sqrt()) as f32;
        let (low, high) = clip.unwrap_or((f32::NEG_INFINITY, f32::INFINITY));
        let (b1, b2, eps) = (self.beta1 as f32, self.beta2 as f32, self.eps as f32);
        let (c1, c2) = ((1.0 - self.beta1) as f32, (1.0 - self.beta2) as f32);
        let state = mean.iter_mut().zip(square.iter_mut());
        for ((p, g), (m, v)) in params.iter_mut().zip(gradient).zip(state) {
            let square = at_least(NEGLIGIBLE_GRADIENT, *g).powi(2);
            *m = at_least(NEGLIGIBLE, b1 * *m + c1 * g);
            *v = at_least(NEGLIGIBLE, b2 * *v + c2 * square);
            let moved = *p - rate * (*m / (v.sqrt() * root + eps));
            // Not `clamp`: what is not a number must stay visible.
            *p = if moved < low {
                low
            } else if moved > high {
                high
            } else {
                moved
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_steps_by_hand() {
        let adam = Adam::default();
        let (mut p, mut m, mut v) = ([1.0], [0.0], [0.0]);
        adam.step(1, &[0.5], &mut p, (&mut m, &mut v), None);
        // The bias-corrected first step is learning_rate · sign(g).
        assert!((p[0] - 0.999).abs() < 1e-6);
        adam.step(2, &[-0.5], &mut p, (&mut m, &mut v), None);
        // m = (0.9·0.05 − 0.05) / 0.19, v = 0.25: the step is 1e-3 · (−0.005/0.19) / 0.5.
        assert!((p[0] - (0.999 + 1e-3 * 0.005 / 0.19 / 0.5)).abs() < 1e-6);
        let mut p = [1.0];
        adam.step(
            1,
            &[-1.0],
            &mut p,
            (&mut [0.0], &mut [0.0]),
            Some((-1.0, 1.0)),
        );
        assert_eq!(p[0], 1.0);
    }

    #[test]
    fn moments_fade_to_zero_and_not_through_subnormal_numbers() {
        let adam = Adam::default();
        let (mut p, mut m, mut v) = ([1.0], [1e-3], [1e-30]);
        for step in 1..40_000 {
            adam.step(step, &[1e-19], &mut p, (&mut m, &mut v), None);
            assert!(!m[0].is_subnormal() && !v[0].is_subnormal(), "{m:?} {v:?}");
        }
        assert_eq!((v[0], m[0].log10().round()), (0.0, -19.0));
        adam.step(40_000, &[f32::NAN], &mut p, (&mut m, &mut v), None);
        assert!(m[0].is_nan() && v[0].is_nan() && p[0].is_nan());
    }
}

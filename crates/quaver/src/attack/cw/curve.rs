//! The variable that pixels are a curve of, so that they stay in range without a bound.

use crate::threat::PixelRange;

/// How much of the curve lies in the pixel range: at its ends pixels still move, and with them
/// the variable.
const SHARE: f32 = 0.999;
/// The longest step of the variable; it crosses the range at once.
const LONGEST: f32 = 3.0;

/// tanh w for each pixel of an image, w being the variable.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    range: PixelRange,
    tanh: Vec<f32>,
}

impl Curve {
    /// At the pixels of `start`.
    pub(super) fn at(range: PixelRange, start: &[f32]) -> Self {
        let tanh = start.iter().map(|pixel| tanh_at(range, *pixel)).collect();
        Self { range, tanh }
    }

    /// Turns slopes along the pixels, counted in widths of the range, into slopes along w.
    pub(super) fn slopes(&self, slopes: &mut [f32]) {
        for (slope, t) in slopes.iter_mut().zip(&self.tanh) {
            *slope *= (1.0 - t * t) / (2.0 * SHARE);
        }
    }

    /// Moves w by `steps`, and `image` with it. Where w is that of the clean image `x`, so are
    /// the pixels, bit for bit.
    pub(super) fn step(&mut self, x: &[f32], steps: &[f32], image: &mut [f32]) {
        let range = self.range;
        let scale = (range.high - range.low) / (2.0 * SHARE);
        let pixels = image.iter_mut().zip(x);
        for ((t, step), (pixel, x)) in self.tanh.iter_mut().zip(steps).zip(pixels) {
            *t = moved(*t, step.clamp(-LONGEST, LONGEST)).clamp(-SHARE, SHARE);
            let change = scale * (*t - tanh_at(range, *x));
            *pixel = (*x + change).max(range.low).min(range.high);
        }
    }
}

fn tanh_at(range: PixelRange, pixel: f32) -> f32 {
    SHARE * (2.0 * (pixel - range.low) / (range.high - range.low) - 1.0)
}

/// tanh(w + step) where `t` is tanh w, by the addition theorem: (t + s) / (1 + t s) with
/// s = tanh(step), which is a fraction of polynomials (the continued fraction of tanh, cut off) up to 4e-4.
fn moved(t: f32, step: f32) -> f32 {
    let square = step * step;
    let above = step * (945.0 + square * (105.0 + square));
    let below = 945.0 + square * (420.0 + 15.0 * square);
    (t * below + above) / (below + t * above)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_add_up_along_tanh() {
        let mut t = libm::tanhf(-1.5);
        for step in [0.01, 0.4, 2.0, -0.7] {
            t = moved(t, step);
        }
        assert!((t - libm::tanhf(0.21)).abs() < 4e-4, "{t}");
        let far = moved(0.0, LONGEST);
        assert!(
            far < 1.0 && (far - libm::tanhf(LONGEST)).abs() < 5e-4,
            "{far}"
        );
    }

    #[test]
    fn ends_of_the_range_are_reached_and_left() {
        let range = PixelRange {
            low: -1.0,
            high: 3.0,
        };
        let x = [-1.0, 3.0, 1.0, 0.3];
        let mut curve = Curve::at(range, &x);
        let mut image = x;
        curve.step(&x, &[0.0; 4], &mut image);
        assert_eq!(image, x);
        // Beyond the ends nothing is gone, so that one step comes back.
        curve.step(&x, &[-1.0, 1.0, 0.0, 0.0], &mut image);
        assert_eq!(image, x);
        curve.step(&x, &[0.5, -0.5, 0.5, -3.0], &mut image);
        assert!(
            image[0] > -1.0 && image[1] < 3.0 && image[3] < -0.9,
            "{image:?}"
        );
        let middle = 1.0 + 2.0 / SHARE * libm::tanhf(0.5);
        assert!((image[2] - middle).abs() < 1e-6, "{image:?}");
        let mut slopes = [1.0; 4];
        Curve::at(range, &x).slopes(&mut slopes);
        assert!(slopes[0] > 9e-4 && (slopes[2] - 0.5 / SHARE).abs() < 1e-6);
    }
}

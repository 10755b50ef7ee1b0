//! Gaussian noise.

use serde::Deserialize;

use crate::rng::Rng;
use crate::spec::{Allowed, Interval, Parameter};

use super::input::Transform;
use super::{Backward, Entry, Wrapper};

pub(super) const ENTRY: Entry = Entry {
    id: "gaussian-noise",
    title: "Gaussian noise on every pixel",
    paper: "Certified Adversarial Robustness via Randomized Smoothing (2019)",
    parameters: &[Parameter {
        name: "sigma",
        default: "0.25",
        allowed: Allowed::Real(&[Interval::above(0.0, 10.0)]),
        about: "standard deviation, in pixel units",
    }],
    build: |values| {
        let noise: GaussianNoise = values.read()?;
        Ok(Wrapper::Input(Box::new(noise), Backward::Through))
    },
};

/// Gaussian noise on every pixel, drawn anew for each pass and example.
///
/// # Method
/// x + sigma · z, z standard normal and independent; not clipped. Nothing is added while noise is
/// off. The gradient is that of the classifier at the noisy image.
///
/// # Source
/// The classifier that "Certified Adversarial Robustness via Randomized Smoothing" (2019) smooths;
/// its smoothed prediction is the vote over passes.
///
/// # Limits
/// Attacks average over draws (`--noise eot:K`); one that does not sees one draw a step. Noise
/// that the network was not trained with costs accuracy.
#[derive(Deserialize)]
pub struct GaussianNoise {
    sigma: f64,
}

impl Transform for GaussianNoise {
    fn is_random(&self) -> bool {
        true
    }

    fn apply(&self, image: &[f32], _: [usize; 3], draw: Option<Rng>, seen: &mut [f32]) {
        let Some(mut draw) = draw else {
            return seen.copy_from_slice(image);
        };
        draw.normals(seen);
        let sigma = self.sigma as f32;
        seen.iter_mut()
            .zip(image)
            .for_each(|(z, x)| *z = x + sigma * *z);
    }

    fn pull(
        &self,
        _: &[f32],
        _: [usize; 3],
        _: Option<Rng>,
        upstream: &[f32],
        gradient: &mut [f32],
    ) {
        gradient.copy_from_slice(upstream);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_its_deviation_and_is_off_without_a_draw() {
        let noise = GaussianNoise { sigma: 0.5 };
        let (image, shape) = (vec![0.25; 10_000], [1, 100, 100]);
        let mut seen = vec![0.0; 10_000];
        noise.apply(&image, shape, None, &mut seen);
        assert_eq!(seen, image);
        noise.apply(&image, shape, Some(Rng::new(1, "test", 2)), &mut seen);
        let added = seen.iter().map(|v| f64::from(v - 0.25));
        let variance = added.map(|v| v * v).sum::<f64>() / 10_000.0;
        assert!((variance - 0.25).abs() < 0.015, "{variance}");
    }
}

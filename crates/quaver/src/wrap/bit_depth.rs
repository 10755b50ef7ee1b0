//! Bit-depth reduction.

use quaver_nn::op::{Op, Quantize};
use quaver_nn::quantizer::Quantization;
use serde::Deserialize;

use crate::rng::Rng;
use crate::spec::{Allowed, Parameter};

use super::input::Transform;
use super::{BACKWARD, Backward, Entry, Wrapper, levels};

pub(super) const ENTRY: Entry = Entry {
    id: "bit-depth",
    title: "Bit-depth reduction",
    paper: "Feature Squeezing: Detecting Adversarial Examples in Deep Neural Networks (2018)",
    parameters: &[
        Parameter {
            name: "bits",
            default: "1",
            allowed: Allowed::Integer(1, 8),
            about: "bits of a pixel",
        },
        BACKWARD,
    ],
    build: |values| {
        let Params { bits, backward } = values.read()?;
        let quantizer = levels(bits, 1.0, Backward::Through)?;
        Ok(Wrapper::Input(Box::new(BitDepth { quantizer }), backward))
    },
};

#[derive(Deserialize)]
struct Params {
    bits: u32,
    backward: Backward,
}

/// Bit-depth reduction: pixels of 2^bits levels, evenly from 0 to 1.
///
/// # Method
/// `round(x · (2^bits − 1)) / (2^bits − 1)`, ties to even, clipped to [0, 1].
///
/// # Source
/// "Feature Squeezing: Detecting Adversarial Examples in Deep Neural Networks" (2018), section
/// 3.1, as an input transform.
///
/// # Limits
/// Its own derivative is zero almost everywhere: an attack through it says nothing. Gradients
/// around it broke it ("Obfuscated Gradients Give a False Sense of Security", 2018), as did
/// larger steps ("Adversarial Example Defenses: Ensembles of Weak Defenses are not Strong",
/// 2017).
pub struct BitDepth {
    quantizer: Quantization,
}

impl Transform for BitDepth {
    fn apply(&self, image: &[f32], _: [usize; 3], _: Option<Rng>, seen: &mut [f32]) {
        self.quantizer.get().quantize(image, None, seen);
    }

    fn pull(&self, _: &[f32], _: [usize; 3], _: Option<Rng>, _: &[f32], gradient: &mut [f32]) {
        gradient.fill(0.0);
    }

    fn op(&self) -> Option<Box<dyn Op>> {
        let quantizer = self.quantizer.clone();
        Some(Box::new(Quantize { quantizer }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::build;
    use super::*;

    #[test]
    fn pixels_take_the_nearest_of_the_levels() {
        let image = [0.0, 0.2, 0.49, 0.51, 0.9, 1.0];
        for (bits, expected) in [
            (1, [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]),
            (2, [0.0, 1.0, 1.0, 2.0, 3.0, 3.0].map(|level| level / 3.0)),
        ] {
            let Ok((_, Wrapper::Input(transform, _))) = build(&format!("bit-depth(bits={bits})"))
            else {
                panic!("an input transform");
            };
            let mut seen = [9.0; 6];
            transform.apply(&image, [1, 2, 3], None, &mut seen);
            for (seen, expected) in seen.iter().zip(expected) {
                assert!((seen - expected).abs() < 1e-6, "{bits}: {seen} {expected}");
            }
            let mut gradient = [9.0; 6];
            transform.pull(&image, [1, 2, 3], None, &[1.0; 6], &mut gradient);
            assert_eq!(gradient, [0.0; 6]);
        }
    }
}

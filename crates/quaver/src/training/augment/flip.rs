//! Images mirrored.

use super::rng;
use crate::spec::{Allowed, Interval, Parameter, PlugIn};
use quaver_nn::train::{Augment, ImageKey};
use serde::Deserialize;

pub(super) const ENTRY: PlugIn<dyn Augment> = PlugIn {
    id: "flip",
    title: "mirrors an image left to right",
    paper: "Deep Residual Learning for Image Recognition (2016)",
    parameters: &[P],
    build: |values| Ok(Box::new(values.read::<Flip>()?)),
};

const P: Parameter = Parameter {
    name: "p",
    default: "0.5",
    allowed: Allowed::Real(&[Interval::closed(0.0, 1.0)]),
    about: "probability",
};

/// Mirrors with probability `p`. For images whose mirror image is as likely, which digits are not.
#[derive(Debug, Deserialize)]
struct Flip {
    p: f64,
}

impl Augment for Flip {
    fn change(&self, image: &mut [f32], [_, _, width]: [usize; 3], key: ImageKey) {
        if rng(ENTRY.id, key).uniform() < self.p {
            image.chunks_exact_mut(width).for_each(<[f32]>::reverse);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::training::augment::tests::changed;

    #[test]
    fn reverses_rows() {
        let flipped = &changed("flip(p=1)", 0..1)[0];
        assert_eq!(flipped[..8], [4.0, 3.0, 2.0, 1.0, 8.0, 7.0, 6.0, 5.0]);
        assert_eq!(changed("flip(p=0)", 0..1)[0][0], 1.0);
        let images = changed("flip", 0..400);
        let n = images.iter().filter(|image| image[0] == 4.0).count();
        assert!((160..240).contains(&n), "{n}");
    }
}

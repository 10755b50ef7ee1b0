//! Images moved.

use super::{pixels, rng};
use crate::spec::PlugIn;
use quaver_nn::train::{Augment, ImageKey};
use serde::Deserialize;

pub(super) const ENTRY: PlugIn<dyn Augment> = PlugIn {
    id: "shift",
    title: "moves an image by a random number of pixels each way, zeros behind it",
    paper: "Deep Residual Learning for Image Recognition (2016)",
    parameters: &[pixels("pixels", "2", "largest distance, down and across")],
    build: |values| Ok(Box::new(values.read::<Shift>()?)),
};

/// Whole distances down and across, each uniform in ±pixels.
#[derive(Debug, Deserialize)]
struct Shift {
    pixels: usize,
}

impl Augment for Shift {
    fn change(&self, image: &mut [f32], [_, height, width]: [usize; 3], key: ImageKey) {
        let mut rng = rng(ENTRY.id, key);
        let [down, across] = [(); 2].map(|()| rng.below(2 * self.pixels + 1));
        let from = image.to_vec();
        let planes = from.chunks_exact(height * width);
        for (to, from) in image.chunks_exact_mut(height * width).zip(planes) {
            for (i, to) in to.iter_mut().enumerate() {
                // A distance of `pixels` or more comes as its excess over -pixels.
                let y = (i / width + self.pixels).checked_sub(down);
                let x = (i % width + self.pixels).checked_sub(across);
                let at = y.zip(x).filter(|&(y, x)| y < height && x < width);
                *to = at.map_or(0.0, |(y, x)| from[y * width + x]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::training::augment::tests::changed;

    #[test]
    fn moves_by_a_pixel_each_way() {
        let images = changed("shift(pixels=1)", 0..400);
        let stays = (1..=24).map(|i| i as f32).collect::<Vec<f32>>();
        let down_and_right = [
            0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 0.0, 5.0, 6.0, 7.0, // first channel
            0.0, 0.0, 0.0, 0.0, 0.0, 13.0, 14.0, 15.0, 0.0, 17.0, 18.0, 19.0,
        ];
        for expected in [&stays[..], &down_and_right] {
            // One in nine.
            let n = images.iter().filter(|image| image[..] == *expected).count();
            assert!((25..65).contains(&n), "{n} of {expected:?}");
        }
    }
}

//! Images with a hole.

use super::{pixels, rng};
use crate::spec::PlugIn;
use quaver_nn::train::{Augment, ImageKey};
use serde::Deserialize;

pub(super) const ENTRY: PlugIn<dyn Augment> = PlugIn {
    id: "cut-out",
    title: "zeros in a square at a random place",
    paper: "Improved Regularization of Convolutional Neural Networks with Cutout (2017)",
    parameters: &[pixels("size", "8", "height and width of the square")],
    build: |values| Ok(Box::new(values.read::<CutOut>()?)),
};

/// A square of `size` around a pixel drawn at random, in all channels; parts of it may lie outside
/// the image, as in the paper.
#[derive(Debug, Deserialize)]
struct CutOut {
    size: usize,
}

impl Augment for CutOut {
    fn change(&self, image: &mut [f32], [_, height, width]: [usize; 3], key: ImageKey) {
        let mut rng = rng(ENTRY.id, key);
        let [y, x] = [height, width].map(|n| {
            let center = rng.below(n);
            let first = center.saturating_sub(self.size / 2);
            first..n.min(center + self.size.div_ceil(2))
        });
        for plane in image.chunks_exact_mut(height * width) {
            for row in plane.chunks_exact_mut(width).take(y.end).skip(y.start) {
                row[x.clone()].fill(0.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::training::augment::tests::changed;

    #[test]
    fn cuts_a_square_out_of_all_channels() {
        for image in changed("cut-out(size=2)", 0..50) {
            let holes: Vec<usize> = (0..24).filter(|&i| image[i] == 0.0).collect();
            let (first, second) = holes.split_at(holes.len() / 2);
            assert!(second.iter().zip(first).all(|(b, a)| *b == a + 12));
            // Cut off at the left or the top, the square is a line or a pixel.
            let square = [1, 4].map(|step| first.contains(&(first[0] + step)));
            let expected = if square == [true; 2] {
                4
            } else {
                1 + usize::from(square != [false; 2])
            };
            assert_eq!(first.len(), expected, "{first:?}");
            assert!((0..24).all(|i| holes.contains(&i) || image[i] == (i + 1) as f32));
        }
    }
}

//! [`Moves`]: jumps of groups of pixels within a ball.

use crate::attack::Case;
use crate::rng::Rng;
use crate::threat::{Budget, Norm, PixelRange};

/// A side of a rectangle is drawn between that of the square divided and multiplied by this.
const SPREAD: f64 = 3.0;

/// What a pixel was before a move.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Change {
    pub(super) pixel: usize,
    pub(super) before: f32,
}

/// Moves of images in balls of L-infinity or L0 around them.
pub(super) struct Moves<'a> {
    case: &'a Case<'a>,
    /// Pixels that may change, in L0.
    n_changes: usize,
    /// Lowest and highest value of each pixel in L-infinity, image after image.
    bounds: Option<(Vec<f32>, Vec<f32>)>,
}

/// What happens to the pixels of a rectangle.
#[derive(Clone, Copy)]
enum Jump {
    Up,
    Down,
    /// Up if they are not up, else down.
    Turn,
}

impl<'a> Moves<'a> {
    pub(super) fn new(budget: Budget, case: &'a Case<'a>) -> Self {
        let in_l0 = budget.norm == Norm::L0;
        Self {
            case,
            n_changes: (budget.eps as usize).min(case.n_features()),
            bounds: (!in_l0).then(|| budget.bounds(case.pixels, case.setting.range)),
        }
    }

    /// Moves about `share` of the pixels of `image`, the one of `row`, or of the changes that it
    /// may have, and adds what they were to `undo`.
    pub(super) fn make(
        &self,
        row: usize,
        share: f64,
        image: &mut [f32],
        rng: &mut Rng,
        undo: &mut Vec<Change>,
    ) {
        let mut set = |image: &mut [f32], pixel: usize, value: f32| {
            let before = std::mem::replace(&mut image[pixel], value);
            if before != value {
                undo.push(Change { pixel, before });
            }
        };
        let d = image.len();
        match &self.bounds {
            None => self.swap(self.case.image(row), share, image, rng, &mut set),
            Some((low, high)) => {
                let bounds = [low, high].map(|bound| &bound[row * d..][..d]);
                self.jump(bounds, share, image, rng, &mut set);
            }
        }
    }

    /// Moves a rectangle of pixels to their bounds.
    fn jump(
        &self,
        [low, high]: [&[f32]; 2],
        share: f64,
        image: &mut [f32],
        rng: &mut Rng,
        set: &mut impl FnMut(&mut [f32], usize, f32),
    ) {
        let [channels, height, width] = self.case.shape;
        let side = (share * (height * width) as f64).sqrt();
        let mut extent = |size: usize| {
            let side = side * libm::pow(SPREAD, 2.0 * rng.uniform() - 1.0);
            let extent = (side.round() as usize).clamp(1, size);
            let from = rng.below(size - extent + 1);
            from..from + extent
        };
        let (rows, columns) = (extent(height), extent(width));
        for channel in 0..channels {
            let jump = match rng.below(4) {
                0 => Jump::Up,
                1 => Jump::Down,
                _ => Jump::Turn,
            };
            for row in rows.clone() {
                for column in columns.clone() {
                    let pixel = (channel * height + row) * width + column;
                    let up = match jump {
                        Jump::Up => true,
                        Jump::Down => false,
                        Jump::Turn => image[pixel] != high[pixel],
                    };
                    set(image, pixel, if up { high[pixel] } else { low[pixel] });
                }
            }
        }
    }

    /// Takes back some changes of `x` and changes as many other pixels; more while more may be
    /// changed.
    fn swap(
        &self,
        x: &[f32],
        share: f64,
        image: &mut [f32],
        rng: &mut Rng,
        set: &mut impl FnMut(&mut [f32], usize, f32),
    ) {
        let allowed = self.n_changes;
        if allowed == 0 {
            return;
        }
        let (mut changed, mut others): (Vec<usize>, Vec<usize>) =
            (0..image.len()).partition(|pixel| image[*pixel] != x[*pixel]);
        let n_moved = ((share * allowed as f64).round() as usize).clamp(1, allowed);
        let n_new = n_moved
            .max(allowed.saturating_sub(changed.len()))
            .min(others.len());
        let n_back = (changed.len() + n_new).saturating_sub(allowed);
        for _ in 0..n_back {
            let pixel = changed.swap_remove(rng.below(changed.len()));
            set(image, pixel, x[pixel]);
        }
        let PixelRange { low, high } = self.case.setting.range;
        for _ in 0..n_new {
            let pixel = others.swap_remove(rng.below(others.len()));
            let up = x[pixel] == low || (x[pixel] != high && rng.below(2) == 0);
            set(image, pixel, if up { high } else { low });
        }
    }
}

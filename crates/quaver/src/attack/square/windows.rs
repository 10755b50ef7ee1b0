//! Squares and mosaics on one image.

use crate::rng::Rng;
use crate::threat::{Budget, Norm, PixelRange};

/// Keeps a window without change from being divided by 0.
const TINY: f64 = 1e-12;
/// Parts of a side that the first mosaic in L2 has.
const MOSAIC: usize = 5;

/// What squares are put on.
pub(super) struct Canvas<'a> {
    /// The clean image.
    pub(super) x: &'a [f32],
    pub(super) shape: [usize; 3],
    pub(super) range: PixelRange,
    pub(super) budget: Budget,
}

/// A square of the image: its first row and column, and its side.
#[derive(Clone, Copy)]
struct Window {
    row: usize,
    column: usize,
    side: usize,
}

impl Canvas<'_> {
    /// Writes the first perturbed image.
    pub(super) fn begin(&self, image: &mut [f32], rng: &mut Rng) {
        if self.budget.norm == Norm::Linf {
            let [channels, _, w] = self.shape;
            let signs: Vec<f32> = (0..channels * w).map(|_| sign(rng)).collect();
            for (i, v) in image.iter_mut().enumerate() {
                *v = self.moved(i, signs[self.channel(i) * w + i % w]);
            }
            return;
        }
        let [channels, h, w] = self.shape;
        let side = (h.min(w) / MOSAIC).max(1);
        let mut changes = vec![0.0; self.x.len()];
        for channel in 0..channels {
            for row in (0..=h - side).step_by(side) {
                for column in (0..=w - side).step_by(side) {
                    let factor = f64::from(sign(rng));
                    let bump = bump(side, rng.below(2) == 0);
                    let window = Window { row, column, side };
                    for (i, bump) in self.places(channel, window).zip(bump) {
                        changes[i] = factor * bump;
                    }
                }
            }
        }
        self.write(&changes, image);
    }

    /// Changes a random square of `image`, or in L2 two windows.
    pub(super) fn change(&self, image: &mut [f32], side: usize, rng: &mut Rng) {
        let window = self.window(side, rng);
        if self.budget.norm == Norm::Linf {
            for channel in 0..self.shape[0] {
                let sign = sign(rng);
                for i in self.places(channel, window) {
                    image[i] = self.moved(i, sign);
                }
            }
            return;
        }
        let other = self.window(side, rng);
        let mut changes: Vec<f64> = image
            .iter()
            .zip(self.x)
            .map(|(v, x)| f64::from(*v) - f64::from(*x))
            .collect();
        let square = |changes: &[f64], i: usize| changes[i] * changes[i];
        let whole: f64 = changes.iter().map(|c| c * c).sum();
        let left = (f64::from(self.budget.eps).powi(2) - whole).max(0.0);
        let side_up = rng.below(2) == 0;
        for channel in 0..self.shape[0] {
            let here: f64 = self
                .places(channel, window)
                .map(|i| square(&changes, i))
                .sum();
            let there = self
                .places(channel, other)
                .filter(|i| !self.holds(window, *i));
            let there: f64 = there.map(|i| square(&changes, i)).sum();
            let sign = f64::from(sign(rng));
            let bump = bump(side, side_up);
            let old = self
                .places(channel, window)
                .map(|i| changes[i] / (here.sqrt() + TINY));
            let new: Vec<f64> = old.zip(bump).map(|(old, bump)| old + sign * bump).collect();
            let length = new.iter().map(|c| c * c).sum::<f64>().sqrt() + TINY;
            let energy = (left / self.shape[0] as f64 + here + there).sqrt();
            self.places(channel, other).for_each(|i| changes[i] = 0.0);
            for (i, new) in self.places(channel, window).zip(new) {
                changes[i] = new / length * energy;
            }
        }
        self.write(&changes, image);
    }

    /// Writes the image that `changes`, brought to length eps, make.
    fn write(&self, changes: &[f64], image: &mut [f32]) {
        let length = changes.iter().map(|c| c * c).sum::<f64>().sqrt() + TINY;
        let scale = f64::from(self.budget.eps) / length;
        for ((v, x), change) in image.iter_mut().zip(self.x).zip(changes) {
            *v = self.range.clip((f64::from(*x) + scale * change) as f32);
        }
    }

    /// Pixel `i` at the border of the ball.
    fn moved(&self, i: usize, sign: f32) -> f32 {
        self.range.clip(self.x[i] + sign * self.budget.eps)
    }

    fn channel(&self, i: usize) -> usize {
        i / (self.shape[1] * self.shape[2])
    }

    /// A random window; every pixel may be in one.
    fn window(&self, side: usize, rng: &mut Rng) -> Window {
        let [_, h, w] = self.shape;
        Window {
            row: rng.below(h - side + 1),
            column: rng.below(w - side + 1),
            side,
        }
    }

    /// Places of a window's pixels in one channel, row after row.
    fn places(&self, channel: usize, window: Window) -> impl Iterator<Item = usize> {
        let [_, h, w] = self.shape;
        let first = (channel * h + window.row) * w + window.column;
        (0..window.side).flat_map(move |row| (0..window.side).map(move |c| first + row * w + c))
    }

    fn holds(&self, window: Window, i: usize) -> bool {
        let [_, h, w] = self.shape;
        let (row, column) = (i / w % h, i % w);
        (window.row..window.row + window.side).contains(&row)
            && (window.column..window.column + window.side).contains(&column)
    }
}

fn sign(rng: &mut Rng) -> f32 {
    if rng.below(2) == 0 { 1.0 } else { -1.0 }
}

/// Two hills of opposite sign side by side, or one above the other, of length 1: what a square of
/// L2 is made of.
fn bump(side: usize, side_up: bool) -> Vec<f64> {
    let half = side / 2;
    let mut bump = vec![0.0; side * side];
    for row in 0..side {
        for column in 0..side {
            let value = match row < half {
                true => hill(half, side, row, column),
                false => -hill(side - half, side, row - half, column),
            };
            let at = if side_up {
                row * side + column
            } else {
                column * side + row
            };
            bump[at] = value;
        }
    }
    let length = bump.iter().map(|v| v * v).sum::<f64>().sqrt();
    bump.iter_mut().for_each(|v| *v /= length);
    bump
}

/// A hill of nested rectangles: ring k from the middle adds 1 / (k + 1)², and all those around it.
fn hill(height: usize, width: usize, row: usize, column: usize) -> f64 {
    let off = |at: usize, size: usize| at.abs_diff(size / 2);
    let ring = off(row, height).max(off(column, width));
    let last = (height / 2 + 1).max(width / 2 + 1);
    (ring..last).map(|k| 1.0 / ((k + 1) * (k + 1)) as f64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bumps_have_length_one_and_two_signs() {
        for side in 1..9 {
            let bump = bump(side, true);
            let length: f64 = bump.iter().map(|v| v * v).sum();
            assert!((length - 1.0).abs() < 1e-12, "{side}");
            assert!(side == 1 || bump[0] > 0.0 && bump[side * side - 1] < 0.0);
        }
    }

    #[test]
    fn squares_reach_every_pixel() {
        let canvas = Canvas {
            x: &[0.5; 20],
            shape: [1, 4, 5],
            range: PixelRange::default(),
            budget: Budget {
                norm: Norm::Linf,
                eps: 0.25,
            },
        };
        let mut rng = Rng::new(0, "test", 0);
        let mut touched = [false; 20];
        for _ in 0..200 {
            let mut image = [0.5; 20];
            canvas.change(&mut image, 2, &mut rng);
            let changed: Vec<usize> = (0..20).filter(|i| image[*i] != 0.5).collect();
            assert_eq!(changed.len(), 4);
            changed.iter().for_each(|i| touched[*i] = true);
        }
        assert_eq!(touched, [true; 20]);
    }
}

//! A round pen with a soft edge.

use super::hand::{Curve, Point};
use super::{SIDE, between, normal};
use crate::rng::Rng;

/// One pen: half its width, the width of its soft edge and the gray of its ink.
pub(super) struct Pen {
    radius: f32,
    /// How much wider or thinner the line is at its far end, as a share.
    taper: f32,
    edge: f32,
    ink: f32,
    /// Roughness of the line's edge in pixels.
    grain: f32,
}

impl Pen {
    /// Picks up one of all pens.
    pub(super) fn choose(rng: &mut Rng) -> Self {
        Self {
            radius: (1.24 + normal(rng, 0.34)).clamp(0.6, 2.1),
            taper: normal(rng, 0.12),
            edge: between(rng, 0.55, 0.95),
            ink: between(rng, 0.93, 1.08),
            grain: between(rng, 0.0, 0.4),
        }
    }

    /// Half the line's width in pixels.
    pub(super) fn radius(&self) -> f32 {
        self.radius
    }

    /// Draws the curves over a black image.
    pub(super) fn draw(&self, curves: &[Curve], rng: &mut Rng, image: &mut [u8]) {
        // How far inside the line a pixel's center lies; what lies far outside stays black.
        let mut inside = [-self.edge; SIDE * SIDE];
        for curve in curves {
            let n_pieces = curve.len().saturating_sub(1).max(1) as f32;
            for (at, piece) in curve.windows(2).enumerate() {
                let along = at as f32 / n_pieces - 0.5;
                self.draw_piece(
                    piece[0],
                    piece[1],
                    self.radius * (1.0 + self.taper * along),
                    &mut inside,
                );
            }
        }
        for (pixel, inside) in image.iter_mut().zip(inside) {
            if inside <= -self.edge {
                continue;
            }
            let inside = inside + self.grain * between(rng, -1.0, 1.0);
            let share = ((inside + self.edge) / (2.0 * self.edge)).clamp(0.0, 1.0);
            let cover = share * share * (3.0 - 2.0 * share);
            *pixel = (255.0 * (self.ink * cover).min(1.0) + 0.5) as u8;
        }
    }

    fn draw_piece(&self, from: Point, to: Point, radius: f32, inside: &mut [f32; SIDE * SIDE]) {
        let reach = radius + self.edge;
        let span = |a: f32, b: f32| {
            let low = (a.min(b) - reach).max(0.0) as usize;
            let high = (a.max(b) + reach).clamp(0.0, SIDE as f32) as usize;
            low..(high + 1).min(SIDE)
        };
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let per_length = 1.0 / (dx * dx + dy * dy).max(1e-12);
        let columns = span(from.0, to.0);
        for row in span(from.1, to.1) {
            let y = row as f32 + 0.5 - from.1;
            for column in columns.clone() {
                let x = column as f32 + 0.5 - from.0;
                let t = ((x * dx + y * dy) * per_length).clamp(0.0, 1.0);
                let (away_x, away_y) = (x - t * dx, y - t * dy);
                let depth = radius - (away_x * away_x + away_y * away_y).sqrt();
                let deepest = &mut inside[row * SIDE + column];
                *deepest = deepest.max(depth);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rng() -> Rng {
        Rng::new(0, "test", 0)
    }

    #[test]
    fn a_line_is_as_wide_as_its_pen() {
        let pen = Pen {
            radius: 1.5,
            taper: 0.0,
            edge: 0.5,
            ink: 1.0,
            grain: 0.0,
        };
        let mut image = [0; SIDE * SIDE];
        pen.draw(&[vec![(5.0, 10.5), (20.0, 10.5)]], &mut rng(), &mut image);
        let column: Vec<u8> = (7..15).map(|row| image[row * SIDE + 12]).collect();
        // Centers 0 and 1 from the line are inside, 2 is at the end of the soft edge.
        assert_eq!(column, [0, 0, 255, 255, 255, 0, 0, 0]);
        assert_eq!(image[10 * SIDE + 2], 0);
    }

    #[test]
    fn the_edge_is_half_gray_at_the_radius() {
        let pen = Pen {
            radius: 1.0,
            taper: 0.0,
            edge: 0.5,
            ink: 1.0,
            grain: 0.0,
        };
        let mut image = [0; SIDE * SIDE];
        pen.draw(&[vec![(5.0, 10.5), (20.0, 10.5)]], &mut rng(), &mut image);
        assert_eq!(image[11 * SIDE + 12], 128);
    }

    #[test]
    fn lines_outside_the_image_are_cut() {
        let pen = Pen {
            radius: 2.0,
            taper: 0.0,
            edge: 0.5,
            ink: 1.0,
            grain: 0.0,
        };
        let mut image = [0; SIDE * SIDE];
        pen.draw(
            &[vec![(-50.0, -50.0), (-40.0, 90.0), (90.0, 90.0)]],
            &mut rng(),
            &mut image,
        );
        assert!(image.iter().all(|&v| v == 0));
    }
}

//! From a glyph's points to the curves of one unsteady hand, in pixels.

use super::glyphs::Stroke;
use super::{SIDE, between, normal};
use crate::rng::Rng;

/// A point, x to the right and y down.
pub(super) type Point = (f32, f32);
/// Points of a curve, close together.
pub(super) type Curve = Vec<Point>;

/// Straight pieces from one point of a glyph to the next.
const PIECES: usize = 6;
/// Side of the box that MNIST fits a digit in, in pixels, ink included.
const BOX: f32 = 20.0;
/// Points of the bending field along a side.
const KNOTS: usize = 4;
/// The field spans this far from the middle, in heights of a digit.
const REACH: f32 = 0.9;

/// Writes the strokes once, about 1 high around (0, 0).
pub(super) fn write(strokes: &[Stroke], rng: &mut Rng) -> Vec<Curve> {
    // Most hands are steady; one in sixteen writes what is hard to read.
    let care = if rng.below(16) == 0 { 2.0 } else { 1.0 };
    let unsteady = care * (0.4 + 0.55 * normal(rng, 1.0).abs());
    let jitter = 0.029 * unsteady;
    let curves: Vec<Curve> = strokes
        .iter()
        .map(|stroke| smooth(&moved(stroke, jitter, rng)))
        .collect();
    let shape = Shape::choose(rng);
    let bend = Bend::choose(0.042 * unsteady, rng);
    let change = |point: Point| bend.apply(shape.apply(point));
    curves
        .into_iter()
        .map(|curve| curve.into_iter().map(change).collect())
        .collect()
}

/// Sizes the curves to a box of 20 pixels with their ink and puts their center of mass
/// near the middle of the image, no ink on its edge.
pub(super) fn place(curves: Vec<Curve>, radius: f32, rng: &mut Rng) -> Vec<Curve> {
    let (low, high) = bounds(&curves);
    let extent = (high.0 - low.0).max(high.1 - low.1).max(0.2);
    let scale = (BOX - 2.0 * radius) * between(rng, 0.9, 1.04) / extent;
    let mass = center_of_mass(&curves);
    let offset = (normal(rng, 0.5), normal(rng, 0.5));
    let middle = SIDE as f32 / 2.0;
    let margin = radius + 2.0;
    let shift = |mass: f32, offset: f32, low: f32, high: f32| {
        let wanted = middle + offset - mass * scale;
        let (least, most) = (margin - low * scale, SIDE as f32 - margin - high * scale);
        if least < most {
            wanted.clamp(least, most)
        } else {
            (least + most) / 2.0
        }
    };
    let dx = shift(mass.0, offset.0, low.0, high.0);
    let dy = shift(mass.1, offset.1, low.1, high.1);
    let to_pixels = |(x, y): Point| (x * scale + dx, y * scale + dy);
    curves
        .into_iter()
        .map(|curve| curve.into_iter().map(to_pixels).collect())
        .collect()
}

/// The stroke's points, each moved a little; both points of a corner alike.
fn moved(stroke: Stroke, jitter: f32, rng: &mut Rng) -> Curve {
    let mut points: Curve = Vec::with_capacity(stroke.len());
    for (at, &point) in stroke.iter().enumerate() {
        match points.last() {
            Some(&last) if stroke[at - 1] == point => points.push(last),
            _ => points.push((point.0 + normal(rng, jitter), point.1 + normal(rng, jitter))),
        }
    }
    points
}

/// A Catmull-Rom spline through the points, broken where a point stands twice.
fn smooth(points: &[Point]) -> Curve {
    let mut curve = Vec::with_capacity(points.len() * PIECES);
    let mut start = 0;
    for end in 1..=points.len() {
        if end == points.len() || points[end] == points[end - 1] {
            smooth_part(&points[start..end], &mut curve);
            start = end;
        }
    }
    curve
}

fn smooth_part(points: &[Point], curve: &mut Curve) {
    let Some(last) = points.len().checked_sub(1) else {
        return;
    };
    for at in 0..last {
        let (p1, p2) = (points[at], points[at + 1]);
        let p0 = points[at.saturating_sub(1)];
        let p3 = points[(at + 2).min(last)];
        for piece in 0..PIECES {
            let t = piece as f32 / PIECES as f32;
            let cubic = |p0: f32, p1: f32, p2: f32, p3: f32| {
                let (a, b) = (
                    3.0 * (p1 - p2) + p3 - p0,
                    2.0 * p0 - 5.0 * p1 + 4.0 * p2 - p3,
                );
                0.5 * (((a * t + b) * t + (p2 - p0)) * t + 2.0 * p1)
            };
            curve.push((cubic(p0.0, p1.0, p2.0, p3.0), cubic(p0.1, p1.1, p2.1, p3.1)));
        }
    }
    curve.push(points[last]);
}

/// Width, slant and rotation as one matrix, row by row.
struct Shape([f32; 4]);

impl Shape {
    fn choose(rng: &mut Rng) -> Self {
        let width = between(rng, 0.75, 1.4);
        let slant = 0.1 + normal(rng, 0.22);
        let (sin, cos) = libm::sincosf(normal(rng, 0.13));
        // Slant moves the top (negative y) to the right.
        let (a, b, c, d) = (width, -slant, 0.0, 1.0);
        Self([
            cos * a - sin * c,
            cos * b - sin * d,
            sin * a + cos * c,
            sin * b + cos * d,
        ])
    }

    fn apply(&self, (x, y): Point) -> Point {
        let [a, b, c, d] = self.0;
        (a * x + b * y, c * x + d * y)
    }
}

/// A smooth random displacement of the plane: random vectors on a grid, blended between.
struct Bend([[Point; KNOTS]; KNOTS]);

impl Bend {
    fn choose(sigma: f32, rng: &mut Rng) -> Self {
        let mut knots = [[(0.0, 0.0); KNOTS]; KNOTS];
        for knot in knots.iter_mut().flatten() {
            *knot = (normal(rng, sigma), normal(rng, sigma));
        }
        Self(knots)
    }

    fn apply(&self, (x, y): Point) -> Point {
        let (column, u) = Self::cell(x);
        let (row, v) = Self::cell(y);
        let knot = |dy: usize, dx: usize| self.0[row + dy][column + dx];
        let blend = |pick: fn(Point) -> f32| {
            let top = pick(knot(0, 0)) * (1.0 - u) + pick(knot(0, 1)) * u;
            let bottom = pick(knot(1, 0)) * (1.0 - u) + pick(knot(1, 1)) * u;
            top * (1.0 - v) + bottom * v
        };
        (x + blend(|p| p.0), y + blend(|p| p.1))
    }

    /// The cell of the grid that a coordinate lies in, and how far in, smoothed so that the
    /// field has no creases.
    fn cell(at: f32) -> (usize, f32) {
        let cells = (KNOTS - 1) as f32;
        let place = ((at + REACH) / (2.0 * REACH) * cells).clamp(0.0, cells);
        let cell = (place as usize).min(KNOTS - 2);
        let t = place - cell as f32;
        (cell, t * t * (3.0 - 2.0 * t))
    }
}

fn bounds(curves: &[Curve]) -> (Point, Point) {
    let start = ((f32::MAX, f32::MAX), (f32::MIN, f32::MIN));
    curves.iter().flatten().fold(start, |(low, high), &(x, y)| {
        ((low.0.min(x), low.1.min(y)), (high.0.max(x), high.1.max(y)))
    })
}

/// Of the ink: each piece counts with its length.
fn center_of_mass(curves: &[Curve]) -> Point {
    let (mut sum, mut total) = ((0.0, 0.0), 1e-6);
    for piece in curves.iter().flat_map(|curve| curve.windows(2)) {
        let ((x0, y0), (x1, y1)) = (piece[0], piece[1]);
        let length = ((x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0)).sqrt();
        sum = (
            sum.0 + length * (x0 + x1) / 2.0,
            sum.1 + length * (y0 + y1) / 2.0,
        );
        total += length;
    }
    (sum.0 / total, sum.1 / total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spline_goes_through_its_points_and_breaks_at_corners() {
        let corner = [(0.0, 0.0), (1.0, 0.0), (1.0, 0.0), (1.0, 1.0)];
        let curve = smooth(&corner);
        for point in corner {
            assert!(curve.contains(&point));
        }
        // Straight on both sides of the corner: nothing swings past it.
        assert!(
            curve
                .iter()
                .all(|&(x, y)| (0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y))
        );
        assert!(curve.iter().all(|&(x, y)| y == 0.0 || x == 1.0));
    }

    #[test]
    fn without_jitter_nothing_moves() {
        let stroke: Stroke = &[(0.1, 0.2), (0.3, 0.4), (0.3, 0.4)];
        let mut rng = Rng::new(0, "test", 0);
        assert_eq!(moved(stroke, 0.0, &mut rng), stroke);
        let same = Bend::choose(0.0, &mut rng);
        assert_eq!(same.apply((0.25, -2.0)), (0.25, -2.0));
    }

    #[test]
    fn mass_lies_between_the_ends_of_a_line() {
        let mass = center_of_mass(&[vec![(0.0, 0.0), (1.0, 0.0), (4.0, 0.0)]]);
        assert!((mass.0 - 2.0).abs() < 1e-5 && mass.1 == 0.0, "{mass:?}");
    }
}

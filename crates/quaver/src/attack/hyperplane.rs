//! The smallest change of an image that reaches a plane and keeps to the pixel range.

use crate::threat::{Norm, PixelRange};

/// Tangent steps after which the solution is taken as it is; it is exact long before.
const MAX_ROUNDS: usize = 100;

/// Changes δ, smallest in `norm`, with x + δ in `range` and ⟨w, δ⟩ = `needed`, which is not
/// negative; where the range does not allow that, the change that comes nearest to the plane.
///
/// In L-infinity and L2 every pixel moves by what one number t makes of it, t or t·|w|, as far as
/// the range lets it; the product is concave in t and linear in parts, so that tangents reach its
/// root from below. In L1 the pixels of the largest |w| move first, as far as they can.
/// ("Minimally distorted Adversarial Examples with a Fast Adaptive Boundary Attack", 2020.)
#[must_use]
pub fn reach(norm: Norm, x: &[f32], w: &[f32], needed: f64, range: PixelRange) -> Vec<f64> {
    let pixel = |(x, w): (&f32, &f32)| {
        let edge = if *w > 0.0 { range.high } else { range.low };
        (f64::from(*w), (f64::from(edge) - f64::from(*x)).abs())
    };
    let pixels: Vec<(f64, f64)> = x.iter().zip(w).map(pixel).collect();
    match norm {
        Norm::L1 | Norm::L0 => fill(&pixels, needed),
        Norm::Linf => spread(&pixels, needed, |_| 1.0),
        Norm::L2 => spread(&pixels, needed, f64::abs),
    }
}

/// Moves all pixels together, each at its `speed`, until the product is reached.
fn spread(pixels: &[(f64, f64)], needed: f64, speed: impl Fn(f64) -> f64) -> Vec<f64> {
    let moved = |w: f64, room: f64, t: f64| (t * speed(w)).min(room);
    let mut t = 0.0;
    for _ in 0..MAX_ROUNDS {
        let (mut reached, mut slope) = (0.0, 0.0);
        for (w, room) in pixels {
            let change = t * speed(*w);
            reached += w.abs() * change.min(*room);
            slope += if change < *room {
                w.abs() * speed(*w)
            } else {
                0.0
            };
        }
        let next = t + (needed - reached) / slope;
        if !next.is_finite() || next <= t {
            break;
        }
        t = next;
    }
    let sign = |w: f64| if w == 0.0 { 0.0 } else { w.signum() };
    pixels
        .iter()
        .map(|(w, room)| sign(*w) * moved(*w, *room, t))
        .collect()
}

/// Moves one pixel after another as far as it can, those first that matter most.
fn fill(pixels: &[(f64, f64)], needed: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..pixels.len()).collect();
    order.sort_unstable_by(|a, b| {
        pixels[*b]
            .0
            .abs()
            .total_cmp(&pixels[*a].0.abs())
            .then(a.cmp(b))
    });
    let mut changes = vec![0.0; pixels.len()];
    let mut left = needed;
    for i in order {
        let (w, room) = pixels[i];
        if left <= 0.0 || w == 0.0 {
            break;
        }
        let change = room.min(left / w.abs());
        changes[i] = change * w.signum();
        left -= change * w.abs();
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plane that a short way in each norm reaches, by hand.
    #[test]
    fn hand_computed_changes() {
        let range = PixelRange::default();
        let x = [0.5, 0.5, 0.9];
        let w = [2.0, -1.0, 1.0];
        for (norm, needed, expected) in [
            // (2 + 1 + 1) t = 0.2.
            (Norm::Linf, 0.2, [0.05, -0.05, 0.05]),
            // The last pixel stops at 0.1: 3 t + 0.1 = 0.7.
            (Norm::Linf, 0.7, [0.2, -0.2, 0.1]),
            // t (4 + 1 + 1) = 0.3.
            (Norm::L2, 0.3, [0.1, -0.05, 0.05]),
            // The last stops: 5 t + 0.1 = 1.1.
            (Norm::L2, 1.1, [0.4, -0.2, 0.1]),
            // The first alone; then as far as it can, and the next.
            (Norm::L1, 0.6, [0.3, 0.0, 0.0]),
            (Norm::L1, 1.2, [0.5, -0.2, 0.0]),
            // Beyond reach: the corner.
            (Norm::Linf, 9.0, [0.5, -0.5, 0.1]),
            (Norm::L2, 9.0, [0.5, -0.5, 0.1]),
            (Norm::L1, 9.0, [0.5, -0.5, 0.1]),
        ] {
            let got = reach(norm, &x, &w, needed, range);
            for (got, expected) in got.iter().zip(expected) {
                assert!((got - expected).abs() < 1e-6, "{norm:?} {needed}: {got}");
            }
        }
        assert_eq!(reach(Norm::L2, &x, &[0.0; 3], 1.0, range), [0.0; 3]);
    }
}

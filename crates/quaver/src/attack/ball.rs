//! Random points of balls.

use crate::rng::Rng;
use crate::threat::{Budget, Norm};

/// Changes of `d` pixels, uniform in an L-infinity or L2 ball: in L2 a normal direction, with the
/// d-th root of a uniform number for the length.
#[must_use]
pub fn sample(ball: Budget, d: usize, rng: &mut Rng) -> Vec<f64> {
    let eps = f64::from(ball.eps);
    if ball.norm == Norm::Linf {
        return (0..d).map(|_| eps * (2.0 * rng.uniform() - 1.0)).collect();
    }
    let direction: Vec<f64> = (0..d).map(|_| rng.normal()).collect();
    let length = direction.iter().map(|v| v * v).sum::<f64>().sqrt();
    let radius = eps * libm::pow(rng.uniform(), 1.0 / d as f64);
    direction
        .into_iter()
        .map(|v| v * radius / length.max(f64::MIN_POSITIVE))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_uniform_in_the_ball() {
        let n = 4000;
        let lengths = |norm| -> Vec<f64> {
            (0..n)
                .map(|id| {
                    let changes =
                        sample(Budget { norm, eps: 2.0 }, 3, &mut Rng::new(5, "test", id));
                    match norm {
                        Norm::Linf => changes.iter().fold(0.0, |m: f64, v| m.max(v.abs())),
                        _ => changes.iter().map(|v| v * v).sum::<f64>().sqrt(),
                    }
                })
                .collect()
        };
        for norm in [Norm::Linf, Norm::L2] {
            let lengths = lengths(norm);
            assert!(lengths.iter().all(|length| *length <= 2.0 + 1e-12));
            // In three dimensions an eighth of the ball lies within half its radius.
            let inner = lengths.iter().filter(|length| **length < 1.0).count() as f64 / n as f64;
            assert!((inner - 0.125).abs() < 0.02, "{norm:?}: {inner}");
        }
    }
}

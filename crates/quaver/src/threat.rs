//! What an attacker may do: [`Norm`], [`Budget`], [`PixelRange`], [`Goal`], and the projections
//! onto them. An image is a flat slice of its pixels here.

use serde::{Deserialize, Serialize};

/// How the size of a perturbation is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Norm {
    /// Largest change of a pixel.
    Linf,
    /// Euclidean length.
    L2,
    /// Sum of the changes.
    L1,
    /// Number of changed pixels.
    L0,
}

/// Whether any wrong class will do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// Any class but the label.
    #[default]
    Untargeted,
    /// One given class.
    Targeted,
}

/// The ball around each clean image that a perturbed one must lie in.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// How distance is measured.
    pub norm: Norm,
    /// Radius in pixel units, for [`Norm::L0`] a number of pixels; >= 0 and finite.
    pub eps: f32,
}

/// The values a pixel may take.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PixelRange {
    /// Lowest value.
    pub low: f32,
    /// Highest value, above `low`.
    pub high: f32,
}

impl Default for PixelRange {
    fn default() -> Self {
        Self {
            low: 0.0,
            high: 1.0,
        }
    }
}

impl PixelRange {
    /// The nearest allowed value; NaN stays NaN.
    #[must_use]
    pub fn clip(self, value: f32) -> f32 {
        value.clamp(self.low, self.high)
    }

    /// Whether `value` is allowed; NaN is not.
    #[must_use]
    pub fn contains(self, value: f32) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// Size of one perturbation in every norm, in pixel units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Distances {
    /// Largest change of a pixel.
    pub linf: f64,
    /// Euclidean length.
    pub l2: f64,
    /// Sum of the changes.
    pub l1: f64,
    /// Number of changed pixels.
    pub l0: u64,
}

impl Distances {
    /// Between two images of the same length.
    #[must_use]
    pub fn between(x: &[f32], x_adv: &[f32]) -> Self {
        let mut distances = Self::default();
        let mut squares = 0.0;
        for (x, x_adv) in x.iter().zip(x_adv) {
            let change = (f64::from(*x_adv) - f64::from(*x)).abs();
            distances.linf = distances.linf.max(change);
            distances.l1 += change;
            squares += change * change;
            distances.l0 += u64::from(change > 0.0);
        }
        distances.l2 = squares.sqrt();
        distances
    }

    /// In one norm.
    #[must_use]
    pub fn get(&self, norm: Norm) -> f64 {
        match norm {
            Norm::Linf => self.linf,
            Norm::L2 => self.l2,
            Norm::L1 => self.l1,
            Norm::L0 => self.l0 as f64,
        }
    }
}

impl Budget {
    /// Moves `x_adv` to the nearest point of the ball around `x`. A point inside stays as it is,
    /// bit for bit; results are rounded towards `x`, so the ball holds them exactly and not
    /// only up to rounding. The L1 projection follows "Efficient Projections onto the l1-Ball
    /// for Learning in High Dimensions" (2008); for L0 the largest changes are kept, the first
    /// of equal ones.
    pub fn project(self, x: &[f32], x_adv: &mut [f32]) {
        let eps = f64::from(self.eps);
        match self.norm {
            Norm::Linf => {
                // A branch for each pixel at the border would be mispredicted every other time:
                // most images have all pixels inside or many outside.
                let inside =
                    |(x, x_adv): (&f32, &f32)| (f64::from(*x_adv) - f64::from(*x)).abs() <= eps;
                for (x, x_adv) in x.chunks(INSIDE).zip(x_adv.chunks_mut(INSIDE)) {
                    let outside = x.iter().zip(&*x_adv).filter(|pair| !inside(*pair)).count();
                    if outside > 0 {
                        shrink(x, x_adv, |change| change.clamp(-eps, eps));
                    }
                }
            }
            Norm::L2 => {
                let length = Distances::between(x, x_adv).l2;
                // The guard keeps rounding of the length itself from leaving the ball.
                let scale = eps / length * (1.0 - 1e-12);
                if length > eps {
                    shrink(x, x_adv, |change| change * scale);
                }
            }
            Norm::L1 => {
                if Distances::between(x, x_adv).l1 > eps {
                    let threshold = soft_threshold(x, x_adv, eps) * (1.0 + 1e-12);
                    shrink(x, x_adv, |c| c.signum() * (c.abs() - threshold).max(0.0));
                }
            }
            Norm::L0 => keep_largest(x, x_adv, self.eps as usize),
        }
    }
}

/// Pixels that are looked at together.
const INSIDE: usize = 16;

/// Replaces every change by `change_of(change)`, which must not be larger.
fn shrink(x: &[f32], x_adv: &mut [f32], change_of: impl Fn(f64) -> f64) {
    for (x, x_adv) in x.iter().zip(x_adv) {
        let change = f64::from(*x_adv) - f64::from(*x);
        let allowed = change_of(change);
        let moved = toward(*x, f64::from(*x) + allowed);
        *x_adv = if allowed == change { *x_adv } else { moved };
    }
}

/// `value` rounded to single precision, to the side where `x` lies.
fn toward(x: f32, value: f64) -> f32 {
    let rounded = value as f32;
    let overshoots = (f64::from(rounded) - f64::from(x)).abs() > (value - f64::from(x)).abs();
    let back = match rounded > x {
        true => rounded.next_down(),
        false => rounded.next_up(),
    };
    if overshoots { back } else { rounded }
}

/// The amount to take off every absolute change so that they sum to `eps`.
fn soft_threshold(x: &[f32], x_adv: &[f32], eps: f64) -> f64 {
    let mut changes: Vec<f64> = x
        .iter()
        .zip(x_adv)
        .map(|(x, a)| (f64::from(*a) - f64::from(*x)).abs())
        .collect();
    changes.sort_unstable_by(|a, b| b.total_cmp(a));
    let mut sum = 0.0;
    let mut threshold = changes.first().copied().unwrap_or(0.0);
    for (k, change) in changes.iter().enumerate() {
        sum += change;
        let candidate = (sum - eps) / (k + 1) as f64;
        if candidate >= *change {
            break;
        }
        threshold = candidate;
    }
    threshold
}

fn keep_largest(x: &[f32], x_adv: &mut [f32], n_kept: usize) {
    let mut changed: Vec<usize> = (0..x.len()).filter(|i| x[*i] != x_adv[*i]).collect();
    if changed.len() <= n_kept {
        return;
    }
    let size = |i: usize| (f64::from(x_adv[i]) - f64::from(x[i])).abs();
    changed.sort_by(|a, b| size(*b).total_cmp(&size(*a)));
    for i in changed.split_off(n_kept) {
        x_adv[i] = x[i];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn projected(norm: Norm, eps: f32, x: &[f32], x_adv: &[f32]) -> Vec<f32> {
        let mut moved = x_adv.to_vec();
        Budget { norm, eps }.project(x, &mut moved);
        moved
    }

    #[test]
    fn hand_computed_projections() {
        let x = [0.0; 4];
        assert_eq!(
            projected(Norm::Linf, 0.25, &x, &[0.5, -0.5, 0.25, 0.125]),
            [0.25, -0.25, 0.25, 0.125]
        );
        let l2 = projected(Norm::L2, 2.5, &x, &[3.0, -4.0, 0.0, 0.0]);
        assert!(
            (l2[0] - 1.5).abs() < 1e-6 && (l2[1] + 2.0).abs() < 1e-6,
            "{l2:?}"
        );
        // Duchi: (3, 1) onto radius 2 takes 1 off each.
        let l1 = projected(Norm::L1, 2.0, &x, &[3.0, -1.0, 0.0, 0.0]);
        assert!((l1[0] - 2.0).abs() < 1e-6 && l1[1].abs() < 1e-6, "{l1:?}");
        assert_eq!(
            projected(Norm::L0, 2.0, &x, &[0.25, 0.5, -0.25, 0.0]),
            [0.25, 0.5, 0.0, 0.0]
        );
    }

    #[test]
    fn distances_in_every_norm() {
        let distances = Distances::between(&[0.0, 1.0, 0.5, 0.5], &[3.0, 1.0, -3.5, 0.5]);
        assert_eq!(
            distances,
            Distances {
                linf: 4.0,
                l2: 5.0,
                l1: 7.0,
                l0: 2
            }
        );
        assert_eq!(distances.get(Norm::L0), 2.0);
    }

    #[test]
    fn the_pixel_range_refuses_nan() {
        let range = PixelRange::default();
        assert!(!range.contains(f32::NAN) && range.contains(1.0) && !range.contains(1.000_001));
        assert_eq!(range.clip(-3.0), 0.0);
    }

    fn image() -> impl Strategy<Value = Vec<f32>> {
        prop::collection::vec(0.0_f32..=1.0, 12)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn projections_land_inside_and_stay(
            x in image(), x_adv in image(), eps in 1e-6_f32..2.0,
            norm in prop::sample::select(vec![Norm::Linf, Norm::L2, Norm::L1, Norm::L0]),
        ) {
            let once = projected(norm, eps, &x, &x_adv);
            let distance = Distances::between(&x, &once).get(norm);
            prop_assert!(distance <= f64::from(eps), "{distance} > {eps}");
            prop_assert!(once.iter().all(|v| PixelRange::default().contains(*v)));
            prop_assert_eq!(projected(norm, eps, &x, &once), once);
        }

        #[test]
        fn zero_radius_gives_the_clean_image(x in image(), x_adv in image()) {
            for norm in [Norm::Linf, Norm::L2, Norm::L1, Norm::L0] {
                prop_assert_eq!(&projected(norm, 0.0, &x, &x_adv), &x);
            }
        }
    }
}

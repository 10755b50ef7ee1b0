//! What an attacker may do: [`Norm`], [`Bound`], [`Budget`], [`PixelRange`], [`Goal`], and the projections
//! onto them. An image is a flat slice of its pixels here.

use rayon::prelude::*;
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

/// What limits a perturbation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Bound {
    /// It stays in a ball.
    Ball(Budget),
    /// It is made as small as the attack can in this norm.
    Smallest {
        /// How distance is measured.
        norm: Norm,
    },
}

impl Bound {
    /// How distance is measured.
    #[must_use]
    pub const fn norm(self) -> Norm {
        match self {
            Self::Ball(Budget { norm, .. }) | Self::Smallest { norm } => norm,
        }
    }

    /// The ball, where there is one.
    #[must_use]
    pub const fn ball(self) -> Option<Budget> {
        match self {
            Self::Ball(budget) => Some(budget),
            Self::Smallest { .. } => None,
        }
    }
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

    /// Whether all of `values` are allowed.
    #[must_use]
    pub fn contains_all(self, values: &[f32]) -> bool {
        every(values, |v| self.contains(*v))
    }
}

/// Whether `test` holds for every value. Looks at all of them: with no way out in the middle it
/// is many values at a time.
pub(crate) fn every<T>(values: &[T], test: impl Fn(&T) -> bool) -> bool {
    values.iter().fold(true, |all, value| all & test(value))
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
    /// Between two images of the same length. Eight sums run side by side, so that none waits for
    /// the one before it.
    #[must_use]
    pub fn between(x: &[f32], x_adv: &[f32]) -> Self {
        let (mut linf, mut l1, mut squares) = ([0.0_f64; 8], [0.0; 8], [0.0; 8]);
        let mut l0 = [0; 8];
        for (x, x_adv) in x.chunks(8).zip(x_adv.chunks(8)) {
            for (i, (x, x_adv)) in x.iter().zip(x_adv).enumerate() {
                let change = (f64::from(*x_adv) - f64::from(*x)).abs();
                linf[i] = if change > linf[i] { change } else { linf[i] };
                l1[i] += change;
                squares[i] += change * change;
                l0[i] += u64::from(change > 0.0);
            }
        }
        Self {
            linf: linf.into_iter().fold(0.0, f64::max),
            l2: squares.iter().sum::<f64>().sqrt(),
            l1: l1.iter().sum(),
            l0: l0.iter().sum(),
        }
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
    /// Whether `x_adv` lies in the ball around `x`.
    #[must_use]
    pub fn holds(self, x: &[f32], x_adv: &[f32]) -> bool {
        let eps = f64::from(self.eps);
        match self.norm {
            Norm::Linf => {
                let inside = |x: f32, x_adv: f32| (f64::from(x_adv) - f64::from(x)).abs() <= eps;
                let pairs = x.iter().zip(x_adv);
                pairs.fold(true, |all, (x, x_adv)| all & inside(*x, *x_adv))
            }
            norm => Distances::between(x, x_adv).get(norm) <= eps,
        }
    }

    /// Lowest and highest value that `range` and an L-infinity ball allow each pixel of `x`: to
    /// clamp between them is to clip and [`Budget::project`].
    pub(crate) fn bounds(self, x: &[f32], range: PixelRange) -> (Vec<f32>, Vec<f32>) {
        let eps = f64::from(self.eps);
        let bounds = |change: f64| {
            let mut bounds = vec![0.0; x.len()];
            let pixels = bounds.par_chunks_mut(BOUNDS).zip(x.par_chunks(BOUNDS));
            pixels.for_each(|(bounds, x)| {
                for (bound, x) in bounds.iter_mut().zip(x) {
                    *bound = range.clip(toward(*x, f64::from(*x) + change));
                }
            });
            bounds
        };
        (bounds(-eps), bounds(eps))
    }

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
                for (x, x_adv) in x.chunks(INSIDE).zip(x_adv.chunks_mut(INSIDE)) {
                    if !self.holds(x, x_adv) {
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

/// Pixels whose bounds one task finds.
const BOUNDS: usize = 8192;
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
            let budget = Budget { norm, eps };
            prop_assert!(budget.holds(&x, &once));
            prop_assert!(once.iter().all(|v| PixelRange::default().contains(*v)));
            prop_assert_eq!(projected(norm, eps, &x, &once), once);
        }

        #[test]
        fn bounds_clip_and_project(
            x in image(), x_adv in prop::collection::vec(-2.0_f32..=3.0, 12), eps in 0.0_f32..2.0,
        ) {
            let (budget, range) = (Budget { norm: Norm::Linf, eps }, PixelRange::default());
            let (low, high) = budget.bounds(&x, range);
            let clamped: Vec<f32> =
                (0..x.len()).map(|i| x_adv[i].max(low[i]).min(high[i])).collect();
            let mut moved: Vec<f32> = x_adv.iter().map(|v| range.clip(*v)).collect();
            budget.project(&x, &mut moved);
            prop_assert_eq!(clamped, moved);
        }

        #[test]
        fn zero_radius_gives_the_clean_image(x in image(), x_adv in image()) {
            for norm in [Norm::Linf, Norm::L2, Norm::L1, Norm::L0] {
                prop_assert_eq!(&projected(norm, 0.0, &x, &x_adv), &x);
            }
        }
    }
}

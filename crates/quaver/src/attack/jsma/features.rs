//! One step of JSMA on one image: which pixels are left, which pair changes, and how.

use super::pairs::{best_pair, top_two};
use crate::attack::{Dialect, Flags, Setting};

/// How steps are taken.
pub(super) struct Saliency {
    /// Change of a pixel.
    pub(super) theta: f32,
    /// Share of the pixels that may be used.
    pub(super) gamma: f64,
    /// Range and dialect.
    pub(super) setting: Setting,
    /// Whether the gradient of the other classes is not minus that of the target.
    pub(super) two_gradients: bool,
    /// Whether an image that a step finds at its target is asked again at the next, which
    /// draws other noise.
    pub(super) asks_again: bool,
}

/// The pixels of one image.
pub(super) struct Features {
    /// How often each may still change. CleverHans counts pixel 0 below zero, where it may
    /// change again.
    left: Vec<i32>,
    /// Sum of `left`.
    n_left: i64,
    used: Vec<bool>,
    n_used: usize,
}

/// What a step did to an image.
pub(super) struct Step {
    pub(super) goes_on: bool,
    pub(super) moved: bool,
    pub(super) flags: Flags,
}

impl Features {
    /// Those of a clean image that can still move in the direction of theta.
    pub(super) fn of(x: &[f32], saliency: &Saliency) -> Self {
        let range = saliency.setting.range;
        let margin = match saliency.setting.dialect {
            Dialect::Torchattacks => 0.01 * (range.high - range.low),
            _ => 0.0,
        };
        let movable = |v: &f32| {
            if saliency.theta > 0.0 {
                *v < range.high - margin
            } else {
                *v > range.low + margin
            }
        };
        let left: Vec<i32> = x.iter().map(|v| i32::from(movable(v))).collect();
        let n_left = left.iter().map(|n| i64::from(*n)).sum();
        Self {
            left,
            n_left,
            used: vec![false; x.len()],
            n_used: 0,
        }
    }

    fn take(&mut self, i: usize) {
        self.left[i] -= 1;
        self.n_left -= 1;
    }

    fn exclude(&mut self, i: usize) {
        self.n_left -= i64::from(self.left[i]);
        self.left[i] = 0;
    }

    fn mark_used(&mut self, i: usize) {
        self.n_used += usize::from(!self.used[i]);
        self.used[i] = true;
    }
}

impl Saliency {
    /// One step. `t` is the gradient of the target's output, `p` minus that of the others'.
    pub(super) fn step(
        &self,
        image: &mut [f32],
        features: &mut Features,
        reached: bool,
        t: &[f32],
        p: &[f32],
    ) -> Step {
        let mut outcome = Step {
            goes_on: false,
            moved: false,
            flags: Flags::default(),
        };
        if self.is_used_up(features) {
            return outcome;
        }
        if reached {
            outcome.goes_on = self.asks_again;
            return outcome;
        }
        if !t.iter().chain(p).all(|g| g.is_finite()) {
            outcome.flags.non_finite = true;
            return outcome;
        }
        outcome.flags.zero_gradient = t.iter().all(|g| *g == 0.0);
        if self.setting.dialect == Dialect::Art {
            self.move_largest(image, features, t);
        } else if let Some((i, j)) = self.pair(features, t, p) {
            self.move_pixel(image, i, 1.0);
            self.move_pixel(image, j, 1.0);
            features.take(i);
            features.take(j);
        } else {
            outcome.flags.no_admissible_pair = true;
            match self.setting.dialect {
                Dialect::CleverHans21 | Dialect::CleverHans31 => {
                    self.move_pixel(image, 0, 2.0);
                    features.take(0);
                    features.take(0);
                }
                Dialect::Torchattacks => {
                    self.move_pixel(image, 0, 2.0);
                    features.exclude(0);
                }
                Dialect::Corrected | Dialect::Art => return outcome,
            }
        }
        outcome.moved = true;
        outcome.goes_on = true;
        outcome
    }

    fn is_used_up(&self, features: &Features) -> bool {
        match self.setting.dialect {
            Dialect::Corrected => false,
            Dialect::CleverHans21 | Dialect::CleverHans31 => features.n_left < 2,
            Dialect::Torchattacks => features.n_left == 0,
            Dialect::Art => {
                let share = features.n_used as f64 / self.setting.n_features as f64;
                share > self.gamma || features.n_left == 0
            }
        }
    }

    /// The admissible pair with the highest score.
    fn pair(&self, features: &Features, t: &[f32], p: &[f32]) -> Option<(usize, usize)> {
        let allowed: Vec<bool> = features.left.iter().map(|n| *n != 0).collect();
        let t = self.directed(t);
        let (pair, score) = if self.two_gradients {
            let p = self.directed(p);
            let (i, j) = best_pair(&t, &p, &allowed)?;
            ((i, j), (t[i] + t[j]) * (p[i] + p[j]))
        } else {
            let (i, j) = top_two(&t, &allowed)?;
            let sum = t[i] + t[j];
            if sum <= 0.0 {
                return None;
            }
            ((i, j), sum * sum)
        };
        // The others score in single precision: where that underflows they see no pair.
        let seen = self.setting.dialect == Dialect::Corrected || score != 0.0;
        seen.then_some(pair)
    }

    /// For pixels that go down, the signs of all sums turn.
    fn directed(&self, gradient: &[f32]) -> Vec<f32> {
        gradient
            .iter()
            .map(|g| if self.theta > 0.0 { *g } else { -*g })
            .collect()
    }

    fn move_largest(&self, image: &mut [f32], features: &mut Features, t: &[f32]) {
        let allowed: Vec<bool> = features.left.iter().map(|n| *n != 0).collect();
        let largest = match top_two(&self.directed(t), &allowed) {
            Some((i, j)) => vec![i, j],
            None => allowed
                .iter()
                .position(|allowed| *allowed)
                .into_iter()
                .collect(),
        };
        for i in largest {
            self.move_pixel(image, i, 1.0);
            features.mark_used(i);
            let bound = if self.theta > 0.0 {
                self.setting.range.high
            } else {
                self.setting.range.low
            };
            if image[i] == bound {
                features.exclude(i);
            }
        }
    }

    fn move_pixel(&self, image: &mut [f32], i: usize, times: f32) {
        let change = times * self.theta;
        image[i] = match self.setting.dialect {
            // Their code for decreasing pixels subtracts the negative theta.
            Dialect::CleverHans21 | Dialect::CleverHans31 if self.theta < 0.0 => {
                (image[i] - change).max(self.setting.range.low)
            }
            _ => self.setting.range.clip(image[i] + change),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threat::PixelRange;

    fn saliency(dialect: Dialect, theta: f32) -> Saliency {
        let setting = Setting {
            n_features: 4,
            range: PixelRange::default(),
            dialect,
        };
        Saliency {
            theta,
            gamma: 0.5,
            setting,
            two_gradients: false,
            asks_again: false,
        }
    }

    /// Pixels after one step from `x` along `t`, and what it did.
    fn stepped(saliency: &Saliency, x: [f32; 4], t: [f32; 4]) -> ([f32; 4], Step, Features) {
        let mut image = x;
        let mut features = Features::of(&x, saliency);
        let outcome = saliency.step(&mut image, &mut features, false, &t, &t);
        (image, outcome, features)
    }

    #[test]
    fn the_best_pair_of_unsaturated_pixels_moves() {
        let saliency = saliency(Dialect::Corrected, 1.0);
        let (image, outcome, features) =
            stepped(&saliency, [0.5, 1.0, 0.5, 0.5], [1.0, 9.0, -0.5, 0.5]);
        assert_eq!(image, [1.0, 1.0, 0.5, 1.0]);
        assert!(outcome.goes_on && outcome.moved);
        assert_eq!(features.left, [0, 0, 1, 0]);
    }

    #[test]
    fn negative_theta_lowers_what_lowers_the_target() {
        let saliency = saliency(Dialect::Corrected, -0.25);
        let (image, ..) = stepped(&saliency, [0.5, 0.0, 0.5, 0.5], [-1.0, -9.0, 0.5, -0.5]);
        assert_eq!(image, [0.25, 0.0, 0.5, 0.25]);
        let broken = self::saliency(Dialect::CleverHans21, -0.75);
        let (image, ..) = stepped(&broken, [0.5, 0.0, 0.5, 0.5], [-1.0, -9.0, 0.5, -0.5]);
        assert_eq!(image, [1.25, 0.0, 0.5, 1.25]);
    }

    #[test]
    fn without_a_pair_dialects_differ() {
        let (x, t) = ([0.0; 4], [-1.0, 0.5, -2.0, -3.0]);
        let (image, outcome, _) = stepped(&saliency(Dialect::Corrected, 0.25), x, t);
        assert!(!outcome.goes_on && !outcome.moved && outcome.flags.no_admissible_pair);
        assert_eq!(image, x);
        for (dialect, left, n_left) in [
            (Dialect::CleverHans21, -1, 2),
            (Dialect::Torchattacks, 0, 3),
        ] {
            let (image, outcome, features) = stepped(&saliency(dialect, 0.25), x, t);
            assert!(outcome.goes_on && outcome.flags.no_admissible_pair);
            assert_eq!(image, [0.5, 0.0, 0.0, 0.0]);
            assert_eq!((features.left[0], features.n_left), (left, n_left));
        }
        // Two largest, whatever their sign.
        let (image, outcome, features) = stepped(&saliency(Dialect::Art, 0.25), x, t);
        assert!(outcome.goes_on && !outcome.flags.no_admissible_pair);
        assert_eq!(image, [0.25, 0.25, 0.0, 0.0]);
        assert_eq!((features.n_left, features.n_used), (4, 2));
    }

    #[test]
    fn scores_underflow_in_single_precision_as_theirs_do() {
        let t = [1e-30, 1e-30, 0.0, 0.0];
        let (_, outcome, _) = stepped(&saliency(Dialect::CleverHans21, 1.0), [0.0; 4], t);
        assert!(outcome.flags.no_admissible_pair);
        let (image, ..) = stepped(&saliency(Dialect::Corrected, 1.0), [0.0; 4], t);
        assert_eq!(image, [1.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn at_the_target_an_image_rests_and_is_asked_again_under_new_noise() {
        for asks_again in [false, true] {
            let saliency = Saliency {
                asks_again,
                ..saliency(Dialect::CleverHans21, 1.0)
            };
            let (x, t) = ([0.0; 4], [1.0; 4]);
            let (mut image, mut features) = (x, Features::of(&x, &saliency));
            let outcome = saliency.step(&mut image, &mut features, true, &t, &t);
            assert_eq!((outcome.goes_on, outcome.moved), (asks_again, false));
            assert_eq!(image, x);
        }
    }

    #[test]
    fn near_the_bound_torchattacks_leaves_pixels_out() {
        let x = [0.995, 0.5, 0.985, 1.0];
        assert_eq!(
            Features::of(&x, &saliency(Dialect::Torchattacks, 1.0)).left,
            [0, 1, 1, 0]
        );
        assert_eq!(
            Features::of(&x, &saliency(Dialect::Corrected, 1.0)).left,
            [1, 1, 1, 0]
        );
    }
}

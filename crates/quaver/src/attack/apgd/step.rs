//! Steps of APGD on one image.

use crate::threat::{Budget, Norm, PixelRange};

/// The entries of the gradient that the first step moves in L1.
const FIRST_SHARE: f64 = 0.2;
/// In L1: by how much fewer entries a step moves than the best change has, and steps get shorter.
const FEWER: f64 = 1.5;
/// In L1: the shortest step, in parts of eps.
const SHORTEST: f64 = 0.1;
/// In L1: a number of entries that is alike.
const ALIKE: std::ops::RangeInclusive<f64> = 0.8..=1.2;

/// Steps after which lengths are looked at: ever more often, or in L1 every 25th of them.
pub(super) fn checkpoints(norm: Norm, n_steps: u32) -> Vec<u32> {
    let n = f64::from(n_steps);
    if norm == Norm::L1 {
        let every = ((0.04 * n) as u32).max(1);
        return (every..n_steps).step_by(every as usize).collect();
    }
    let (mut before, mut at) = (0.0_f64, 0.22_f64);
    let mut checkpoints = Vec::new();
    while at < 1.0 {
        checkpoints.push((at * n).ceil() as u32);
        (before, at) = (at, at + (at - before - 0.03).max(0.06));
    }
    checkpoints.dedup();
    checkpoints
}

/// What is known of one image on its way.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    norm: Norm,
    step_size: f64,
    /// Entries that a step moves in L1.
    n_moved: f64,
    last: Vec<f32>,
    gradient: Vec<f32>,
    best: Vec<f32>,
    best_gradient: Vec<f32>,
    best_loss: f64,
    last_loss: f64,
    /// Steps that went up, and all steps, since the last checkpoint.
    n_up: u32,
    n_seen: u32,
    /// At the last checkpoint: the best loss, and whether the step was shortened.
    loss_then: f64,
    shortened: bool,
}

/// Where an image is.
pub(super) struct Iterate<'a> {
    /// The clean image.
    pub(super) x: &'a [f32],
    pub(super) budget: Budget,
    pub(super) range: PixelRange,
    /// Share of the new step.
    pub(super) momentum: f64,
}

impl Progress {
    pub(super) fn new(norm: Norm, eps: f64, d: usize) -> Self {
        Self {
            norm,
            step_size: if norm == Norm::L1 { eps } else { 2.0 * eps },
            n_moved: FIRST_SHARE * d as f64,
            last: Vec::new(),
            gradient: Vec::new(),
            best: Vec::new(),
            best_gradient: Vec::new(),
            best_loss: f64::NEG_INFINITY,
            last_loss: f64::NEG_INFINITY,
            n_up: 0,
            n_seen: 0,
            loss_then: f64::NEG_INFINITY,
            // Nothing has been tried before the first checkpoint.
            shortened: true,
        }
    }

    /// Takes the loss and its gradient at `image`.
    pub(super) fn see(&mut self, image: &[f32], gradient: &[f32], loss: f64, step: u32) {
        self.gradient.clear();
        self.gradient.extend(gradient);
        if step > 0 {
            self.n_up += u32::from(loss > self.last_loss);
            self.n_seen += 1;
        }
        self.last_loss = loss;
        if loss > self.best_loss || self.best.is_empty() {
            self.best_loss = loss;
            self.best.clear();
            self.best.extend(image);
            self.best_gradient.clone_from(&self.gradient);
        }
    }

    /// Shortens the step if it has stopped helping, and goes back to the best point then.
    pub(super) fn check(&mut self, rho: f64, eps: f64, x: &[f32]) {
        let back = match self.norm {
            Norm::L1 => {
                let changed = self.best.iter().zip(x).filter(|(a, b)| a != b).count();
                let n_moved = (changed as f64 / FEWER).max(1.0);
                let alike = ALIKE.contains(&(n_moved / self.n_moved));
                self.n_moved = n_moved;
                self.step_size = match alike {
                    true => (self.step_size / FEWER).max(SHORTEST * eps),
                    false => eps,
                };
                true
            }
            _ => {
                let few = f64::from(self.n_up) < rho * f64::from(self.n_seen);
                let stuck = !self.shortened && self.best_loss <= self.loss_then;
                self.shortened = few || stuck;
                self.step_size /= if self.shortened { 2.0 } else { 1.0 };
                self.shortened
            }
        };
        self.loss_then = self.best_loss;
        (self.n_up, self.n_seen) = (0, 0);
        if back {
            // The next step starts there, and knows no step before it.
            self.gradient.clone_from(&self.best_gradient);
            self.last_loss = self.best_loss;
            self.last.clone_from(&self.best);
        }
    }

    /// Moves `image`, or the best point where the search has gone back to it.
    pub(super) fn advance(&mut self, iterate: &Iterate<'_>, image: &mut [f32]) {
        let back = self.last == self.best && !self.last.is_empty();
        if back {
            image.copy_from_slice(&self.best);
        }
        let mut moved = self.moved(image);
        iterate.project(&mut moved);
        if !self.last.is_empty() && self.norm != Norm::L1 {
            let a = iterate.momentum;
            for ((z, x), last) in moved.iter_mut().zip(&*image).zip(&self.last) {
                let (z_wide, x_wide, last) = (f64::from(*z), f64::from(*x), f64::from(*last));
                *z = (x_wide + a * (z_wide - x_wide) + (1.0 - a) * (x_wide - last)) as f32;
            }
            iterate.project(&mut moved);
        }
        self.last.clear();
        self.last.extend(&*image);
        image.copy_from_slice(&moved);
    }

    /// `image` after a step along the gradient.
    fn moved(&self, image: &[f32]) -> Vec<f32> {
        let step = self.step_size;
        let along = |direction: &dyn Fn(f32) -> f64| -> Vec<f32> {
            let pixels = image.iter().zip(&self.gradient);
            pixels
                .map(|(x, g)| (f64::from(*x) + step * direction(*g)) as f32)
                .collect()
        };
        match self.norm {
            Norm::Linf => along(&|g| f64::from(sign(g))),
            Norm::L2 | Norm::L0 => {
                let squares: f64 = self.gradient.iter().map(|g| f64::from(*g).powi(2)).sum();
                let length = squares.sqrt();
                along(&|g| {
                    if length > 0.0 {
                        f64::from(g) / length
                    } else {
                        0.0
                    }
                })
            }
            Norm::L1 => {
                let n = (self.n_moved as usize).clamp(1, image.len());
                let mut sizes: Vec<f32> = self.gradient.iter().map(|g| g.abs()).collect();
                let (_, least, _) = sizes.select_nth_unstable_by(n - 1, |a, b| b.total_cmp(a));
                let least = least.max(f32::MIN_POSITIVE);
                let n_moved = self.gradient.iter().filter(|g| g.abs() >= least).count();
                let each = 1.0 / n_moved.max(1) as f64;
                along(&|g| {
                    if g.abs() >= least {
                        each * f64::from(sign(g))
                    } else {
                        0.0
                    }
                })
            }
        }
    }
}

impl Iterate<'_> {
    /// The nearest point in the ball and the pixel range; in L2 the ball comes first.
    fn project(&self, image: &mut [f32]) {
        if self.budget.norm == Norm::L1 {
            self.project_l1(image);
        }
        self.budget.project(self.x, image);
        image.iter_mut().for_each(|v| *v = self.range.clip(*v));
    }

    /// Takes the same off every change, and no change beyond the range, so that the sum is eps.
    fn project_l1(&self, image: &mut [f32]) {
        let eps = f64::from(self.budget.eps);
        let changes: Vec<(f64, f64)> = image
            .iter()
            .zip(self.x)
            .map(|(v, x)| {
                let change = f64::from(*v) - f64::from(*x);
                let edge = if change > 0.0 {
                    self.range.high
                } else {
                    self.range.low
                };
                (change, (f64::from(edge) - f64::from(*x)).abs())
            })
            .collect();
        let left = |change: f64, room: f64, off: f64| (change.abs() - off).max(0.0).min(room);
        let sum = |off: f64| {
            changes
                .iter()
                .map(|(c, room)| left(*c, *room, off))
                .sum::<f64>()
        };
        let (mut low, mut high) = (
            0.0,
            changes.iter().fold(0.0_f64, |m, (c, _)| m.max(c.abs())),
        );
        if sum(0.0) <= eps {
            high = 0.0;
        }
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if sum(middle) > eps {
                low = middle;
            } else {
                high = middle;
            }
        }
        for ((v, x), (change, room)) in image.iter_mut().zip(self.x).zip(changes) {
            *v = (f64::from(*x) + change.signum() * left(change, room, high)) as f32;
        }
    }
}

/// 0 at 0.
fn sign(gradient: f32) -> f32 {
    if gradient == 0.0 {
        0.0
    } else {
        gradient.signum()
    }
}

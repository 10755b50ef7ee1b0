//! [`Adam`]: gradient descent that moves every pixel by about the same length.

/// Decay of the mean of the gradients, and of that of their squares.
const DECAYS: [f64; 2] = [0.9, 0.999];
/// Keeps a pixel without gradient where it is.
const EPS: f32 = 1e-8;
/// Means below it are 0: numbers that small are slow, and move nothing.
const FADED: f32 = 1e-30;

/// Steps as in "Adam: A Method for Stochastic Optimization" (2015), of one image.
#[derive(Clone, Debug)]
pub struct Adam {
    means: Vec<f32>,
    squares: Vec<f32>,
    /// What a mean still lacks after the steps so far.
    lacks: [f64; 2],
}

impl Adam {
    /// Before the first step, for `d` pixels.
    #[must_use]
    pub fn new(d: usize) -> Self {
        Self {
            means: vec![0.0; d],
            squares: vec![0.0; d],
            lacks: [1.0; 2],
        }
    }

    /// Forgets all steps.
    pub fn reset(&mut self) {
        self.means.fill(0.0);
        self.squares.fill(0.0);
        self.lacks = [1.0; 2];
    }

    /// Replaces the gradient of what is to become small by the step to take, of about `step_size`
    /// in every pixel.
    pub fn step(&mut self, step_size: f64, gradient: &mut [f32]) {
        for (lack, decay) in self.lacks.iter_mut().zip(DECAYS) {
            *lack *= decay;
        }
        let [of_means, of_squares] = self.lacks.map(|lack| 1.0 - lack);
        // The corrections of both means, with eps in the units of the corrected one.
        let size = (step_size * of_squares.sqrt() / of_means) as f32;
        let eps = EPS * of_squares.sqrt() as f32;
        let [keep_mean, keep_square] = DECAYS.map(|decay| decay as f32);
        let [add_mean, add_square] = DECAYS.map(|decay| (1.0 - decay) as f32);
        let means = self.means.iter_mut().zip(&mut self.squares);
        for (g, (mean, square)) in gradient.iter_mut().zip(means) {
            let next = keep_mean * *mean + add_mean * *g;
            *mean = if next.abs() < FADED { 0.0 } else { next };
            *square = keep_square * *square + add_square * *g * *g;
            *g = -size * *mean / (square.sqrt() + eps);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_steps_by_hand() {
        let mut adam = Adam::new(3);
        let mut gradient = [0.5, -20.0, 0.0];
        adam.step(0.125, &mut gradient);
        // The first step has the length of the step size, whatever the gradient.
        for (got, expected) in gradient.iter().zip([-0.125, 0.125, 0.0]) {
            assert!((got - expected).abs() < 1e-6, "{gradient:?}");
        }
        let mut gradient = [-0.5, -20.0, 0.0];
        adam.step(0.125, &mut gradient);
        // The mean is (0.9 · 0.05 - 0.05) / 0.19, the square 0.25.
        let expected = 0.125 * 0.005 / 0.19 / 0.5;
        assert!((f64::from(gradient[0]) - expected).abs() < 1e-6);
        assert!((gradient[1] - 0.125).abs() < 1e-6 && gradient[2] == 0.0);
        adam.reset();
        let mut gradient = [-0.5, 1.0, 0.0];
        adam.step(0.125, &mut gradient);
        assert!((gradient[0] - 0.125).abs() < 1e-6, "{gradient:?}");
    }
}

//! Softmax and cross-entropy of one row of logits, in float64.

/// Probabilities of `logits`, summing to 1, the largest logit subtracted first. Not numbers where
/// a logit is not, or where one is +infinity.
#[must_use]
pub fn softmax(logits: &[f32]) -> Vec<f64> {
    let max = logits.iter().fold(f32::NEG_INFINITY, |max, &l| max.max(l));
    let exponential = |&l: &f32| libm::exp(f64::from(l) - f64::from(max));
    let mut probs: Vec<f64> = logits.iter().map(exponential).collect();
    let total: f64 = probs.iter().sum();
    for p in &mut probs {
        *p /= total;
    }
    probs
}

/// Index of the largest value, the lowest one at ties; `None` where there is none or a value is
/// not a number.
#[must_use]
pub fn argmax<T: Copy + Into<f64>>(values: &[T]) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (index, &value) in values.iter().enumerate() {
        let value = value.into();
        if value.is_nan() {
            return None;
        }
        if best.is_none_or(|(_, max)| value > max) {
            best = Some((index, value));
        }
    }
    best.map(|(index, _)| index)
}

/// Cross-entropy in nats of `logits` against `label`; writes its gradient times `weight`.
pub fn cross_entropy(logits: &[f32], label: usize, weight: f32, gradient: &mut [f32]) -> f64 {
    let probs = softmax(logits);
    for (c, (g, p)) in gradient.iter_mut().zip(&probs).enumerate() {
        let target = if c == label { 1.0 } else { 0.0 };
        *g = ((p - target) * f64::from(weight)) as f32;
    }
    -libm::log(probs[label])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradient_is_the_slope() {
        let logits = [0.3, -1.0, 2.0];
        let mut gradient = [0.0; 3];
        let mut unused = [0.0; 3];
        let loss = cross_entropy(&logits, 1, 1.0, &mut gradient);
        assert!((loss - 3.208_8).abs() < 1e-3, "{loss}");
        for c in 0..3 {
            let mut up = logits;
            up[c] += 1e-3;
            let mut down = logits;
            down[c] -= 1e-3;
            let slope = (cross_entropy(&up, 1, 1.0, &mut unused)
                - cross_entropy(&down, 1, 1.0, &mut unused))
                / 2e-3;
            assert!((slope - f64::from(gradient[c])).abs() < 1e-4);
        }
    }
}

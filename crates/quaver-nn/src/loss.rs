//! Softmax and cross-entropy of one row of logits, in float64.

/// Probabilities of `logits`, summing to 1. Not finite where a logit is not.
pub fn softmax(logits: &[f32], probs: &mut [f64]) {
    let max = logits
        .iter()
        .fold(f32::NEG_INFINITY, |m, &v| if v > m { v } else { m });
    let mut sum = 0.0;
    for (p, &v) in probs.iter_mut().zip(logits) {
        *p = libm::exp(f64::from(v) - f64::from(max));
        sum += *p;
    }
    for p in probs {
        *p /= sum;
    }
}

/// Index of the largest value, the first at ties.
pub fn argmax(values: &[f32]) -> usize {
    let mut best = 0;
    for (i, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = i;
        }
    }
    best
}

/// Cross-entropy in nats of `logits` against `label`; writes its gradient times `weight`.
pub fn cross_entropy(logits: &[f32], label: usize, weight: f32, gradient: &mut [f32]) -> f64 {
    let mut probs = vec![0.0; logits.len()];
    softmax(logits, &mut probs);
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

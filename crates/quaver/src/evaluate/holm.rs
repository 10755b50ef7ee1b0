//! Holm's correction for many comparisons.

/// Adjusted p values (Holm, "A simple sequentially rejective multiple test procedure",
/// 1979), in the order given: rejecting those below 0.05 keeps the probability of any wrong
/// rejection below 0.05. A comparison that could not be made (`None`, or not a number) stays
/// `None` and does not count.
#[must_use]
pub fn adjust(p: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut order: Vec<(usize, f64)> = p
        .iter()
        .enumerate()
        .filter_map(|(index, p)| p.filter(|p| !p.is_nan()).map(|p| (index, p)))
        .collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut adjusted = vec![None; p.len()];
    let mut largest = 0.0f64;
    for (rank, &(index, p)) in order.iter().enumerate() {
        let n_left = (order.len() - rank) as f64;
        largest = largest.max(p * n_left).min(1.0);
        adjusted[index] = Some(largest);
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_by_hand() {
        let adjusted = adjust(&[Some(0.01), Some(0.04), Some(0.03), Some(0.005)]);
        // Sorted: 0.005·4, 0.01·3, 0.03·2, then 0.04·1 raised to the one before.
        let expected = [0.03, 0.06, 0.06, 0.02];
        for (got, expected) in adjusted.iter().zip(expected) {
            assert!((got.unwrap() - expected).abs() < 1e-15);
        }
    }

    #[test]
    fn missing_comparisons_do_not_count_and_one_is_the_top() {
        assert_eq!(
            adjust(&[None, Some(0.6), Some(f64::NAN), Some(0.9)]),
            [None, Some(1.0), None, Some(1.0)]
        );
        assert_eq!(adjust(&[Some(0.03)]), [Some(0.03)]);
    }
}

//! The best pair of pixels for a saliency map, without the N × N matrix of all pairs.
//!
//! With t the gradient of the target and p minus the gradient of the other classes, a pair
//! (i, j) scores (t_i + t_j)(p_i + p_j) where both sums are positive. Among equal scores the
//! first in row-major order wins. Sums and products are in double precision.

/// The two indices with the largest `t` among those `allowed`, the lower index first at ties;
/// returned in ascending order. `None` if there are fewer than two.
///
/// For p = t this is the best pair, if its sum is positive.
pub(super) fn top_two(t: &[f32], allowed: &[bool]) -> Option<(usize, usize)> {
    let mut first: Option<usize> = None;
    let mut second: Option<usize> = None;
    for i in (0..t.len()).filter(|i| allowed[*i]) {
        if first.is_none_or(|best| t[i] > t[best]) {
            second = first;
            first = Some(i);
        } else if second.is_none_or(|best| t[i] > t[best]) {
            second = Some(i);
        }
    }
    let (first, second) = (first?, second?);
    Some((first.min(second), first.max(second)))
}

/// The allowed pair with the highest positive score, in ascending order.
///
/// A pixel is in no best pair if two others are at least as good in t and in p: one of them
/// could take its place. The few that remain are tried pair by pair: O(N log N) time as a rule,
/// O(N²) at worst, O(N) memory.
pub(super) fn best_pair(t: &[f32], p: &[f32], allowed: &[bool]) -> Option<(usize, usize)> {
    let candidates = candidates(t, p, allowed);
    let mut best: Option<(f64, usize, usize)> = None;
    for (place, i) in candidates.iter().enumerate() {
        for j in &candidates[place + 1..] {
            let a = f64::from(t[*i]) + f64::from(t[*j]);
            let b = f64::from(p[*i]) + f64::from(p[*j]);
            let admissible = a > 0.0 && b > 0.0;
            if admissible && a * b > best.map_or(0.0, |(score, ..)| score) {
                best = Some((a * b, *i, *j));
            }
        }
    }
    best.map(|(_, i, j)| (i, j))
}

/// Allowed indices that fewer than two others beat, in ascending order. Of equal ones the
/// lower index beats the higher.
fn candidates(t: &[f32], p: &[f32], allowed: &[bool]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..t.len()).filter(|i| allowed[*i]).collect();
    // Stable, so that equal pixels stay in ascending order; adding zero makes -0 equal to 0.
    let descending = |a: f32, b: f32| (b + 0.0).total_cmp(&(a + 0.0));
    order.sort_by(|i, j| descending(t[*i], t[*j]).then(descending(p[*i], p[*j])));
    let (mut first, mut second) = (f32::NEG_INFINITY, f32::NEG_INFINITY);
    order.retain(|i| {
        let kept = p[*i] > second;
        if p[*i] > first {
            second = first;
            first = p[*i];
        } else if kept {
            second = p[*i];
        }
        kept
    });
    order.sort_unstable();
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All ordered pairs in row-major order, the first maximum.
    fn by_matrix(t: &[f32], p: &[f32], allowed: &[bool]) -> Option<(usize, usize)> {
        let mut best: Option<(f64, usize, usize)> = None;
        for i in 0..t.len() {
            for j in (0..t.len()).filter(|j| *j != i) {
                let a = f64::from(t[i]) + f64::from(t[j]);
                let b = f64::from(p[i]) + f64::from(p[j]);
                let valid = allowed[i] && allowed[j] && a > 0.0 && b > 0.0;
                if valid && a * b > best.map_or(0.0, |(score, ..)| score) {
                    best = Some((a * b, i, j));
                }
            }
        }
        best.map(|(_, i, j)| (i, j))
    }

    #[test]
    fn hand_computed_pairs() {
        let all = [true; 4];
        // Pairs (0, 1): 3 · 1 = 3; (0, 2): 3 · 2 = 6; (1, 2): 2 · 3 = 6; the first of equals.
        assert_eq!(
            best_pair(&[2.0, 1.0, 1.0, -9.0], &[0.0, 1.0, 2.0, -9.0], &all),
            Some((0, 2))
        );
        assert_eq!(
            best_pair(&[1.0, 1.0, -1.0, -3.0], &[-1.0, -1.0, 0.0, 5.0], &all),
            None
        );
        // Negative zeros are zeros: the first two of equals.
        assert_eq!(
            best_pair(&[-0.0, 0.0, 0.0, 1.0], &[1.0; 4], &all),
            Some((0, 3))
        );
        assert_eq!(top_two(&[1.0, 3.0, 3.0, 3.0], &all), Some((1, 2)));
        assert_eq!(top_two(&[1.0, 3.0, 2.0, 2.0], &all), Some((1, 2)));
        assert_eq!(
            top_two(&[1.0, 3.0, 3.0, 3.0], &[true, false, false, false]),
            None
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn finds_the_pair_that_the_matrix_finds(
            // Few distinct values, so that ties are common.
            rows in prop::collection::vec((-4_i8..4, -4_i8..4, prop::bool::weighted(0.8)), 0..12),
            offset in -3_i8..3,
        ) {
            let t: Vec<f32> = rows.iter().map(|r| f32::from(r.0 + offset)).collect();
            let p: Vec<f32> = rows.iter().map(|r| f32::from(r.1)).collect();
            let allowed: Vec<bool> = rows.iter().map(|r| r.2).collect();
            prop_assert_eq!(best_pair(&t, &p, &allowed), by_matrix(&t, &p, &allowed));
            let of_t = by_matrix(&t, &t, &allowed);
            if of_t.is_some() {
                prop_assert_eq!(top_two(&t, &allowed), of_t);
            }
        }

        #[test]
        fn finds_it_among_reals(rows in prop::collection::vec((-1.0_f32..1.0, -1.0_f32..1.0), 40)) {
            let (t, p): (Vec<f32>, Vec<f32>) = rows.into_iter().unzip();
            let allowed = vec![true; t.len()];
            prop_assert_eq!(best_pair(&t, &p, &allowed), by_matrix(&t, &p, &allowed));
        }
    }
}

//! The best pair of pixels for a saliency map, without the N × N matrix of all pairs.
//!
//! With t the gradient of the target and p minus the gradient of the other classes, a pair
//! (i, j) scores (t_i + t_j)(p_i + p_j) where both sums are positive. Among equal scores the
//! first in row-major order wins. Sums and products are in double precision.

/// The two indices with the largest `t` among those `allowed`, the lower index first at ties;
/// returned in ascending order. `None` if there are fewer than two.
///
/// For p = t this is the best pair, if its sum is positive.
#[must_use]
pub fn top_two(t: &[f32], allowed: &[bool]) -> Option<(usize, usize)> {
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
/// Takes O(N²) time at worst and O(N) memory. Rows whose bound, with the largest values that
/// come after them, cannot reach the best pair of the most promising row are skipped.
#[must_use]
pub fn best_pair(t: &[f32], p: &[f32], allowed: &[bool]) -> Option<(usize, usize)> {
    let rows: Vec<Row> = (0..t.len())
        .filter(|i| allowed[*i])
        .map(|index| Row {
            index,
            t: f64::from(t[index]),
            p: f64::from(p[index]),
        })
        .collect();
    let bounds = bounds(&rows);
    let promising = (0..rows.len()).max_by(|a, b| bounds[*a].total_cmp(&bounds[*b]))?;
    let floor = rows
        .iter()
        .enumerate()
        .filter(|(i, _)| *i != promising)
        .map(|(_, other)| rows[promising].score(other))
        .fold(0.0, f64::max);
    let mut best: Option<(f64, usize, usize)> = None;
    for (i, row) in rows.iter().enumerate() {
        // A row that only equals the best pair so far would come too late.
        let hopeless = best.map_or(bounds[i] < floor, |(score, ..)| bounds[i] <= score);
        if hopeless || bounds[i] <= 0.0 {
            continue;
        }
        for (j, other) in rows.iter().enumerate().skip(i + 1) {
            let score = row.score(other);
            let wins = best.map_or(score > 0.0 && score >= floor, |(top, ..)| score > top);
            if wins {
                best = Some((score, i, j));
            }
        }
    }
    best.map(|(_, i, j)| (rows[i].index, rows[j].index))
}

struct Row {
    index: usize,
    t: f64,
    p: f64,
}

impl Row {
    /// 0 if the pair is not admissible.
    fn score(&self, other: &Self) -> f64 {
        product(self.t + other.t, self.p + other.p)
    }
}

fn product(t: f64, p: f64) -> f64 {
    if t > 0.0 && p > 0.0 { t * p } else { 0.0 }
}

/// For each row a number that no score with a later row exceeds. Sums and products round
/// monotonically, so this holds for the rounded scores too.
fn bounds(rows: &[Row]) -> Vec<f64> {
    let mut bounds = vec![0.0; rows.len()];
    let (mut t, mut p) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    for (bound, row) in bounds.iter_mut().zip(rows).rev() {
        *bound = product(row.t + t, row.p + p);
        t = t.max(row.t);
        p = p.max(row.p);
    }
    bounds
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

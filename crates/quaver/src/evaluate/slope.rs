//! Whether a quantity rises over ordered rows, as accuracy over precision.
//!
//! Rows stand at 0, 1, 2, … in the order given; the slope is in the quantity's unit a row.

use super::bootstrap::{Bootstrap, weighted_mean};

/// Ordinary least-squares slope of one value a row; `None` with fewer than two rows.
#[must_use]
pub fn slope(rows: &[f64]) -> Option<f64> {
    let middle = (rows.len() as f64 - 1.0) / 2.0;
    let mut sums = (0.0, 0.0);
    for (place, value) in rows.iter().enumerate() {
        let x = place as f64 - middle;
        sums.0 += x * value;
        sums.1 += x * x;
    }
    (rows.len() > 1).then(|| sums.0 / sums.1)
}

/// The slope of the rows' means over the same images, resampled by image: says something
/// about these networks. Each of `rows` holds one value an image, in the same order.
/// `None` where the rows differ in length, are fewer than two, or a value is not finite.
///
/// The slope of means is the mean of the images' own slopes, which is what is resampled.
#[must_use]
pub fn over_images(rows: &[&[f64]], seed: u64) -> Option<Bootstrap> {
    let n = rows.first()?.len();
    if rows.iter().any(|row| row.len() != n) {
        return None;
    }
    let per_image: Option<Vec<f64>> = (0..n)
        .map(|image| slope(&rows.iter().map(|row| row[image]).collect::<Vec<_>>()))
        .collect();
    let per_image = per_image?;
    Bootstrap::new(n, seed, |times| weighted_mean(&per_image, times))
}

/// The slope of any statistic of the rows over the same `n` images (an AUROC, a ratio),
/// resampled by image. `statistic` gets the row's number and how often each image was drawn.
/// `None` where a row has no value on all images.
pub fn of_statistic(
    n_rows: usize,
    n: usize,
    seed: u64,
    statistic: impl Fn(usize, &[u32]) -> Option<f64> + Sync,
) -> Option<Bootstrap> {
    Bootstrap::new(n, seed, |times| {
        let rows: Option<Vec<f64>> = (0..n_rows).map(|row| statistic(row, times)).collect();
        slope(&rows?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_slope() {
        assert_eq!(slope(&[1.0, 3.0, 5.0]), Some(2.0));
        assert_eq!(slope(&[0.0, 0.0, 1.0, 1.0]), Some(0.4));
        assert_eq!(slope(&[1.0]), None);
    }

    #[test]
    fn rising_rows_are_seen_to_rise() {
        let rows: Vec<Vec<f64>> = (0..4)
            .map(|row| (0..200).map(|i| f64::from(i % 10 < row + 5)).collect())
            .collect();
        let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
        let seen = over_images(&rows, 0).unwrap();
        assert!((seen.value() - 0.1).abs() < 1e-12);
        assert_eq!(seen.p_above(0.0), 1.0 / 2000.0);
        let estimate = seen.estimate();
        assert!(estimate.low > 0.07 && estimate.high < 0.13, "{estimate:?}");
    }

    #[test]
    fn means_as_a_statistic_give_the_same_slope() {
        let rows = [[0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 1.0], [1.0; 4]];
        let rows: Vec<&[f64]> = rows.iter().map(<[f64; 4]>::as_slice).collect();
        let by_image = over_images(&rows, 7).unwrap();
        let general = of_statistic(3, 4, 7, |row, times| weighted_mean(rows[row], times));
        let [a, b] = [by_image, general.unwrap()].map(|seen| seen.estimate());
        assert!((a.value - b.value).abs() < 1e-12 && (a.low - b.low).abs() < 1e-12);
    }

    #[test]
    fn uneven_rows_have_no_slope() {
        assert_eq!(over_images(&[&[1.0], &[1.0, 2.0]], 0), None);
        assert_eq!(over_images(&[&[1.0]], 0), None);
        assert_eq!(over_images(&[], 0), None);
    }
}

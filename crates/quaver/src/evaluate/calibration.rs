//! Whether probabilities mean what they say.

use serde::{Deserialize, Serialize};

use crate::decision::argmax;

/// Calibration of the predicted probabilities of `n` images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Images; at least 1.
    pub n: u64,
    /// Expected calibration error, in [0, 1]: mean over images of the gap between accuracy
    /// and confidence of the image's bin (Guo, Pleiss, Sun and Weinberger, "On calibration
    /// of modern neural networks", 2017, eq. 3). Depends on the number of bins.
    pub ece: f64,
    /// Mean squared distance between probabilities and the one-hot label, in [0, 2] (Brier,
    /// "Verification of forecasts expressed in terms of probability", 1950).
    pub brier: f64,
    /// Bins of confidence, lowest first: equal widths, upper ends included.
    pub bins: Vec<Bin>,
}

/// One bin of confidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bin {
    /// Images in it.
    pub n: u64,
    /// Their mean largest probability; `None` without images.
    pub confidence: Option<f64>,
    /// The share whose likeliest class is the label; `None` without images.
    pub accuracy: Option<f64>,
}

/// Calibration of pairs (probabilities of all classes, label) in `n_bins` bins; 15 are
/// usual. `None` where there are no images, no bins, or a probability is not a number.
pub fn calibration<'a>(
    predictions: impl IntoIterator<Item = (&'a [f64], usize)>,
    n_bins: usize,
) -> Option<Calibration> {
    let mut sums = vec![(0u64, 0.0, 0u64); n_bins];
    let (mut n, mut squares) = (0, 0.0);
    for (probs, label) in predictions {
        let class = argmax(probs)?;
        let confidence = probs[class];
        let bin = (confidence * n_bins as f64).ceil() as usize;
        let bin = sums.get_mut(bin.clamp(1, n_bins.max(1)) - 1)?;
        *bin = (
            bin.0 + 1,
            bin.1 + confidence,
            bin.2 + u64::from(class == label),
        );
        n += 1;
        let miss = |(class, p): (usize, &f64)| (p - f64::from(class == label)).powi(2);
        squares += probs.iter().enumerate().map(miss).sum::<f64>();
    }
    let gaps = sums
        .iter()
        .map(|&(_, confidence, right)| (right as f64 - confidence).abs());
    (n > 0).then(|| Calibration {
        n,
        ece: gaps.sum::<f64>() / n as f64,
        brier: squares / n as f64,
        bins: sums.iter().map(|&sums| bin(sums)).collect(),
    })
}

fn bin((n, confidence, right): (u64, f64, u64)) -> Bin {
    Bin {
        n,
        confidence: (n > 0).then(|| confidence / n as f64),
        accuracy: (n > 0).then(|| right as f64 / n as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_images_by_hand() {
        let predictions: [(&[f64], usize); 3] =
            [(&[0.9, 0.1], 0), (&[0.8, 0.2], 1), (&[0.4, 0.6], 1)];
        let seen = calibration(predictions, 2).unwrap();
        // All in the upper bin: 2 of 3 right at mean confidence 2.3 / 3.
        assert!((seen.ece - 0.1).abs() < 1e-12);
        assert!((seen.brier - (0.02 + 1.28 + 0.32) / 3.0).abs() < 1e-12);
        assert_eq!((seen.bins[0].n, seen.bins[0].accuracy), (0, None));
        assert_eq!(seen.bins[1].n, 3);
    }

    #[test]
    fn certainty_and_the_upper_end_fall_into_the_last_bin() {
        let seen = calibration([(&[1.0, 0.0][..], 0), (&[0.5, 0.5][..], 0)], 2).unwrap();
        assert_eq!((seen.bins[0].n, seen.bins[1].n), (1, 1));
        assert!((seen.ece - 0.25).abs() < 1e-12);
    }

    #[test]
    fn nothing_is_not_calibrated() {
        assert_eq!(calibration([], 15), None);
        assert_eq!(calibration([(&[f64::NAN, 0.5][..], 0)], 15), None);
        assert_eq!(calibration([(&[1.0][..], 0)], 0), None);
    }
}

//! Parity with PyTorch: networks trained there give the same logits, gradients and
//! Monte-Carlo moments here. The references lie in `shared/golden` beside the repository;
//! without them the test passes and says so.

#![expect(
    clippy::print_stdout,
    reason = "what was compared is counted from the output"
)]

mod golden_data;

use golden_data::{FILES, Golden, NETWORKS, golden_folder};
use quaver_nn::loss::{cross_entropy, softmax};
use quaver_nn::network::Tap;
use quaver_nn::noise::{Draw, Noise, Purpose};
use std::sync::Mutex;

const CLASSES: usize = 10;
const PIXELS: usize = 784;
/// Allowed difference, relative to the row's largest magnitude.
const TOLERANCE: f32 = 1e-4;
/// Share of rows that must keep it.
const SHARE: f64 = 0.98;
const PASSES: u32 = 4000;

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |m, v| m.max(v.abs()))
}

/// How rows of one quantity compare.
struct Rows {
    what: &'static str,
    n: usize,
    /// Largest relative error of the rows that keep the tolerance.
    error: f32,
    /// Rows beyond it that rounding in the reference explains.
    explained: usize,
    /// Rows beyond it that nothing explains.
    beyond: Vec<usize>,
}

impl Rows {
    /// `slack` is what each row may be off beside the tolerance for a known reason.
    fn new(what: &'static str, got: &[f32], expected: &[f32], width: usize, slack: &[f32]) -> Self {
        assert_eq!(got.len(), expected.len(), "{what}");
        let n = expected.len() / width;
        let (mut error, mut explained, mut beyond) = (0.0_f32, 0, Vec::new());
        for row in 0..n {
            let at = row * width..(row + 1) * width;
            let (got, expected) = (&got[at.clone()], &expected[at]);
            let size = largest(expected);
            // Not a maximum: what is not a number must stay visible.
            let off = |limit: f32| {
                got.iter()
                    .zip(expected)
                    .all(|(g, e)| (g - e).abs() <= limit)
            };
            if off(TOLERANCE * size) {
                let offs: Vec<f32> = got.iter().zip(expected).map(|(g, e)| g - e).collect();
                error = error.max(largest(&offs) / size.max(f32::MIN_POSITIVE));
            } else if off(TOLERANCE * size + slack.get(row).copied().unwrap_or(0.0)) {
                explained += 1;
            } else {
                beyond.push(row);
            }
        }
        Self {
            what,
            n,
            error,
            explained,
            beyond,
        }
    }

    fn holds(&self) -> bool {
        self.beyond.len() as f64 <= (1.0 - SHARE) * self.n as f64
    }
}

fn compare_outputs(golden: &Golden) -> Vec<Rows> {
    let logits = golden.network.logits(&golden.batch(), Noise::Off);
    let probs = logits.chunks_exact(CLASSES).flat_map(softmax);
    let probs: Vec<f32> = probs.map(|p| p as f32).collect();
    vec![
        Rows::new("logits", &logits, &golden.array("logits"), CLASSES, &[]),
        Rows::new("probs", &probs, &golden.array("probs"), CLASSES, &[]),
    ]
}

/// The gradient of `upstream(row, logits)` for the first `n` images.
fn pull(
    golden: &Golden,
    n: usize,
    upstream: impl Fn(usize, &[f32], &mut [f32]) + Sync,
) -> Vec<f32> {
    let upstream = |row: usize, _: usize, logits: &[&[f32]], up: &mut [&mut [f32]]| {
        upstream(row, logits[0], up[0]);
    };
    let pulled = golden
        .network
        .vjp(&golden.first(n), &[Noise::Off], &[Tap::Logits], &upstream);
    pulled.expect("an output").1
}

fn compare_gradients(golden: &Golden) -> Vec<Rows> {
    let n = golden.labels.len();
    let loss = pull(golden, n, |row, logits, up| {
        cross_entropy(logits, golden.labels[row], 1.0, up);
    });
    // The reference forms p − 1 in float32. Where p is nearly 1 its rounding, up to four units
    // in the last place, is a visible part of it; ours is formed in float64.
    let label = pull(golden, n, |row, _, up| up[golden.labels[row]] = 1.0);
    let rounding = |row: &[f32]| 4.0 * f32::EPSILON * largest(row);
    let slack: Vec<f32> = label.chunks_exact(PIXELS).map(rounding).collect();
    let jacobian_images = 4;
    let mut jacobian = vec![0.0; jacobian_images * CLASSES * PIXELS];
    for class in 0..CLASSES {
        let rows = pull(golden, jacobian_images, |_, _, up| up[class] = 1.0);
        for (image, row) in rows.chunks_exact(PIXELS).enumerate() {
            let at = (image * CLASSES + class) * PIXELS;
            jacobian[at..at + PIXELS].copy_from_slice(row);
        }
    }
    let expected = golden.array("jacobian_first4");
    vec![
        Rows::new("ce_grad", &loss, &golden.array("ce_grad"), PIXELS, &slack),
        Rows::new("jacobian", &jacobian, &expected, CLASSES * PIXELS, &[]),
    ]
}

/// Deviations between two Monte-Carlo estimates in units of their combined standard error.
struct Scores {
    what: &'static str,
    values: Vec<f64>,
}

impl Scores {
    fn beyond(&self, limit: f64) -> usize {
        self.values
            .iter()
            .filter(|z| !(0.0..=limit).contains(*z))
            .count()
    }

    fn holds(&self) -> bool {
        self.beyond(4.0) as f64 <= 0.005 * self.values.len() as f64 && self.beyond(6.0) == 0
    }
}

/// Mean, population variance and fourth central moment.
fn moments(values: &[f64]) -> (f64, f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let central = |power: i32| values.iter().map(|v| (v - mean).powi(power)).sum::<f64>() / n;
    (mean, central(2), central(4))
}

/// Standard error of the difference of two variances over n numbers in [0, 1].
///
/// Where few passes make up nearly all of the spread the sample's fourth moment is no estimate;
/// the largest that numbers in [0, 1] can have stands in for it.
fn variance_error(n: f64, mean: f64, fourth: f64, ours: f64, theirs: f64) -> f64 {
    let variance = ours.max(theirs);
    let spread_over = n * ours * ours / fourth.max(f64::MIN_POSITIVE);
    let most = mean.max(1.0 - mean).powi(2) * variance;
    let fourth = if spread_over >= 100.0 { fourth } else { most };
    (2.0 * (fourth - ours * ours).max(0.0) / n).sqrt()
}

fn compare_passes(golden: &Golden) -> [Scores; 2] {
    let n = golden.labels.len();
    let samples: Vec<_> = (0..n * CLASSES).map(|_| Mutex::new(Vec::new())).collect();
    let draw = Draw {
        seed: 5,
        purpose: Purpose::Passes,
        pass: 0,
    };
    golden
        .network
        .passes(&golden.batch(), draw, PASSES, &|row, _, logits| {
            for (class, p) in softmax(logits).into_iter().enumerate() {
                samples[row * CLASSES + class]
                    .lock()
                    .expect("unpoisoned")
                    .push(p);
            }
        });
    let (means, variances) = (golden.array64("mc_mean"), golden.array64("mc_variance"));
    let (mut of_mean, mut of_variance) = (Vec::new(), Vec::new());
    for (i, sample) in samples.into_iter().enumerate() {
        let sample = sample.into_inner().expect("unpoisoned");
        let n = sample.len() as f64;
        let (mean, variance, fourth) = moments(&sample);
        let error = ((variance + variances[i]) / n).sqrt();
        of_mean.push((mean - means[i]).abs() / error);
        let error = variance_error(n, mean, fourth, variance, variances[i]);
        of_variance.push((variance - variances[i]).abs() / error);
    }
    [
        Scores {
            what: "mc_mean",
            values: of_mean,
        },
        Scores {
            what: "mc_variance",
            values: of_variance,
        },
    ]
}

/// Quantities that are compared for each network.
const CHECKS: usize = 6;

/// Compares one network and adds what does not hold to `failed`.
fn compare(name: &str, golden: &Golden, failed: &mut Vec<String>) {
    let mut rows = compare_outputs(golden);
    rows.extend(compare_gradients(golden));
    for rows in rows {
        let Rows { what, n, error, .. } = rows;
        let (explained, beyond) = (rows.explained, rows.beyond.len());
        println!("{name} {what}: n={n} error={error:.1e} explained={explained} beyond={beyond}");
        if !rows.holds() {
            failed.push(format!("{name} {what}: images {:?}", rows.beyond));
        }
    }
    for scores in compare_passes(golden) {
        let (what, n) = (scores.what, scores.values.len());
        let largest = scores.values.iter().copied().fold(0.0, f64::max);
        let beyond = scores.beyond(4.0);
        println!("{name} {what}: n={n} largest={largest:.2} beyond_four={beyond}");
        if !scores.holds() {
            failed.push(format!("{name} {what}: {largest} standard errors"));
        }
    }
}

/// Compares all of `names` as `load` gives them, or says that it cannot.
fn compare_all<'a>(names: &[&'a str], load: impl Fn(&std::path::Path, &'a str) -> Golden) {
    let n = names.len() * CHECKS;
    let Some(folder) = golden_folder() else {
        println!("golden: skipped {n} tests");
        println!("golden: ran 0 skipped {n}");
        return;
    };
    let mut failed = Vec::new();
    for name in names {
        compare(name, &load(&folder, name), &mut failed);
    }
    println!("golden: ran {n} skipped 0");
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn networks_trained_in_pytorch_agree() {
    compare_all(&NETWORKS, Golden::load);
}

#[test]
fn networks_imported_from_onnx_agree() {
    let dropout = |file| {
        FILES
            .iter()
            .find(|(name, _)| *name == file)
            .expect("listed")
            .1
    };
    compare_all(&FILES.map(|(file, _)| file), |folder, file| {
        Golden::import(folder, file, dropout(file))
    });
}

#[test]
fn imported_networks_are_the_ones_that_were_exported() {
    let Some(folder) = golden_folder() else {
        println!("golden: ran 0 skipped {}", NETWORKS.len());
        return;
    };
    for name in NETWORKS {
        let dropout = FILES
            .iter()
            .find(|(file, _)| *file == name)
            .expect("listed")
            .1;
        let (built, imported) = (
            Golden::load(&folder, name),
            Golden::import(&folder, name, dropout),
        );
        let (built, imported) = (built.network.model(), imported.network.model());
        assert_eq!(imported.graph.to_json(), built.graph.to_json(), "{name}");
        // Latent weights to the last bit, under the quantizers that they were trained with.
        assert_eq!(imported.params, built.params, "{name}");
    }
    println!("golden: ran {} skipped 0", NETWORKS.len());
}

//! Parity with the references in the repository: three small networks on digits, by `make.py`
//! in float64. No rounding of theirs stands between; ours is float32's.

use crate::attacks::{GRADIENT, SALIENCY, compare};
use crate::failures::Failures;
use crate::reference::{Reference, folder_of_subset};
use crate::{network, passes};
use quaver::decision::softmax;
use quaver_nn::graph::Graph;

/// Largest error of an output or a gradient, relative to the largest of its image.
const RELATIVE: f64 = 1e-5;

/// Checks numbers of `width` an image.
fn close(what: &str, ours: &[f64], theirs: &[f64], width: usize, failures: &mut Failures) {
    failures.check(ours.len() == theirs.len(), || {
        format!("{what}: {} numbers, not {}", ours.len(), theirs.len())
    });
    let images = ours.chunks(width).zip(theirs.chunks(width));
    for (row, (ours, theirs)) in images.enumerate() {
        let size = theirs.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        let mut pairs = ours.iter().zip(theirs);
        failures.check(pairs.all(|(a, b)| (a - b).abs() <= RELATIVE * size), || {
            format!("{what} of image {row}: {ours:?}, not {theirs:?}")
        });
    }
}

fn outputs(name: &str, reference: &Reference, failures: &mut Failures) {
    let logits = reference.logits(reference.x.view());
    let rows = logits.outer_iter();
    let probs: Vec<f64> = rows.flat_map(|z| softmax(&z.to_vec())).collect();
    let logits: Vec<f64> = logits.iter().map(|z| f64::from(*z)).collect();
    let gradient = reference.pull(|row, logits, up| {
        for (up, p) in up.iter_mut().zip(softmax(logits)) {
            *up = p as f32;
        }
        // Sums to 0 without the loss of digits of p − 1.
        let label = reference.labels[row];
        up[label] = 0.0;
        up[label] = -up.iter().sum::<f32>();
    });
    let gradient: Vec<f64> = gradient.iter().map(|g| f64::from(*g)).collect();
    for (what, ours) in [("logits", logits), ("probs", probs), ("ce_grad", gradient)] {
        let width = ours.len() / reference.ids.len();
        let theirs = reference.numbers(what);
        close(&format!("{name} {what}"), &ours, &theirs, width, failures);
    }
}

fn attacks(name: &str, reference: &Reference, failures: &mut Failures) {
    for (what, spec) in GRADIENT.into_iter().chain(SALIENCY) {
        // The references are float64.
        let spec = match what.starts_with("jsma") {
            true => spec.into(),
            false => spec.replace("cross-entropy", "cross-entropy-f64"),
        };
        let ours = compare(reference, (what, &spec));
        let (differing, same) = (ours.differing(), ours.n_same());
        println!(
            "{name} {what}: n={} differing={differing:.5} same_images={same}",
            ours.n()
        );
        failures.check(differing <= 0.001, || {
            format!("{name} {what}: {differing} differ")
        });
        failures.check(ours.n_same_class == ours.n(), || {
            format!("{name} {what}: {} classes", ours.n_same_class)
        });
    }
}

fn check(name: &'static str, graph: Graph) {
    let reference = Reference::load(&folder_of_subset(), name, graph);
    let mut failures = Failures::new();
    outputs(name, &reference, &mut failures);
    attacks(name, &reference, &mut failures);
    passes::check(name, &reference, &mut failures);
    failures.finish();
}

#[test]
fn full_precision_agrees() {
    check("small-full", network::small("full-precision"));
}

#[test]
fn two_bits_agree() {
    check("small-2bit", network::small("quantized-2bit"));
}

#[test]
fn signs_agree() {
    check("small-bnn", network::small("bnn"));
}

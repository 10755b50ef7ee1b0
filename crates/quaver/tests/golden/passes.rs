//! Monte-Carlo inference beside PyTorch's.

use quaver::classifier::{Batch, Draw, Purpose};
use quaver::observe::Silent;
use quaver::uncertainty::monte_carlo;

use crate::failures::Failures;
use crate::reference::Reference;

/// As many as the references have.
const PASSES: u32 = 4000;

/// Deviations of two estimates of the same numbers, in units of their standard error.
struct Deviations {
    what: &'static str,
    values: Vec<f64>,
}

impl Deviations {
    fn largest(&self) -> f64 {
        self.values.iter().copied().fold(0.0, f64::max)
    }

    fn n(&self) -> usize {
        self.values.len()
    }

    /// Normal deviates exceed 4 once in 16 000 times; skew at rare outputs needs some room.
    fn hold(&self) -> bool {
        let near = self.values.iter().filter(|z| **z <= 4.0).count();
        near as f64 >= 0.995 * self.n() as f64 && self.values.iter().all(|z| *z <= 6.0)
    }
}

pub(crate) fn check(name: &str, reference: &Reference, failures: &mut Failures) {
    for deviations in compare(reference) {
        let (what, n, largest) = (deviations.what, deviations.n(), deviations.largest());
        println!("{name} {what}: n={n} largest={largest:.2}");
        failures.check(deviations.hold(), || {
            format!("{name} {what}: up to {largest} standard errors")
        });
    }
}

/// Mean and variance of the softmax output over passes, ours and the reference's, both from
/// independent draws.
fn compare(reference: &Reference) -> [Deviations; 2] {
    let batch = Batch {
        x: reference.x.view(),
        ids: &reference.ids,
    };
    let draw = Draw {
        seed: 5,
        purpose: Purpose::Passes,
        pass: 0,
    };
    let outputs = monte_carlo(&reference.network, batch, draw, PASSES, &Silent).unwrap();
    let n = f64::from(PASSES);
    let ours = outputs.images.iter().flat_map(|image| {
        assert_eq!(image.n(), PASSES);
        image
            .mean()
            .iter()
            .copied()
            .zip(image.m2().iter().map(move |m2| m2 / n))
    });
    let stored = reference.numbers("mc_mean");
    let stored = stored.into_iter().zip(reference.numbers("mc_variance"));
    let (mut means, mut variances) = (Vec::new(), Vec::new());
    for ((mean, variance), (their_mean, their_variance)) in ours.zip(stored) {
        let standard_error = ((variance + their_variance) / n).sqrt();
        means.push((mean - their_mean).abs() / standard_error);
        // The variance of a sample variance is (fourth moment − variance²) / n; the fourth
        // moment of numbers in [0, 1] is at most variance · max(mean, 1 − mean)².
        let larger = variance.max(their_variance);
        let fourth = larger * mean.max(1.0 - mean).powi(2);
        let standard_error = (2.0 * (fourth - larger * larger) / n).sqrt();
        variances.push((variance - their_variance).abs() / standard_error);
    }
    assert_eq!(means.len(), reference.logits(reference.x.view()).len());
    [
        Deviations {
            what: "mc_mean",
            values: means,
        },
        Deviations {
            what: "mc_variance",
            values: variances,
        },
    ]
}

//! Attacks that make the distance small, where the smallest is known: a linear classifier.

use ndarray::{Array4, array};
use quaver::attack::run::Options;

use super::models::Small;
use super::{Cases, attack};

/// Three classes, z = (w · x + 0.2 x₃, 0, −9 x₀) with w = (1, −2, 0.5) on an image inside the pixel
/// range: class 1 wins where 1 x₀ − 2 x₁ + 0.5 x₂ + 0.2 x₃ < 0.
fn plane() -> (Small, Cases) {
    let last = array![
        [1.0, -2.0, 0.5, 0.2],
        [0.0, 0.0, 0.0, 0.0],
        [-9.0, 0.0, 0.0, 0.0]
    ];
    let model = Small::linear(last, [1, 2, 2]);
    let x = Array4::from_shape_vec((1, 1, 2, 2), vec![0.6, 0.25, 0.5, 0.5]).unwrap();
    let cases = Cases {
        x,
        ids: vec![3],
        labels: vec![0],
    };
    (model, cases)
}

#[test]
fn the_distance_to_a_plane() {
    let (model, cases) = plane();
    // The logit is 0.6 − 0.5 + 0.25 + 0.1 = 0.45.
    let length = (1.0_f64 + 4.0 + 0.25 + 0.04).sqrt();
    let [linf, l2, l1] = [0.45 / 3.7, 0.45 / length, 0.45 / 2.0];
    for (spec, expected, most) in [
        ("ddn(n_steps=300)", l2, 1.02),
        ("fmn(norm=l2,n_steps=300)", l2, 1.02),
        ("fmn(norm=linf,n_steps=300)", linf, 1.02),
        ("fmn(norm=l1,n_steps=300)", l1, 1.05),
        ("deepfool(norm=l2)", l2, 1.03),
        ("deepfool(norm=linf)", linf, 1.03),
        ("fab(norm=l2)", l2, 1.02),
        ("fab(norm=linf)", linf, 1.02),
        ("fab(norm=l1)", l1, 1.02),
        ("fab(norm=l2,n_target_classes=2)", l2, 1.02),
    ] {
        let batch = attack(spec, &model, &cases.inputs(), &Options::default()).unwrap();
        let outcome = &batch.outcomes[0];
        let got = match spec {
            _ if spec.contains("linf") => outcome.distances.linf,
            _ if spec.contains("l1") => outcome.distances.l1,
            _ => outcome.distances.l2,
        };
        assert!(outcome.success(), "{spec}");
        let share = got / expected;
        assert!((1.0 - 1e-5..most).contains(&share), "{spec}: {share}");
    }
    let batch = attack("fmn(norm=l0)", &model, &cases.inputs(), &Options::default()).unwrap();
    assert_eq!(batch.outcomes[0].distances.l0, 1);
}

#[test]
fn the_nearest_corner_of_a_ball() {
    let (model, cases) = plane();
    // In a ball that the plane does not cut, the best point is known; so is the loss there.
    let l1 = 0.2_f64;
    for (spec, expected) in [
        ("apgd(eps=0.1,loss=margin)", 0.45 - 0.37),
        (
            "apgd(eps=0.1,loss=margin,norm=l2)",
            0.45 - 0.1 * 5.29_f64.sqrt(),
        ),
        ("apgd(eps=0.2,loss=margin,norm=l1)", 0.45 - 2.0 * l1),
        ("mim(eps=0.1)", 0.45 - 0.37),
        ("pgd(eps=0.1)", 0.45 - 0.37),
    ] {
        let batch = attack(spec, &model, &cases.inputs(), &Options::default()).unwrap();
        let x: Vec<f64> = batch.x_adv.iter().map(|v| f64::from(*v)).collect();
        let logit = x[0] - 2.0 * x[1] + 0.5 * x[2] + 0.2 * x[3];
        assert!(!batch.outcomes[0].success(), "{spec}");
        assert!(
            (logit - expected).abs() < 2e-3,
            "{spec}: {logit} not {expected}"
        );
    }
}

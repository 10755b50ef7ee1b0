//! Numbers that can be computed by hand.

use ndarray::{Array4, array};
use quaver::attack::run::Options;

use super::models::Small;
use super::{Cases, attack};

/// Two classes, z = (w · x, 0), w = (1, -2, 0.5, 0).
fn two_classes() -> (Small, Cases) {
    let last = array![[1.0, -2.0, 0.5, 0.0], [0.0, 0.0, 0.0, 0.0]];
    let model = Small::linear(last, [1, 2, 2]);
    let x = Array4::from_shape_vec((1, 1, 2, 2), vec![0.5, 0.25, 0.5, 0.5]).unwrap();
    (
        model,
        Cases {
            x,
            ids: vec![3],
            labels: vec![0],
        },
    )
}

#[test]
fn fgsm_lowers_a_linear_margin_by_eps_times_the_l1_norm() {
    let (model, cases) = two_classes();
    let batch = attack(
        "fgsm(eps=0.125)",
        &model,
        &cases.inputs(),
        &Options::default(),
    )
    .unwrap();
    let x: Vec<f32> = batch.x_adv.iter().copied().collect();
    assert_eq!(x, [0.375, 0.375, 0.375, 0.5]);
    // The margin was 0.25; eps · (1 + 2 + 0.5) = 0.4375 is taken off.
    let margin = x[0] - 2.0 * x[1] + 0.5 * x[2];
    assert_eq!(margin, 0.25 - 0.4375);
    assert!(batch.success(0) && batch.initially_correct(0));
    assert_eq!(batch.record.cost.n_forward, 1);
    assert_eq!(batch.record.cost.n_backward, 1);
}

#[test]
fn fgsm_in_l2_goes_along_the_gradient() {
    let (model, cases) = two_classes();
    let spec = "fgsm(eps=0.25,norm=l2)";
    let batch = attack(spec, &model, &cases.inputs(), &Options::default()).unwrap();
    let length = 5.25_f32.sqrt();
    let expected = [
        0.5 - 0.25 / length,
        0.25 + 0.5 / length,
        0.5 - 0.125 / length,
        0.5,
    ];
    for (got, expected) in batch.x_adv.iter().zip(expected) {
        assert!((got - expected).abs() < 1e-6, "{got} {expected}");
    }
}

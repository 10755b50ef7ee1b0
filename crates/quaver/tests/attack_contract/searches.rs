//! Searches without gradients, on classifiers whose answer is known by hand.

use ndarray::{Array4, array};
use quaver::attack::record::AdversarialBatch;
use quaver::attack::run::Options;

use super::models::Small;
use super::{Cases, attack};

/// Two classes, z = (w · x, 0), and an image of class 0.
pub(crate) fn two_classes(w: [f32; 4], x: [f32; 4]) -> (Small, Cases) {
    let [a, b, c, d] = w;
    let last = array![[a, b, c, d], [0.0, 0.0, 0.0, 0.0]];
    let x = Array4::from_shape_vec((1, 1, 2, 2), x.to_vec()).unwrap();
    let cases = Cases {
        x,
        ids: vec![3],
        labels: vec![0],
    };
    (Small::linear(last, [1, 2, 2]), cases)
}

pub(crate) fn pixels(batch: &AdversarialBatch) -> Vec<f32> {
    batch.x_adv.iter().copied().collect()
}

#[test]
fn coordinate_search_finds_the_corner_of_the_ball() {
    let (model, cases) = two_classes([1.0, -2.0, 0.5, 0.0], [0.5, 0.25, 0.5, 0.5]);
    // The margin is 0.25 and at most 3.5 eps are taken off it: no corner is adversarial.
    let spec = "coordinate-search(eps=0.0625,n_steps=200,temperature=0)";
    let batch = attack(spec, &model, &cases.inputs(), &Options::default()).unwrap();
    assert_eq!(pixels(&batch)[..3], [0.4375, 0.3125, 0.4375]);
    assert_eq!(batch.record.cost.n_forward, 201);
    assert_eq!(batch.outcomes[0].n_steps, 200);
    // With a larger ball the search ends at the first adversarial image.
    let spec = "coordinate-search(eps=0.125,n_steps=200,temperature=0)";
    let batch = attack(spec, &model, &cases.inputs(), &Options::default()).unwrap();
    assert!(batch.outcomes[0].success());
    let asked = u64::from(batch.outcomes[0].n_steps) + 1;
    assert!(batch.record.cost.n_forward == asked && asked < 100);
}

#[test]
fn coordinate_search_changes_the_pixels_that_count() {
    let (model, cases) = two_classes([1.0, 2.0, 0.5, 0.0], [0.5, 0.75, 0.5, 0.5]);
    // The margin is 2.25, of which the pixels hold 0.5, 1.5, 0.25 and 0.
    for (eps, expected) in [(1, [0.5, 0.0, 0.5, 0.5]), (2, [0.0, 0.0, 0.5, 0.5])] {
        let spec = format!("coordinate-search(eps={eps},norm=l0,n_steps=200,temperature=0)");
        let batch = attack(&spec, &model, &cases.inputs(), &Options::default()).unwrap();
        assert_eq!(pixels(&batch), expected);
    }
}

#[test]
fn coordinate_search_goes_on_from_a_start() {
    let (model, cases) = two_classes([1.0, -2.0, 0.5, 0.0], [0.5, 0.25, 0.5, 0.5]);
    let start = Array4::from_shape_vec((1, 1, 2, 2), vec![0.375, 0.5, 0.375, 0.5]).unwrap();
    let mut inputs = cases.inputs();
    inputs.start = Some(start.view());
    let spec = "coordinate-search(eps=0.125)";
    let batch = attack(spec, &model, &inputs, &Options::default()).unwrap();
    // Brought into the ball it is adversarial already.
    assert_eq!(pixels(&batch), [0.375, 0.375, 0.375, 0.5]);
    assert_eq!(batch.record.cost.n_forward, 1);
}

/// The margin 0.25 of this image is 0.25 / sqrt(1 + 4 + 0.25) from the boundary in L2 and
/// 0.25 / (1 + 2 + 0.5) in L-infinity; nothing is nearer.
const WALKS: [(&str, f64, f64); 3] = [
    ("hop-skip-jump(n_steps=20)", 0.109_108_9, 1.02),
    ("hop-skip-jump(n_steps=20,norm=linf)", 0.071_428_6, 1.02),
    ("boundary(n_steps=1000)", 0.109_108_9, 1.05),
];

#[test]
fn walks_along_the_boundary_reach_its_nearest_point() {
    let (model, cases) = two_classes([1.0, -2.0, 0.5, 0.0], [0.5, 0.25, 0.5, 0.5]);
    let model = Small {
        has_gradient: false,
        ..model
    };
    for (spec, nearest, at_most) in WALKS {
        let batch = attack(spec, &model, &cases.inputs(), &Options::default()).unwrap();
        let outcome = &batch.outcomes[0];
        let distance = outcome.distances.get(batch.record.bound.norm());
        let in_parts = distance / nearest;
        assert!(outcome.success(), "{spec}");
        assert!((0.9999..at_most).contains(&in_parts), "{spec}: {in_parts}");
    }
}

#[test]
fn walks_leave_what_is_wrong_already_and_what_never_is() {
    // Whatever the pixels, class 0 wins.
    let (model, right) = two_classes([1.0, 1.0, 1.0, 1.0], [0.5, 0.25, 0.5, 0.5]);
    let wrong = Cases {
        labels: vec![1],
        ..right.clone()
    };
    for (spec, ..) in WALKS {
        for (cases, no_start) in [(&right, true), (&wrong, false)] {
            let batch = attack(spec, &model, &cases.inputs(), &Options::default()).unwrap();
            assert_eq!(batch.x_adv, cases.x, "{spec}");
            assert_eq!(batch.outcomes[0].flags.no_start, no_start, "{spec}");
        }
    }
}

#[test]
fn hop_skip_jump_asks_for_more_classes_from_step_to_step() {
    let (model, cases) = two_classes([1.0, -2.0, 0.5, 0.0], [0.5, 0.25, 0.5, 0.5]);
    let asked = |n_steps: u32| {
        let spec = format!("hop-skip-jump(n_steps={n_steps},n_samples=100)");
        let batch = attack(&spec, &model, &cases.inputs(), &Options::default()).unwrap();
        batch.record.cost.n_forward
    };
    // 223 = floor(100 sqrt(5)) samples, 10 halvings of the way, and at least one jump.
    let fifth = asked(5) - asked(4);
    assert!((234..234 + 30).contains(&fifth), "{fifth}");
}

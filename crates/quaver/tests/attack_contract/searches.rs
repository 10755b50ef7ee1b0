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

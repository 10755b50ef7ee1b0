//! Smallest perturbations, where they can be computed by hand.

use ndarray::array;
use quaver::attack::run::Options;
use quaver::threat::PixelRange;

use super::models::Small;
use super::numbers::two_classes;
use super::{Cases, attack};

/// The distance that an attack finds for the only image of `cases`, in the norm it is bounded in.
fn distance(spec: &str, model: &Small, cases: &Cases, options: &Options) -> f64 {
    let batch = attack(spec, model, &cases.inputs(), options).unwrap();
    assert!(batch.outcomes[0].success(), "{spec}");
    batch.outcomes[0].distances.get(batch.record.bound.norm())
}

/// The margin of a linear classifier is 0.25, w = (1, -2, 0.5, 0): the nearest wrong image is as
/// far as the margin divided by the length of w in the dual norm.
#[test]
fn a_linear_boundary_is_as_far_as_its_margin_says() {
    let (model, cases) = two_classes();
    for (spec, exact, most) in [
        ("cw", 0.25 / 5.25_f64.sqrt(), 1.002),
        ("cw(c_init=100)", 0.25 / 5.25_f64.sqrt(), 1.01),
        ("cw(norm=linf)", 0.25 / 3.5, 1.12),
        ("ead", 0.25 / 2.0, 1.2),
        ("ead(beta=0.02)", 0.25 / 2.0, 1.02),
        ("sigma-zero", 1.0, 1.0),
    ] {
        let got = distance(spec, &model, &cases, &Options::default());
        let share = got / exact;
        assert!(
            (1.0..=most).contains(&share),
            "{spec}: {share} times the smallest"
        );
    }
}

/// Pixels from -1 to 3, four times as far apart, and slopes of a quarter: the margin is 0.375.
#[test]
fn distances_are_counted_in_widths_of_the_range() {
    let (model, mut cases) = two_classes();
    cases.x.mapv_inplace(|v| 4.0 * v - 1.0);
    let last = array![[0.25, -0.5, 0.125, 0.0], [0.0, 0.0, 0.0, 0.0]];
    let wide = Small::linear(last, model.shape);
    let range = PixelRange {
        low: -1.0,
        high: 3.0,
    };
    let options = Options {
        range,
        ..Options::default()
    };
    for (spec, exact, most) in [
        ("cw", 1.5 / 5.25_f64.sqrt(), 1.002),
        ("cw(norm=linf)", 1.5 / 3.5, 1.12),
        ("ead(beta=0.02)", 1.5 / 2.0, 1.02),
        ("sigma-zero", 1.0, 1.0),
    ] {
        let share = distance(spec, &wide, &cases, &options) / exact;
        assert!(
            (1.0..=most).contains(&share),
            "{spec}: {share} times the smallest"
        );
    }
}

#[test]
fn confidence_is_a_margin() {
    let (model, cases) = two_classes();
    for spec in ["cw(confidence=0.5)", "ead(confidence=0.5)"] {
        let batch = attack(spec, &model, &cases.inputs(), &Options::default()).unwrap();
        let x: Vec<f32> = batch.x_adv.iter().copied().collect();
        let margin = 2.0 * x[1] - x[0] - 0.5 * x[2];
        assert!((0.5..0.52).contains(&margin), "{spec}: {margin}");
    }
}

#[test]
fn nothing_is_nearer_than_a_clean_image_that_is_wrong() {
    let (model, mut cases) = two_classes();
    cases.labels = vec![1];
    for spec in ["cw", "cw(norm=linf)", "ead", "sigma-zero"] {
        let batch = attack(spec, &model, &cases.inputs(), &Options::default()).unwrap();
        assert_eq!(batch.x_adv, cases.x, "{spec}");
        assert_eq!(batch.record.cost.n_backward, 1, "{spec}");
    }
}

#[test]
fn an_image_that_nothing_turns_stays_clean() {
    // Whatever the pixels, class 0 wins.
    let model = Small::linear(
        array![[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]],
        [1, 2, 2],
    );
    let (_, cases) = two_classes();
    for spec in ["cw", "cw(norm=linf)", "ead", "sigma-zero"] {
        let batch = attack(spec, &model, &cases.inputs(), &Options::default()).unwrap();
        assert_eq!(batch.x_adv, cases.x, "{spec}");
    }
}

/// One pixel that changes as far as it may: the second, whose weight is the largest.
#[test]
fn pgd_in_l0_changes_the_pixel_that_counts() {
    let (model, cases) = two_classes();
    let spec = "pgd-l0(eps=1,step_size=0.5)";
    let batch = attack(spec, &model, &cases.inputs(), &Options::default()).unwrap();
    let x: Vec<f32> = batch.x_adv.iter().copied().collect();
    assert!(batch.outcomes[0].success());
    assert_eq!(batch.outcomes[0].distances.l0, 1);
    assert!(x[1] > 0.375, "{x:?}");
}

//! Numbers that can be computed by hand.

use ndarray::{Array4, array};
use quaver::attack::active::Active;
use quaver::attack::build;
use quaver::attack::noise::NoiseMode;
use quaver::attack::objective::cross_entropy::CrossEntropy;
use quaver::attack::objective::{Aim, LogitObjective, Loss};
use quaver::attack::oracle::{Oracle, Query};
use quaver::attack::record::Outcome;
use quaver::attack::run::Options;
use quaver::attack::{Dialect, LabelSource};
use quaver::classifier::{Batch, Classifier, Noise, Purpose, Randomness, Tap};
use quaver::threat::Goal;

use super::models::Small;
use super::{Cases, attack};

/// Two classes, z = (w · x, 0), w = (1, -2, 0.5, 0).
pub(crate) fn two_classes() -> (Small, Cases) {
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
    assert!(batch.outcomes[0].success() && batch.outcomes[0].right_before());
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

#[test]
fn bim_walks_to_the_corner_of_the_ball() {
    let (model, cases) = two_classes();
    for (n_steps, moved) in [(2, 0.0625), (9, 0.125)] {
        let spec = format!("bim(eps=0.125,step_size=0.03125,n_steps={n_steps})");
        let batch = attack(&spec, &model, &cases.inputs(), &Options::default()).unwrap();
        let x: Vec<f32> = batch.x_adv.iter().copied().collect();
        assert_eq!(x, [0.5 - moved, 0.25 + moved, 0.5 - moved, 0.5]);
        let n_steps = u64::from(batch.outcomes[0].n_steps);
        assert_eq!(
            (batch.record.cost.n_forward, batch.record.cost.n_backward),
            (n_steps + 1, n_steps)
        );
    }
}

#[test]
fn pgd_begins_where_it_is_told() {
    let (model, cases) = two_classes();
    let start = Array4::from_shape_vec((1, 1, 2, 2), vec![0.5, 0.25, 0.5, 0.625]).unwrap();
    let mut inputs = cases.inputs();
    inputs.start = Some(start.view());
    let spec = "pgd(eps=0.0625,step_size=0.03125,n_steps=1)";
    let batch = attack(spec, &model, &inputs, &Options::of(Dialect::CleverHans31)).unwrap();
    let x: Vec<f32> = batch.x_adv.iter().copied().collect();
    // The last pixel has no gradient and stays where the start, put into the ball, has it.
    assert_eq!(x, [0.46875, 0.28125, 0.46875, 0.5625]);
    let own = attack(spec, &model, &cases.inputs(), &Options::default()).unwrap();
    assert!(own.x_adv[[0, 0, 1, 1]] != 0.5 && own.x_adv != batch.x_adv);
}

#[test]
fn cleverhans_2_steps_along_the_sign_in_every_norm() {
    let (model, cases) = two_classes();
    let mut inputs = cases.inputs();
    inputs.start = Some(cases.x.view());
    let spec = "pgd(eps=0.25,step_size=0.0625,n_steps=1,norm=l2)";
    let x = |dialect| {
        let batch = attack(spec, &model, &inputs, &Options::of(dialect)).unwrap();
        batch.x_adv.iter().copied().collect::<Vec<f32>>()
    };
    assert_eq!(x(Dialect::CleverHans21), [0.4375, 0.3125, 0.4375, 0.5]);
    assert!((x(Dialect::CleverHans31)[0] - (0.5 - 0.0625 / 5.25_f32.sqrt())).abs() < 1e-6);
}

#[test]
fn more_steps_are_not_weaker() {
    let model = Small::tanh();
    let cases = Cases::of(&model, 60);
    for attack_id in ["bim", "pgd"] {
        let success = |n_steps: u32| {
            let spec = format!("{attack_id}(eps=0.15,step_size=0.05,n_steps={n_steps})");
            let batch = attack(&spec, &model, &cases.inputs(), &Options::default()).unwrap();
            batch
                .outcomes
                .iter()
                .map(Outcome::success)
                .collect::<Vec<bool>>()
        };
        let (few, many) = (success(1), success(12));
        assert!(
            few.iter().zip(&many).all(|(few, many)| many >= few),
            "{attack_id}"
        );
        assert!(many != few);
    }
}

#[test]
fn jsma_sets_the_pair_that_helps_most() {
    // Pixel 1 helps class 1 most, then 0 and 2 alike: the first of them is taken.
    let last = array![[0.0, 0.0, 0.0, 0.0], [1.0, 2.0, 1.0, -1.0]];
    let model = Small::linear(last, [1, 2, 2]);
    let x = Array4::zeros((1, 1, 2, 2));
    let cases = Cases {
        x,
        ids: vec![0],
        labels: vec![0],
    };
    for jacobian in ["probs", "log-probs", "logits"] {
        let spec = format!("jsma(gamma=0.5,theta=0.5,jacobian={jacobian})");
        let batch = attack(&spec, &model, &cases.inputs(), &Options::default()).unwrap();
        let x: Vec<f32> = batch.x_adv.iter().copied().collect();
        // Logits: the other class has no gradient at all, so no pair lowers it.
        let stuck = jacobian == "logits";
        assert_eq!(
            x,
            if stuck {
                [0.0; 4]
            } else {
                [0.5, 0.5, 0.0, 0.0]
            },
            "{jacobian}"
        );
        assert_eq!(batch.outcomes[0].flags.no_admissible_pair, stuck);
        assert_eq!(batch.outcomes[0].target_reached(), Some(!stuck));
        assert_eq!(batch.record.cost.n_backward, if stuck { 2 } else { 1 });
    }
}

#[test]
fn torchattacks_aims_at_the_next_class() {
    let model = Small::softmax();
    let cases = Cases::of(&model, 6);
    let options = Options::of(Dialect::Torchattacks);
    let batch = attack("jsma", &model, &cases.inputs(), &options).unwrap();
    for (outcome, label) in batch.outcomes.iter().zip(&cases.labels) {
        assert_eq!(outcome.target, Some((label + 1) % 5));
    }
}

#[test]
fn predicted_labels_are_those_of_one_pass_of_their_own() {
    let model = Small::noisy(Randomness::PerExample);
    let cases = Cases::of(&model, 40);
    let options = Options {
        labels: LabelSource::Predicted,
        seed: 9,
        ..Options::default()
    };
    let batch = attack("fgsm", &model, &cases.inputs(), &options).unwrap();
    let noise = Noise::draw(9, Purpose::Label, 0);
    let logits = model
        .logits(
            Batch {
                x: cases.x.view(),
                ids: &cases.ids,
            },
            noise,
        )
        .unwrap();
    for (row, z) in logits.outer_iter().enumerate() {
        let attacked = batch.outcomes[row].attacked_label;
        assert!(z.iter().all(|other| *other <= z[attacked]));
    }
    assert!(batch.outcomes.iter().any(|o| o.attacked_label != o.label));
}

/// The gradient of `n` draws of a noisy classifier, written down without the oracle.
fn by_hand(model: &Small, cases: &Cases, aims: &[Aim], noises: &[Noise]) -> Vec<f32> {
    let batch = Batch {
        x: cases.x.view(),
        ids: &cases.ids,
    };
    let mut sum = vec![0.0; cases.x.len()];
    for noise in noises {
        let one = model.vjp(batch, &[*noise], &[Tap::Logits], &|row, _, z, up| {
            CrossEntropy.gradient(z[0], aims[row], 1.0 / noises.len() as f64, up[0]);
        });
        for (sum, g) in sum.iter_mut().zip(one.unwrap().gradient.iter()) {
            *sum += g;
        }
    }
    sum
}

#[test]
fn every_noise_mode_sees_its_own_draws() {
    let model = Small::noisy(Randomness::PerExample);
    let cases = Cases::of(&model, 5);
    let aims = cases.aims();
    let case = cases.case(&aims, 4);
    let active = Active::all(&case, case.pixels.to_vec(), vec![(); 5]);
    let loss: Loss = "cross-entropy".parse().unwrap();
    let fgsm = build("fgsm").unwrap();
    let draw = |pass| Noise::draw(4, Purpose::Attack, pass);
    for (mode, noises) in [
        (NoiseMode::Off, vec![Noise::Off]),
        (NoiseMode::Fixed, vec![draw(0)]),
        (NoiseMode::PerStep, vec![draw(102)]),
        (NoiseMode::Eot(3), vec![draw(106), draw(107), draw(108)]),
    ] {
        let mut oracle = Oracle::new(&model, fgsm.entry(), mode, &case, 100);
        let (outputs, got) = oracle.gradient(&active, 2, &loss).unwrap();
        let expected = by_hand(&model, &cases, &aims, &noises);
        for (got, expected) in got.iter().zip(expected) {
            assert!((got - expected).abs() < 1e-5, "{mode}: {got} {expected}");
        }
        // Other queries of the step draw other noise, where there is any to draw.
        let again = Query { step: 2, number: 1 };
        let (others, _) = oracle.gradient(&active, again, &loss).unwrap();
        let same = outputs.probs(0) == others.probs(0);
        assert_eq!(
            same,
            mode == NoiseMode::Off || mode == NoiseMode::Fixed,
            "{mode}"
        );
    }
    // Loss from one draw, backward through another.
    let mut oracle = Oracle::new(&model, fgsm.entry(), NoiseMode::PerBackward, &case, 100);
    let (outputs, got) = oracle.gradient(&active, 2, &loss).unwrap();
    let batch = active.batch().unwrap();
    let logits = model.logits(batch, draw(102)).unwrap();
    let through = Noise::draw(4, Purpose::AttackBackward, 102);
    let expected = model.vjp(batch, &[through], &[Tap::Logits], &|row, _, _, up| {
        CrossEntropy.gradient(&logits.row(row).to_vec(), aims[row], 1.0, up[0]);
    });
    assert_eq!(got, expected.unwrap().gradient.into_raw_vec_and_offset().0);
    let value = CrossEntropy.value(&logits.row(0).to_vec(), aims[0]);
    assert_eq!(outputs.value(0, &loss, &active), value);
}

#[test]
fn restarts_draw_new_targets_and_keep_the_one_that_hurts() {
    let model = Small::tanh();
    let cases = Cases::of(&model, 40);
    let options = Options {
        n_restarts: 6,
        goal: Goal::Targeted,
        ..Options::default()
    };
    let one = Options {
        n_restarts: 1,
        ..options.clone()
    };
    let many = attack("jsma(gamma=0.12)", &model, &cases.inputs(), &options).unwrap();
    let one = attack("jsma(gamma=0.12)", &model, &cases.inputs(), &one).unwrap();
    assert!(many.outcomes.iter().any(|o| o.restart > 0));
    assert!(one.outcomes.iter().all(|o| o.restart == 0));
    assert!(many.record.counts.n_target_reached > one.record.counts.n_target_reached);
    for (many, one) in many.outcomes.iter().zip(&one.outcomes) {
        assert!(many.target_reached() >= one.target_reached());
    }
}

//! The registry × small classifiers × norms × noise modes.

use quaver::attack::noise::NoiseMode;
use quaver::attack::record::AdversarialBatch;
use quaver::attack::run::Options;
use quaver::attack::{Dialect, LabelSource, REGISTRY, build};
use quaver::classifier::Randomness;
use quaver::decision::Decision;
use quaver::threat::{Distances, Goal, Norm};

use super::models::Small;
use super::{Cases, attack};

pub(crate) const N: usize = 9;

/// Specs of every attack in every norm it claims.
fn specs() -> Vec<String> {
    let mut specs = Vec::new();
    for entry in REGISTRY {
        for norm in entry.norms {
            let eps = if *norm == Norm::L2 { 0.8 } else { 0.2 };
            let norm = format!("{norm:?}").to_lowercase();
            specs.push(match entry.id {
                "jsma" => "jsma(gamma=0.5)".to_owned(),
                "fgsm" => format!("fgsm(eps={eps},norm={norm})"),
                id => format!("{id}(eps={eps},n_steps=7,norm={norm},step_size=0.06)"),
            });
        }
    }
    specs
}

fn models() -> [Small; 4] {
    [
        Small::softmax(),
        Small::tanh(),
        Small::noisy(Randomness::PerExample),
        Small::noisy(Randomness::PerPass),
    ]
}

fn modes() -> [NoiseMode; 5] {
    [
        NoiseMode::Off,
        NoiseMode::Fixed,
        NoiseMode::PerStep,
        NoiseMode::PerBackward,
        NoiseMode::Eot(3),
    ]
}

pub(crate) fn options(noise: NoiseMode) -> Options {
    Options {
        noise,
        decision: Decision::Mean(5),
        seed: 3,
        ..Options::default()
    }
}

/// Calls `check` with every attack, classifier, noise mode and dialect that go together.
fn for_all(check: impl Fn(&str, &Small, &Options)) {
    for spec in specs() {
        let dialects = build(&spec).unwrap().entry().dialects;
        for model in models() {
            let noises = if model.randomness == Randomness::None {
                1
            } else {
                5
            };
            for noise in modes().into_iter().take(noises) {
                for dialect in dialects {
                    check(
                        &spec,
                        &model,
                        &Options {
                            dialect: *dialect,
                            ..options(noise)
                        },
                    );
                }
            }
        }
    }
}

pub(crate) fn flat(batch: &AdversarialBatch, row: usize) -> Vec<f32> {
    batch
        .x_adv
        .index_axis(ndarray::Axis(0), row)
        .iter()
        .copied()
        .collect()
}

fn same(a: &AdversarialBatch, b: &AdversarialBatch) -> bool {
    let bits = |batch: &AdversarialBatch| -> Vec<u32> {
        batch.x_adv.iter().map(|v| v.to_bits()).collect()
    };
    bits(a) == bits(b) && a.verdicts == b.verdicts && a.record == b.record
}

#[test]
fn results_stay_in_budget_and_range_and_are_described() {
    for_all(|spec, model, options| {
        let cases = Cases::of(model, N);
        let batch = attack(spec, model, &cases.inputs(), options).unwrap();
        assert_eq!(batch.x_adv.dim(), cases.x.dim());
        assert!(
            batch.x_adv.iter().all(|v| (0.0..=1.0).contains(v)),
            "{spec}"
        );
        let budget = batch.record.budget;
        for row in 0..N {
            let x: Vec<f32> = cases
                .x
                .index_axis(ndarray::Axis(0), row)
                .iter()
                .copied()
                .collect();
            let distances = Distances::between(&x, &flat(&batch, row));
            assert_eq!(distances, batch.distances[row]);
            let distance = distances.get(budget.norm);
            assert!(
                distance <= f64::from(budget.eps) * (1.0 + 1e-5),
                "{spec}: {distance}"
            );
        }
        assert_eq!(
            batch
                .record
                .attack
                .parse::<quaver::spec::Spec>()
                .unwrap()
                .name,
            spec.split('(').next().unwrap()
        );
        assert!(batch.record.complete && batch.record.cost.n_backward > 0);
        let json = serde_json::to_string(&batch.record).unwrap();
        let read: quaver::attack::record::AttackRecord = serde_json::from_str(&json).unwrap();
        assert_eq!(read, batch.record);
    });
}

#[test]
fn a_batch_equals_its_singles_at_any_thread_count() {
    let pool = |n| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(n)
            .build()
            .unwrap()
    };
    let pools = [pool(1), pool(2)];
    for_all(|spec, model, options| {
        let options = Options {
            n_restarts: 2,
            labels: LabelSource::Predicted,
            ..options.clone()
        };
        let cases = Cases::of(model, N);
        let [one, two] = pools
            .each_ref()
            .map(|pool| pool.install(|| attack(spec, model, &cases.inputs(), &options).unwrap()));
        assert!(same(&one, &two), "{spec} with {}", options.noise);
        let small = Options {
            batch_size: 2,
            ..options.clone()
        };
        assert!(
            same(&one, &attack(spec, model, &cases.inputs(), &small).unwrap()),
            "{spec}"
        );
        for row in [0, N - 1] {
            let single = attack(spec, model, &cases.select(&[row]).inputs(), &options).unwrap();
            assert_eq!(
                flat(&single, 0),
                flat(&one, row),
                "{spec} with {}",
                options.noise
            );
            assert_eq!(single.verdicts[0], one.verdicts[row]);
            assert_eq!(single.n_steps[0], one.n_steps[row]);
        }
    });
}

/// More images than go through an attack together, in full and broken batches.
#[test]
fn many_images_are_like_few() {
    let models = [Small::tanh(), Small::noisy(Randomness::PerExample)];
    let specs = ["pgd(eps=0.2,step_size=0.1,n_steps=3)", "jsma(gamma=0.5)"];
    for (model, spec) in models.iter().flat_map(|m| specs.map(|spec| (m, spec))) {
        let cases = Cases::of(model, 300);
        let in_batches = |batch_size: usize| {
            let options = Options {
                batch_size,
                ..options(NoiseMode::PerStep)
            };
            attack(spec, model, &cases.inputs(), &options).unwrap()
        };
        let [few, some, all] = [7, 256, 300].map(in_batches);
        assert!(same(&few, &some) && same(&few, &all), "{spec}");
        assert_eq!(few.distances, all.distances, "{spec}");
    }
}

#[test]
fn success_is_what_fresh_passes_say() {
    for_all(|spec, model, options| {
        let cases = Cases::of(model, N);
        let batch = attack(spec, model, &cases.inputs(), options).unwrap();
        // Attacking the result with nothing shows its verdict as that of a clean image.
        let again = Cases {
            x: batch.x_adv.clone(),
            ..cases.clone()
        };
        let still = attack(
            "fgsm(eps=0)",
            model,
            &again.inputs(),
            &Options {
                dialect: Dialect::Corrected,
                ..options.clone()
            },
        )
        .unwrap();
        assert_eq!(still.clean_verdicts, batch.verdicts, "{spec}");
        assert_eq!(still.verdicts, batch.verdicts, "{spec}");
        let n_success = (0..N).filter(|i| batch.success(*i)).count() as u64;
        assert_eq!(batch.record.counts.n_success, n_success);
        assert_eq!(batch.record.counts.n, N as u64);
    });
}

#[test]
fn no_budget_changes_nothing() {
    for model in models() {
        let cases = Cases::of(&model, N);
        for entry in REGISTRY {
            for norm in entry.norms {
                let spec = match entry.id {
                    "jsma" => "jsma(gamma=0)".to_owned(),
                    id => format!("{id}(eps=0,norm={})", format!("{norm:?}").to_lowercase()),
                };
                let batch = attack(&spec, &model, &cases.inputs(), &options(NoiseMode::PerStep));
                assert_eq!(batch.unwrap().x_adv, cases.x, "{spec}");
            }
        }
    }
}

#[test]
fn attacks_do_harm() {
    for_all(|spec, model, options| {
        let cases = Cases::of(model, 40);
        let batch = attack(spec, model, &cases.inputs(), options).unwrap();
        let counts = batch.record.counts;
        let clean_errors = counts.n - counts.n_initially_correct;
        assert!(
            counts.n_success > clean_errors,
            "{spec} {} {}: {counts:?}",
            options.noise,
            options.dialect
        );
    });
}

#[test]
fn targeted_attacks_reach_targets() {
    let model = Small::softmax();
    let cases = Cases::of(&model, 40);
    for entry in REGISTRY {
        let spec = format!(
            "{}({})",
            entry.id,
            if entry.id == "jsma" {
                "gamma=0.5"
            } else {
                "eps=0.5"
            }
        );
        let options = Options {
            goal: Goal::Targeted,
            ..options(NoiseMode::PerStep)
        };
        let targets: Vec<usize> = cases.labels.iter().map(|y| (y + 2) % 5).collect();
        let mut inputs = cases.inputs();
        inputs.targets = Some(&targets);
        let batch = attack(&spec, &model, &inputs, &options).unwrap();
        assert_eq!(batch.targets.as_ref(), Some(&targets));
        let reached = batch.record.counts.n_target_reached.unwrap();
        assert!(reached > 15, "{spec}: {reached} of 40");
        let random = attack(&spec, &model, &cases.inputs(), &options).unwrap();
        let random = random.targets.unwrap();
        assert!(random.iter().zip(&cases.labels).all(|(t, y)| t != y));
        assert!(random != targets);
    }
}

#[test]
fn restarts_are_not_weaker() {
    for entry in REGISTRY {
        let model = Small::tanh();
        let cases = Cases::of(&model, 40);
        let spec = if entry.id == "jsma" {
            "jsma(gamma=0.2)".to_owned()
        } else {
            format!("{}(eps=0.1)", entry.id)
        };
        let success = |n_restarts| {
            let options = Options {
                n_restarts,
                ..options(NoiseMode::PerStep)
            };
            attack(&spec, &model, &cases.inputs(), &options)
                .unwrap()
                .record
                .counts
                .n_success
        };
        assert!(success(5) >= success(1), "{spec}");
    }
}

#[test]
fn a_broken_gradient_stops_its_image_only() {
    for spec in specs() {
        let whole = Small::tanh();
        let cases = Cases::of(&whole, N);
        let model = Small {
            broken: Some((cases.ids[2], f32::MIN)),
            ..Small::tanh()
        };
        let options = options(NoiseMode::PerStep);
        let batch = attack(&spec, &model, &cases.inputs(), &options).unwrap();
        let expected = attack(&spec, &whole, &cases.inputs(), &options).unwrap();
        for row in 0..N {
            assert_eq!(batch.flags[row].non_finite, row == 2, "{spec}");
            if row != 2 {
                assert_eq!(flat(&batch, row), flat(&expected, row), "{spec}");
            }
        }
        assert!(batch.x_adv.iter().all(|v| v.is_finite()));
        assert_eq!(batch.n_steps[2], 0);
        assert_eq!(batch.record.counts.n_non_finite, 1);
    }
}

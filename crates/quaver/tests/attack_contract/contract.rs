//! The registry × small classifiers × norms × noise modes.

use quaver::attack::noise::NoiseMode;
use quaver::attack::record::AdversarialBatch;
use quaver::attack::run::Options;
use quaver::attack::{Access, Dialect, Entry, LabelSource, REGISTRY, build};
use quaver::classifier::Randomness;
use quaver::decision::Decision;
use quaver::threat::{Distances, Goal, Norm};

use super::models::Small;
use super::{Cases, attack};

pub(crate) const N: usize = 9;
/// Steps enough for the small classifiers, where an attack's own number is large.
const FEW: [(&str, &str); 3] = [("n_queries", "100"), ("n_samples", "10"), ("n_steps", "40")];

/// The spec of an attack with those of these parameters that it has. A radius in L0 alone is a
/// number of pixels: any but 0 stands for four.
pub(crate) fn spec_of(entry: &Entry, values: &[(&str, &str)]) -> String {
    let has = |name: &str| entry.parameters.iter().any(|one| one.name == name);
    let given = values.iter().filter(|(name, _)| has(name));
    let value_of = |name: &str, value: &str| match (name, entry.norms) {
        ("eps", [Norm::L0]) if value != "0" => "4".to_owned(),
        _ => value.to_owned(),
    };
    let given: Vec<String> = given
        .map(|(name, value)| format!("{name}={}", value_of(name, value)))
        .collect();
    format!("{}({})", entry.id, given.join(","))
}

/// The spec of an attack in one of its norms, strong enough for the small classifiers.
fn in_norm(entry: &Entry, norm: Norm, eps: &str) -> String {
    let norm = format!("{norm:?}").to_lowercase();
    let values = [
        ("eps", eps),
        ("gamma", "0.5"),
        ("n_samples", "10"),
        ("n_queries", "60"),
        ("n_steps", "7"),
        ("norm", &norm),
        ("step_size", "0.06"),
    ];
    spec_of(entry, &values)
}

/// Specs of every attack in every norm it claims.
fn specs() -> Vec<(&'static Entry, String)> {
    let mut specs = Vec::new();
    for entry in REGISTRY {
        for norm in entry.norms {
            let eps = if *norm == Norm::L2 { "0.8" } else { "0.2" };
            specs.push((*entry, in_norm(entry, *norm, eps)));
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
    for (entry, spec) in specs() {
        for model in models() {
            let noises = if model.randomness == Randomness::None {
                1
            } else {
                5
            };
            for noise in modes().into_iter().take(noises) {
                for dialect in entry.dialects {
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
    bits(a) == bits(b) && a.outcomes == b.outcomes && a.record == b.record
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
        let bound = batch.record.bound;
        for row in 0..N {
            let x: Vec<f32> = cases
                .x
                .index_axis(ndarray::Axis(0), row)
                .iter()
                .copied()
                .collect();
            let distances = Distances::between(&x, &flat(&batch, row));
            let outcome = &batch.outcomes[row];
            assert_eq!(distances, outcome.distances);
            assert!(outcome.in_range);
            let distance = distances.get(bound.norm());
            let eps = bound
                .ball()
                .map_or(f64::INFINITY, |ball| f64::from(ball.eps));
            assert!(distance <= eps * (1.0 + 1e-5), "{spec}: {distance}");
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
        let entry = build(spec).unwrap().entry();
        let cost = batch.record.cost;
        assert!(batch.record.complete && cost.n_forward > 0, "{spec}");
        assert_eq!(
            cost.n_backward > 0,
            entry.access == Access::WhiteBox,
            "{spec}"
        );
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
            assert_eq!(single.outcomes[0], one.outcomes[row]);
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
        assert_eq!(few.outcomes, all.outcomes, "{spec}");
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
        for (still, outcome) in still.outcomes.iter().zip(&batch.outcomes) {
            assert_eq!(still.clean, outcome.perturbed, "{spec}");
            assert_eq!(still.perturbed, outcome.perturbed, "{spec}");
        }
        let n_success = batch.outcomes.iter().filter(|o| o.success()).count() as u64;
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
                let norm = format!("{norm:?}").to_lowercase();
                // Attacks that make the distance small have no budget, whatever their parameters.
                let by_share = entry.parameters.iter().any(|one| one.name == "theta");
                let share = ("gamma", "0");
                let budget = [("eps", "0"), ("norm", norm.as_str()), share];
                let budget = &budget[..2 + usize::from(by_share)];
                let spec = spec_of(entry, &[budget, &FEW].concat());
                let options = options(NoiseMode::PerStep);
                let batch = attack(&spec, &model, &cases.inputs(), &options).unwrap();
                if batch.record.bound.ball().is_some() {
                    assert_eq!(batch.x_adv, cases.x, "{spec}");
                }
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
        // Without gradients the small classifiers may be left as they are.
        let white_box = build(spec).unwrap().entry().access == Access::WhiteBox;
        assert!(
            counts.n_success >= clean_errors + u64::from(white_box),
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
        let values = [("eps", "0.5"), ("gamma", "0.5")];
        let spec = spec_of(entry, &[&values[..], &FEW].concat());
        let options = Options {
            goal: Goal::Targeted,
            ..options(NoiseMode::PerStep)
        };
        let targets: Vec<usize> = cases.labels.iter().map(|y| (y + 2) % 5).collect();
        let mut inputs = cases.inputs();
        inputs.targets = Some(&targets);
        let batch = attack(&spec, &model, &inputs, &options).unwrap();
        let aimed: Vec<usize> = batch.outcomes.iter().filter_map(|o| o.target).collect();
        assert_eq!(aimed, targets);
        let reached = batch.record.counts.n_target_reached.unwrap();
        let least = if entry.access == Access::WhiteBox {
            16
        } else {
            0
        };
        assert!(reached >= least, "{spec}: {reached} of 40");
        let random = attack(&spec, &model, &cases.inputs(), &options).unwrap();
        let random = random.outcomes.iter().map(|o| (o.target.unwrap(), o.label));
        assert!(random.clone().all(|(target, label)| target != label));
        assert!(random.map(|(target, _)| target).ne(targets));
    }
}

#[test]
fn restarts_are_not_weaker() {
    for entry in REGISTRY {
        let model = Small::tanh();
        let cases = Cases::of(&model, 40);
        let values = [("eps", "0.1"), ("gamma", "0.2")];
        let spec = spec_of(entry, &[&values[..], &FEW].concat());
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
    let white_box = |(entry, _): &(&Entry, String)| entry.access == Access::WhiteBox;
    for (_, spec) in specs().into_iter().filter(white_box) {
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
            assert_eq!(batch.outcomes[row].flags.non_finite, row == 2, "{spec}");
            if row != 2 {
                assert_eq!(flat(&batch, row), flat(&expected, row), "{spec}");
            }
        }
        assert!(batch.x_adv.iter().all(|v| v.is_finite()));
        assert_eq!(batch.outcomes[2].n_steps, 0);
        assert_eq!(batch.record.counts.n_non_finite, 1);
    }
}

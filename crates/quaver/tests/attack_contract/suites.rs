//! Suites: what leaves, what is kept, and that nothing hangs on batches or threads.

use quaver::attack::AttackError;
use quaver::attack::record::AdversarialBatch;
use quaver::attack::run::{Inputs, Options};
use quaver::classifier::{Classifier, Randomness};
use quaver::decision::Decision;
use quaver::observe::Silent;
use quaver::suite::{self, Facts, REGISTRY, Suite};
use quaver::threat::Goal;

use super::Cases;
use super::models::Small;

const N: usize = 21;

fn options() -> Options {
    Options {
        decision: Decision::Mean(5),
        seed: 5,
        ..Options::default()
    }
}

fn run(
    text: &str,
    model: &dyn Classifier,
    inputs: &Inputs<'_>,
    options: &Options,
) -> Result<AdversarialBatch, AttackError> {
    let suite = Suite::find(text).unwrap().unwrap();
    suite::run::run(&suite, None, model, inputs, options, &Silent)
}

fn quick(entry: &suite::Entry, norm: &str, eps: &str) -> String {
    let has = |name: &str| entry.parameters.iter().any(|one| one.name == name);
    let budget = if has("budget") { ",budget=quick" } else { "" };
    format!("{}(eps={eps},norm={norm}{budget})", entry.id)
}

#[test]
fn every_plan_can_be_built() {
    for entry in REGISTRY {
        for n_classes in [2, 3, 4, 10] {
            for randomness in [
                Randomness::None,
                Randomness::PerExample,
                Randomness::PerPass,
            ] {
                for (has_gradient, is_binarized) in [(true, true), (true, false), (false, false)] {
                    let facts = Facts {
                        n_classes,
                        randomness,
                        has_gradient,
                        is_binarized,
                    };
                    for norm in ["linf", "l2"] {
                        let text = format!("{}(eps=8/255,norm={norm})", entry.id);
                        let suite = Suite::find(&text).unwrap().unwrap();
                        let plan = suite.plan(&facts).unwrap();
                        assert!(!plan.members.is_empty(), "{text} {facts:?}");
                    }
                }
            }
        }
    }
    assert!(Suite::find("pgd(eps=0.1)").unwrap().is_none());
    assert!(Suite::find("quaver(eps=-1)").is_err());
    assert!(Suite::find("quaver(steps=1)").is_err());
}

#[test]
fn what_falls_leaves_and_is_kept() {
    for (entry, randomness) in REGISTRY.iter().flat_map(|entry| {
        [Randomness::None, Randomness::PerExample].map(|randomness| (entry, randomness))
    }) {
        let model = Small::noisy(randomness);
        let cases = Cases::of(&model, N);
        for (norm, eps) in [("linf", "0.05"), ("l2", "0.2")] {
            let text = quick(entry, norm, eps);
            let batch = run(&text, &model, &cases.inputs(), &options()).unwrap();
            assert_eq!(batch.n(), N);
            let record = &batch.record;
            assert!(
                record.complete && record.counts.n_success > record.counts.n / 4,
                "{text}"
            );
            let mut standing = None;
            for member in &record.members {
                assert!(standing.is_none_or(|n| member.n_attacked <= n), "{text}");
                assert!(member.n_fallen <= member.n_attacked, "{text}");
                standing = Some(member.n_attacked - member.n_fallen);
            }
            for (row, outcome) in batch.outcomes.iter().enumerate() {
                let size = match norm {
                    "linf" => outcome.distances.linf,
                    _ => outcome.distances.l2,
                };
                assert!(outcome.in_range, "{text}");
                assert!(
                    size <= eps.parse::<f64>().unwrap() + 1e-7,
                    "{text} {row}: {size}"
                );
                if !outcome.right_before() && randomness == Randomness::None {
                    assert_eq!(size, 0.0, "an image that was wrong stays as it is");
                }
            }
        }
    }
}

#[test]
fn a_suite_is_at_least_as_strong_as_its_first_attack() {
    let model = Small::tanh();
    let cases = Cases::of(&model, 60);
    for entry in REGISTRY {
        let text = quick(entry, "linf", "0.04");
        let batch = run(&text, &model, &cases.inputs(), &options()).unwrap();
        let first = &batch.record.members[0].attack;
        let alone = super::attack(first, &model, &cases.inputs(), &options()).unwrap();
        assert!(
            batch.record.counts.n_success >= alone.record.counts.n_success,
            "{text}"
        );
    }
}

#[test]
fn threads_change_nothing() {
    let model = Small::noisy(Randomness::PerExample);
    let cases = Cases::of(&model, N);
    let in_pool = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let text = "quaver(eps=0.05,budget=quick)";
        let batch = pool
            .unwrap()
            .install(|| run(text, &model, &cases.inputs(), &options()));
        let batch = batch.unwrap();
        (batch.x_adv, batch.outcomes, batch.record)
    };
    assert_eq!(in_pool(1), in_pool(3));
}

#[test]
fn what_a_suite_would_ignore_is_refused() {
    let model = Small::tanh();
    let cases = Cases::of(&model, 4);
    let targets = [0, 1, 2, 3];
    let with_targets = Inputs {
        targets: Some(&targets),
        ..cases.inputs()
    };
    let with_start = Inputs {
        start: Some(cases.x.view()),
        ..cases.inputs()
    };
    let targeted = Options {
        goal: Goal::Targeted,
        ..options()
    };
    for (inputs, options) in [
        (with_targets, options()),
        (with_start, options()),
        (cases.inputs(), targeted),
    ] {
        let error = run("quaver(eps=0.1)", &model, &inputs, &options).unwrap_err();
        assert!(matches!(error, AttackError::NotTaken { .. }), "{error}");
    }
}

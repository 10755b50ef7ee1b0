//! Every parameter of every attack: what it refuses, and that it does something.

use quaver::attack::noise::NoiseMode;
use quaver::attack::run::Options;
use quaver::attack::{Dialect, Entry, REGISTRY, build};
use quaver::spec::{Allowed, Interval, Parameter};

use super::contract::{N, options, spec_of};
use super::models::Small;
use super::{Cases, attack};

#[test]
fn parameters_out_of_range_are_refused() {
    for entry in REGISTRY {
        let attack = build(entry.id).unwrap();
        let in_force = attack.spec(Dialect::Corrected).unwrap();
        for parameter in entry.parameters {
            let name = parameter.name;
            assert!(in_force.params.contains_key(name), "{}: {name}", entry.id);
            if let Allowed::Real(intervals) | Allowed::RealOrAuto(intervals) = parameter.allowed {
                let meant = |one: &Interval| one.low.abs() <= 1e6 && one.high.abs() <= 1e6;
                let id = entry.id;
                assert!(
                    intervals.iter().all(meant),
                    "{id}: {name} takes {}",
                    parameter.allowed
                );
            }
            for value in parameter.refused() {
                let spec = format!("{}({name}={value})", entry.id);
                assert!(build(&spec).is_err(), "{spec}");
            }
        }
        assert_eq!(in_force.params.len(), entry.parameters.len());
        assert!(build(&format!("{}(unknown=1)", entry.id)).is_err());
    }
}

/// Values of a parameter that are far from each other.
fn values(parameter: &Parameter) -> Vec<String> {
    match parameter.allowed {
        Allowed::Real(intervals) | Allowed::RealOrAuto(intervals) => intervals
            .iter()
            .flat_map(|one| [one.low + (one.high - one.low) * 1e-4, one.high])
            .map(|value| value.to_string())
            .collect(),
        Allowed::Integer(low, _) => [low, low + 1, low + 4].map(|v| v.to_string()).into(),
        Allowed::Flag => vec!["true".to_owned(), "false".to_owned()],
        Allowed::OneOf(words) => words.iter().map(|word| (*word).to_owned()).collect(),
        Allowed::Spec(..) => Vec::new(),
    }
}

#[test]
fn every_parameter_changes_something() {
    let model = Small::tanh();
    let cases = Cases::of(&model, N);
    // What matters in one setting may not in another: an image that falls at once has no use for
    // more steps, nor one in a ball that a step fills for shorter ones.
    let settings = [("linf", "0.06"), ("linf", "0.2"), ("l2", "0.1")];
    let changes = |entry: &Entry, parameter: &Parameter, (norm, eps): (&str, &str)| {
        let own = [
            ("eps", eps),
            ("gamma", "0.5"),
            ("n_queries", "60"),
            ("n_steps", "12"),
            ("norm", norm),
            ("step_size", "0.06"),
        ];
        let results = values(parameter).into_iter().map(|value| {
            let mut given = own.to_vec();
            given.retain(|(name, _)| *name != parameter.name);
            given.push((parameter.name, &value));
            let spec = spec_of(entry, &given);
            let options = Options {
                n_restarts: 4,
                ..options(NoiseMode::Off)
            };
            let batch = attack(&spec, &model, &cases.inputs(), &options);
            batch.unwrap().x_adv
        });
        let results: Vec<_> = results.collect();
        results.is_empty() || results.iter().any(|x| *x != results[0])
    };
    for entry in REGISTRY {
        for parameter in entry.parameters {
            let changed = settings.iter().any(|one| changes(entry, parameter, *one));
            assert!(changed, "{}: {}", entry.id, parameter.name);
        }
    }
}

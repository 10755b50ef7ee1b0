//! What every wrapper must do around every classifier.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};

use ndarray::{Array2, Array4, Axis, Slice};
use quaver::classifier::{Batch, Classifier, Draw, Images, Noise, Purpose, Randomness, Tap, Vjp};
use quaver::rng::Rng;
use quaver::wrap::{self, REGISTRY};
use quaver_nn::engine::Engine;
use quaver_nn::graph::Graph;
use quaver_nn::model::{Info, Model};
use quaver_nn::op::{Conv2d, Dense, Dropout, Flatten, Op, Relu};
use quaver_nn::quantizer::Quantization;

const IDS: [u64; 5] = [3, 1, 4, 1_000_000_007, 5];
const DRAW: Draw = Draw {
    seed: 7,
    purpose: Purpose::Passes,
    pass: 2,
};
/// One of every wrapper, inside of each other.
const ALL: [&str; 4] = [
    "bit-depth(bits=3,backward=around)",
    "quantized-activations(bits=3,backward=around)",
    "gaussian-noise(sigma=0.1)",
    "temperature(t=2)",
];

/// A small network of images of two rows of five: whether it drops, and how it draws weights.
fn model(p: f64, weights: Option<&str>, wrappers: &[&str]) -> Model {
    let quantizer = weights.map(|name| Quantization::from_config(name, serde_json::json!({})));
    let ops: Vec<Box<dyn Op>> = vec![
        Box::new(Conv2d {
            in_channels: 1,
            out_channels: 3,
            kernel: [2, 2],
            stride: 1,
            padding: 0,
            bias: true,
            quantizer: None,
        }),
        Box::new(Relu::default()),
        Box::new(Flatten {}),
        Box::new(Dropout { p }),
        Box::new(Dense {
            in_features: 12,
            out_features: 4,
            bias: true,
            quantizer: quantizer.transpose().unwrap(),
        }),
    ];
    let graph = Graph::sequential(vec![1, 2, 5], ops).unwrap();
    // With these weights activations reach the first of few levels.
    let mut model = Model::new(graph, Info::default(), 23);
    for wrapper in wrappers {
        wrap::add(&mut model, wrapper).unwrap();
    }
    model
}

fn open(model: Model) -> Box<dyn Classifier> {
    wrap::open(model, Arc::new(Engine::new(2, None).unwrap())).unwrap()
}

/// Every wrapper alone, and all of them, around networks that draw nothing, for each example, and
/// for each pass.
fn each(check: impl Fn(&str, &dyn Classifier)) {
    let defaults = REGISTRY.iter().map(|entry| vec![entry.id]);
    for wrappers in defaults.chain([ALL.to_vec()]) {
        for (p, weights) in [(0.0, None), (0.3, None), (0.3, Some("stochastic-sign"))] {
            let name = format!("{wrappers:?} around p = {p}, weights {weights:?}");
            check(&name, &*open(model(p, weights, &wrappers)));
        }
    }
}

fn images() -> Images {
    let mut rng = Rng::new(1, "test-images", 0);
    Array4::from_shape_simple_fn((5, 1, 2, 5), || rng.uniform() as f32)
}

fn batch(x: &Images) -> Batch<'_> {
    let (x, ids) = (x.view(), &IDS);
    Batch { x, ids }
}

fn at(pass: u32) -> Noise {
    Noise::Draw(Draw { pass, ..DRAW })
}

const TAPS: [Tap<'static>; 3] = [Tap::Logits, Tap::Layer("1"), Tap::Layer("4")];

/// Pulls back a sum of all outputs, each with a weight of its own.
fn vjp(classifier: &dyn Classifier, x: &Images, noises: &[Noise], taps: &[Tap<'_>]) -> Vjp {
    let upstream = |row: usize, _: usize, outputs: &[&[f32]], up: &mut [&mut [f32]]| {
        for (tap, up) in up.iter_mut().enumerate() {
            assert_eq!(up.len(), outputs[tap].len());
            let weight = |i: usize| 1.0 + (row + 3 * tap + 5 * i) as f32 % 4.0;
            up.iter_mut().enumerate().for_each(|(i, u)| *u = weight(i));
        }
    };
    classifier.vjp(batch(x), noises, taps, &upstream).unwrap()
}

fn close(name: &str, got: &Images, expected: &Images) {
    for (got, expected) in got.iter().zip(expected) {
        let error = (got - expected).abs();
        assert!(
            error <= 1e-5 * (1.0 + expected.abs()),
            "{name}: {got} {expected}"
        );
    }
}

#[test]
fn without_noise_it_answers_as_with_the_noise_off() {
    for weights in [None, Some("stochastic-sign")] {
        let [noisy, quiet] = [&[][..], &["without-noise"]].map(|w| open(model(0.4, weights, w)));
        assert_ne!(noisy.randomness(), Randomness::None);
        assert_eq!(quiet.randomness(), Randomness::None);
        let x = images();
        let batch = Batch {
            x: x.view(),
            ids: &IDS,
        };
        let off = noisy.logits(batch, Noise::Off).unwrap();
        assert_eq!(quiet.logits(batch, Noise::Draw(DRAW)).unwrap(), off);
    }
}

#[test]
fn parameters_out_of_range_are_refused() {
    for entry in REGISTRY {
        let (in_force, _) = wrap::build(entry.id).unwrap();
        assert_eq!(in_force.params.len(), entry.parameters.len());
        for parameter in entry.parameters {
            for value in parameter.refused() {
                let spec = format!("{}({}={value})", entry.id, parameter.name);
                assert!(wrap::build(&spec).is_err(), "{spec}");
            }
        }
        assert!(wrap::build(&format!("{}(unknown=1)", entry.id)).is_err());
    }
    let error = wrap::build("temprature").err().unwrap().to_string();
    assert!(error.contains("did you mean \"temperature\""), "{error}");
}

#[test]
fn a_batch_equals_its_singles() {
    let x = images();
    each(|name, classifier| {
        for noise in [Noise::Off, at(2), at(9)] {
            let all = classifier.outputs(batch(&x), noise, &TAPS).unwrap();
            assert_eq!(
                all[0],
                classifier.logits(batch(&x), noise).unwrap(),
                "{name}"
            );
            for row in 0..5 {
                let one = Batch {
                    x: x.slice_axis(Axis(0), Slice::from(row..=row)),
                    ids: &IDS[row..=row],
                };
                let single = classifier.outputs(one, noise, &TAPS).unwrap();
                for (all, single) in all.iter().zip(&single) {
                    assert_eq!(all.row(row), single.row(0), "{name}: {row}");
                }
            }
        }
    });
}

#[test]
fn passes_are_the_logits_of_each_pass_in_order() {
    let x = images();
    // More than are taken together.
    let n_passes = 60;
    each(|name, classifier| {
        let rows = Mutex::new(vec![Vec::new(); 5]);
        let note = |row: usize, pass: u32, z: &[f32]| {
            let seen = &mut rows.lock().unwrap()[row];
            assert_eq!(seen.len(), pass as usize, "{name}");
            seen.push(z.to_vec());
        };
        classifier.passes(batch(&x), DRAW, n_passes, &note).unwrap();
        let rows = rows.into_inner().unwrap();
        for pass in 0..n_passes {
            let logits = classifier.logits(batch(&x), at(DRAW.pass + pass)).unwrap();
            for (row, expected) in logits.outer_iter().enumerate() {
                assert_eq!(rows[row][pass as usize], expected.to_vec(), "{name}");
            }
        }
    });
}

#[test]
fn what_is_random_is_said() {
    let x = images();
    for (p, weights, inner) in [
        (0.0, None, Randomness::None),
        (0.3, None, Randomness::PerExample),
        (0.3, Some("stochastic-sign"), Randomness::PerPass),
    ] {
        for entry in REGISTRY {
            let classifier = open(model(p, weights, &[entry.id]));
            let logits = |noise| classifier.logits(batch(&x), noise).unwrap();
            let is_random = logits(at(0)) != logits(at(1));
            let said = classifier.randomness();
            assert_eq!(said != Randomness::None, is_random, "{}", entry.id);
            if entry.id == "without-noise" {
                assert_eq!(said, Randomness::None);
            } else if inner != Randomness::None {
                assert_eq!(said, inner, "{}", entry.id);
            } else if is_random {
                assert_eq!(said, Randomness::PerExample, "{}", entry.id);
            }
        }
    }
}

#[test]
fn gradients_of_draws_and_taps_are_summed() {
    let x = images();
    let noises = [at(2), at(3), Noise::Off];
    each(|name, classifier| {
        let together = vjp(classifier, &x, &noises, &TAPS);
        let last = classifier.outputs(batch(&x), Noise::Off, &TAPS).unwrap();
        assert_eq!(together.outputs, last, "{name}");
        let mut sum = Array4::zeros(x.raw_dim());
        for noise in noises {
            sum += &vjp(classifier, &x, &[noise], &TAPS).gradient;
        }
        close(name, &together.gradient, &sum);
    });
}

#[test]
fn upstreams_are_asked_for_each_draw_with_its_own_outputs() {
    let x = images();
    let noises = [at(5), at(6)];
    each(|name, classifier| {
        let expected = noises.map(|noise| classifier.outputs(batch(&x), noise, &TAPS).unwrap());
        let count = Mutex::new(0);
        let check = |row: usize, k: usize, outputs: &[&[f32]], _: &mut [&mut [f32]]| {
            for (output, expected) in outputs.iter().zip(&expected[k]) {
                assert_eq!(*output, &expected.row(row).to_vec()[..], "{name}");
            }
            *count.lock().unwrap() += 1;
        };
        classifier.vjp(batch(&x), &noises, &TAPS, &check).unwrap();
        assert_eq!(count.into_inner().unwrap(), 10, "{name}");
    });
}

#[test]
fn gradients_through_are_those_of_small_steps() {
    let x = images();
    let mut rng = Rng::new(2, "direction", 0);
    let step = Array4::from_shape_simple_fn(x.raw_dim(), || (2e-3 * (rng.uniform() - 0.5)) as f32);
    // Weights of the logits as in `vjp`.
    let value = |z: &Array2<f32>| {
        let weighed = z.indexed_iter();
        let terms = weighed.map(|((row, i), z)| f64::from(*z) * (1.0 + ((row + 5 * i) % 4) as f64));
        terms.sum::<f64>()
    };
    let defaults = REGISTRY.iter().map(|entry| vec![entry.id]);
    let others = [
        vec!["temperature(t=0.1)"],
        vec!["gaussian-noise", "temperature(t=3)", "gaussian-noise"],
    ];
    for wrappers in defaults.chain(others) {
        let classifier = open(model(0.3, None, &wrappers));
        let logits = |x: &Images| classifier.logits(batch(x), at(4)).unwrap();
        let difference = value(&logits(&(&x + &step))) - value(&logits(&(&x - &step)));
        let gradient = vjp(&*classifier, &x, &[at(4)], &[Tap::Logits]).gradient;
        let products = gradient.iter().zip(&step).map(|(g, s)| f64::from(g * s));
        let slope = 2.0 * products.sum::<f64>();
        let error = (difference - slope).abs();
        assert!(
            error < 1e-5 + 0.01 * slope.abs(),
            "{wrappers:?}: {difference} {slope}"
        );
    }
}

#[test]
fn gradients_around_are_those_of_the_classifier_at_what_it_sees() {
    let x = images();
    let around = open(model(0.3, None, &["bit-depth(bits=2,backward=around)"]));
    let through = open(model(0.3, None, &["bit-depth(bits=2)"]));
    let plain = open(model(0.3, None, &[]));
    let seen = x.mapv(|v| (v * 3.0).round_ties_even() / 3.0);
    let noises = [at(0), at(1)];
    let expected = vjp(&*plain, &seen, &noises, &TAPS);
    let got = vjp(&*around, &x, &noises, &TAPS);
    close("around", &got.gradient, &expected.gradient);
    let zero = vjp(&*through, &x, &noises, &TAPS).gradient;
    assert!(zero.iter().all(|g| *g == 0.0) && got.gradient.iter().any(|g| *g != 0.0));
}

#[test]
fn the_outermost_is_the_last() {
    let x = images();
    let logits = |wrappers: &[&str]| {
        let classifier = open(model(0.0, None, wrappers));
        classifier.logits(batch(&x), at(0)).unwrap()
    };
    let (noise, bits) = ("gaussian-noise(sigma=0.3)", "bit-depth(bits=2)");
    // Noise on pixels of two bits has more than four values, and the other way round only four.
    let inner_noise = logits(&[noise, bits]);
    let inner_bits = logits(&[bits, noise]);
    assert_ne!(inner_noise, inner_bits);
    let twice = logits(&[noise, noise]);
    assert!(twice != logits(&[noise]), "each draws its own numbers");
}

#[test]
fn layers_can_stand_for_wrappers() {
    let x = images();
    let wrappers = [
        "bit-depth(bits=2)",
        "temperature(t=3)",
        "quantized-activations(bits=2,max=0.5)",
        "bit-depth(bits=3)",
    ];
    let wrapped = model(0.3, None, &wrappers);
    let layers = wrap::as_layers(wrapped.clone()).unwrap();
    assert!(layers.info.wrappers.is_empty());
    let (wrapped, layers) = (open(wrapped), open(layers));
    for noise in [Noise::Off, at(1)] {
        let [one, other] = [&wrapped, &layers].map(|c| c.logits(batch(&x), noise).unwrap());
        assert_eq!(one, other);
    }
    let refused = wrap::as_layers(model(0.0, None, &["gaussian-noise"])).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "gaussian-noise(sigma=0.25) cannot be written as layers of a network"
    );
}

#[test]
fn models_that_cannot_be_opened_are_refused() {
    let engine = Arc::new(Engine::new(1, None).unwrap());
    let refusal = |model: Model| {
        let opened = wrap::open(model, Arc::clone(&engine));
        opened.err().unwrap().to_string()
    };
    let mut unknown = model(0.0, None, &[]);
    unknown.info.wrappers.push("resize-pad(max=32)".into());
    let words = refusal(unknown);
    assert!(
        words.starts_with("unknown wrapper \"resize-pad\""),
        "{words}"
    );
    let dense = Box::new(Dense {
        in_features: 4,
        out_features: 2,
        bias: true,
        quantizer: None,
    });
    let ops: Vec<Box<dyn Op>> = vec![Box::new(Flatten {}), dense];
    let graph = Graph::sequential(vec![1, 2, 2], ops).unwrap();
    let mut linear = Model::new(graph, Info::default(), 23);
    let error = wrap::add(&mut linear, "quantized-activations").unwrap_err();
    assert_eq!(
        error.to_string(),
        "quantized-activations: the network has no rectifier"
    );
    assert!(linear.info.wrappers.is_empty());
    // Nothing leaves out what stands around a network.
    let wrapped = model(0.0, None, &["temperature(t=2)"]);
    let plain = quaver::network::Network::new(Arc::new(wrapped), Arc::clone(&engine));
    let words = plain.err().unwrap().to_string();
    assert!(words.contains("temperature(t=2)"), "{words}");
}

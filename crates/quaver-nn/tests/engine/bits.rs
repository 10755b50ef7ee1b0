//! What must not change a bit: instruction set, threads, and who else is in the batch.

use crate::agreement::{Case, Training, bits, engine, every_simd, numbers};
use crate::graphs::{dense, residual, stochastic};
use quaver_nn::engine::Engine;
use quaver_nn::graph::Graph;
use quaver_nn::model::Model;
use quaver_nn::network::{Network, Tap};
use quaver_nn::noise::{Draw, Noise, Purpose};
use quaver_nn::op::{Add, BatchNorm, Dropout};
use quaver_nn::optim::Adam;
use quaver_nn::profile::Phase;
use quaver_nn::train::{Epoch, Set, Trainer, Watch};
use quaver_nn::{Batch, Pixels, Simd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

const PASSES: Draw = Draw {
    seed: 8,
    purpose: Purpose::Passes,
    pass: 3,
};

fn network(case: &Case, engine: &Arc<Engine>) -> Network {
    Network::new(Arc::clone(&case.model), Arc::clone(engine))
}

/// Outputs of every pass, `(row, pass, output)` in this order.
fn passes(network: &Network, batch: &Batch<'_>, n_passes: u32) -> Vec<u32> {
    let rows: Vec<_> = batch.ids.iter().map(|_| Mutex::new(Vec::new())).collect();
    network.passes(batch, PASSES, n_passes, &|row, _, outputs| {
        rows[row].lock().unwrap().extend(bits(outputs));
    });
    rows.into_iter()
        .flat_map(|row| row.into_inner().unwrap())
        .collect()
}

/// Weights after two epochs.
fn trained(case: &Case, engine: &Arc<Engine>) -> Vec<Vec<Vec<f32>>> {
    let classes = case.width();
    let labels: Vec<usize> = (0..case.ids.len()).map(|i| i * i % classes).collect();
    let set = Set {
        pixels: Pixels::F32(&case.x),
        labels: &labels,
    };
    let training = Training::plain(2, 82, 5);
    let model = (*case.model).clone();
    let engine = Arc::clone(engine);
    let fitted = training.run(model, (0, None), &set, engine, &mut ());
    fitted.unwrap().0.params
}

#[test]
fn instruction_sets_and_threads() {
    for graph in [residual(), stochastic()] {
        let case = Case::new(graph, 200);
        let all = |threads, simd| {
            let engine = engine(threads, simd);
            let passes = passes(&network(&case, &engine), &case.batch(), 3);
            let noise = Noise::Draw(PASSES);
            (case.run(&engine, noise), passes, trained(&case, &engine))
        };
        let first = all(1, Simd::SCALAR);
        for simd in every_simd() {
            for threads in [1, 2] {
                assert!(all(threads, simd) == first, "{simd:?}, {threads} threads");
            }
        }
    }
}

/// Outputs, gradients and passes of the rows of a case.
fn rows(case: &Case, network: &Network, rows: &[usize]) -> Vec<Vec<u32>> {
    let ids: Vec<u64> = rows.iter().map(|&row| case.ids[row]).collect();
    let batch = Batch {
        pixels: Pixels::F32(&case.x),
        rows: Some(rows),
        ids: &ids,
    };
    let noises = [Noise::Draw(PASSES), Noise::Off];
    let upstream = case.upstream();
    let width = case.width();
    let pull = |row: usize, k: usize, _: &[&[f32]], up: &mut [&mut [f32]]| {
        let at = (rows[row] * width..(rows[row] + 1) * width).zip(&mut *up[0]);
        at.for_each(|(i, up)| *up = upstream[i] * (k + 1) as f32);
    };
    let outputs = network.logits(&batch, noises[0]);
    let (_, gradient) = network.vjp(&batch, &noises, &[Tap::Logits], &pull).unwrap();
    let tap = network.taps()[2].clone();
    let tapped = network
        .outputs(&batch, noises[0], &[Tap::Layer(&tap)])
        .unwrap()
        .remove(0);
    let passes = passes(network, &batch, 2);
    let all = [bits(&outputs), bits(&gradient), bits(&tapped), passes];
    let split = |e: usize| {
        let part = |v: &Vec<u32>| v[e * (v.len() / rows.len())..][..v.len() / rows.len()].to_vec();
        all.iter().flat_map(part).collect()
    };
    (0..rows.len()).map(split).collect()
}

#[test]
fn company_in_the_batch() {
    for graph in [residual(), stochastic()] {
        let case = Case::new(graph, 83);
        let network = network(&case, &engine(2, Simd::best()));
        let all = rows(&case, &network, &(0..83).collect::<Vec<_>>());
        assert_eq!(
            rows(&case, &network, &(0..17).collect::<Vec<_>>()),
            all[..17]
        );
        for row in [0, 15, 16, 63, 64, 82] {
            assert_eq!(
                rows(&case, &network, &[row])[0],
                all[row],
                "row {row} alone"
            );
        }
        let shuffled: Vec<usize> = (0..40).map(|i| (i * 29 + 5) % 83).collect();
        for (row, got) in shuffled.iter().zip(rows(&case, &network, &shuffled)) {
            assert_eq!(got, all[*row], "row {row} among others");
        }
    }
}

#[test]
fn what_is_no_number_stays_with_its_example() {
    for graph in [residual(), stochastic()] {
        let mut case = Case::new(graph, 20);
        let network = network(&case, &engine(1, Simd::best()));
        let whole = rows(&case, &network, &(0..20).collect::<Vec<_>>());
        let size = case.x.len() / 20;
        for value in [f32::NAN, f32::INFINITY] {
            case.x[7 * size..8 * size].fill(value);
            let broken = rows(&case, &network, &(0..20).collect::<Vec<_>>());
            for row in (0..20).filter(|row| *row != 7) {
                assert_eq!(broken[row], whole[row], "row {row} beside {value}");
            }
            let first = f32::from_bits(broken[7][0]);
            assert!(!first.is_finite(), "an output of {value} is {first}");
        }
    }
}

#[test]
fn expectation_over_draws_is_the_sum_of_single_draws() {
    for graph in [residual(), stochastic()] {
        let case = Case::new(graph, 18);
        let network = network(&case, &engine(1, Simd::best()));
        let draw = |pass| Noise::draw(1, Purpose::Attack, pass);
        let noises: Vec<Noise> = (0..5).map(draw).collect();
        let square =
            |_: usize, _: usize, y: &[&[f32]], up: &mut [&mut [f32]]| up[0].copy_from_slice(y[0]);
        let pull = |noises: &[Noise]| {
            network
                .vjp(&case.batch(), noises, &[Tap::Logits], &square)
                .unwrap()
        };
        let (last, together) = pull(&noises);
        let mut sum = vec![0.0_f64; together.len()];
        for noise in &noises {
            let (_, one) = pull(&[*noise]);
            sum.iter_mut()
                .zip(one)
                .for_each(|(s, g)| *s += f64::from(g));
        }
        assert_eq!(last[0], network.logits(&case.batch(), draw(4)));
        let largest = sum.iter().fold(0.0_f64, |m, s| m.max(s.abs()));
        for (g, s) in together.iter().zip(&sum) {
            assert!((f64::from(*g) - s).abs() <= 1e-6 * largest, "{g} not {s}");
        }
    }
}

/// Noise comes before layers that do not depend on it.
fn noise_first() -> Graph {
    let mut graph = Graph::new(vec![12]).unwrap();
    let mut push =
        |name: &str, op, inputs: &[usize]| graph.push(name.into(), op, inputs.to_vec()).unwrap();
    let drop = push("drop", Box::new(Dropout { p: 0.5 }), &[0]);
    let noisy = push("noisy", dense(12, 12), &[drop]);
    let noisy = push("noisy_again", dense(12, 12), &[noisy]);
    let calm = push("calm", dense(12, 12), &[0]);
    push("sum", Box::new(Add {}), &[noisy, calm]);
    graph
}

#[test]
fn passes_are_outputs_of_their_draws() {
    for graph in [residual(), stochastic(), noise_first()] {
        let case = Case::new(graph, 21);
        let network = network(&case, &engine(1, Simd::best()));
        let got = passes(&network, &case.batch(), 3);
        for pass in 0..3 {
            let draw = Draw {
                pass: PASSES.pass + pass,
                ..PASSES
            };
            let outputs = network.logits(&case.batch(), Noise::Draw(draw));
            for (row, outputs) in bits(&outputs).chunks(case.width()).enumerate() {
                let at = (row * 3 + pass as usize) * case.width();
                assert_eq!(
                    got[at..at + case.width()],
                    *outputs,
                    "row {row}, pass {pass}"
                );
            }
        }
    }
}

#[test]
fn noise_before_quiet_layers_agrees() {
    let case = Case::new(noise_first(), 18);
    case.agree(every_simd(), crate::agreement::DRAWN, 1e-5);
}

#[test]
fn a_normalization_that_nothing_reads_is_not_trained() {
    let mut graph = Graph::new(vec![6]).unwrap();
    let hidden = graph.push("hidden".into(), dense(6, 6), vec![0]).unwrap();
    let unread = Box::new(BatchNorm::new(6, true));
    graph.push("unread".into(), unread, vec![hidden]).unwrap();
    graph.push("out".into(), dense(6, 3), vec![hidden]).unwrap();
    let case = Case::new(graph, 20);
    let model: Model = (*case.model).clone();
    let mut trainer = Trainer::new(
        model,
        engine(1, Simd::best()),
        Box::new(Adam::default()),
        None,
    );
    let upstream = numbers("other", 60, [-1.0, 1.0]);
    for pass in 0..2 {
        trainer.step(&case.batch(), Draw { pass, ..PASSES }, &|row, _, up| {
            up.copy_from_slice(&upstream[3 * row..3 * row + 3]);
            0.0
        });
    }
    assert_eq!(trainer.model().params[1][..2], case.model.params[1][..2]);
    assert_ne!(trainer.model().params[0], case.model.params[0]);
}

#[test]
fn the_network_in_training_is_that_of_its_weights() {
    let case = Case::new(stochastic(), 40);
    let engine = engine(2, Simd::best());
    let model: Model = (*case.model).clone();
    let optimizer = Box::new(Adam::default());
    let mut trainer = Trainer::new(model, Arc::clone(&engine), optimizer, None);
    let ones = |_: usize, _: usize, _: &[&[f32]], up: &mut [&mut [f32]]| up[0].fill(1.0);
    let pulled = |network: &Network| {
        let (batch, noise) = (case.batch(), [Noise::Off, Noise::Draw(PASSES)]);
        let gradient = network.vjp(&batch, &noise, &[Tap::Logits], &ones);
        (network.logits(&batch, noise[1]), gradient.unwrap())
    };
    let mut held = None;
    for pass in 0..4 {
        let network = trainer.network();
        assert!(Arc::ptr_eq(&network, &trainer.network()));
        let anew = Network::new(Arc::new(trainer.model().clone()), Arc::clone(&engine));
        assert!(pulled(&network) == pulled(&anew), "step {pass}");
        // Every other network is still held when its weights move.
        held = (pass % 2 == 0).then_some(network);
        trainer.step(&case.batch(), Draw { pass, ..PASSES }, &|_, _, up| {
            up[0] = 0.1;
            0.0
        });
    }
    assert!(held.is_none());
}

#[test]
fn a_profile_changes_no_bit() {
    static TICKS: AtomicU64 = AtomicU64::new(0);
    let case = Case::new(stochastic(), 83);
    let width = case.width();
    let upstream = numbers("other", 83 * width, [-1.0, 1.0]);
    let step = |profiled: bool| {
        let model: Model = (*case.model).clone();
        let mut trainer = Trainer::new(
            model,
            engine(2, Simd::best()),
            Box::new(Adam::default()),
            None,
        );
        if profiled {
            trainer.start_profile(|| TICKS.fetch_add(1, Ordering::Relaxed));
        }
        trainer.step(&case.batch(), PASSES, &|row, _, up| {
            up.copy_from_slice(&upstream[width * row..width * (row + 1)]);
            0.0
        });
        (trainer.take_profile(), trainer.into_model())
    };
    let ((none, plain), (profile, profiled)) = (step(false), step(true));
    assert!(none.is_none());
    assert_eq!(plain.params, profiled.params);
    let profile = profile.unwrap();
    let seen = |phase| (0..plain.params.len()).any(|layer| profile.nanos(layer, phase) > 0);
    assert!(
        Phase::ALL
            .into_iter()
            .filter(|p| *p != Phase::Statistics)
            .all(seen)
    );
}

#[test]
fn bytes_are_pixels_over_255() {
    let mut case = Case::new(stochastic(), 9);
    let bytes: Vec<u8> = (0..9 * 36).map(|i| (i * 7 % 256) as u8).collect();
    case.x = bytes.iter().map(|&b| f32::from(b) / 255.0).collect();
    let network = network(&case, &engine(1, Simd::best()));
    let stored = Batch {
        pixels: Pixels::U8(&bytes),
        ..case.batch()
    };
    let outputs = |batch: &Batch<'_>| network.logits(batch, Noise::Off);
    assert_eq!(outputs(&stored), outputs(&case.batch()));
}

#[test]
fn a_last_batch_of_one_joins_the_one_before() {
    struct Steps(Vec<usize>);
    impl Watch for Steps {
        fn step(&mut self, _: Epoch, done: usize) -> bool {
            self.0.push(done);
            true
        }
    }
    for (n, expected) in [(8, vec![4, 8]), (9, vec![4, 9]), (10, vec![4, 8, 10])] {
        let case = Case::new(stochastic(), n);
        let set = Set {
            pixels: Pixels::F32(&case.x),
            labels: &vec![1; n],
        };
        let training = Training::plain(1, 4, 0);
        let (model, mut steps) = ((*case.model).clone(), Steps(Vec::new()));
        let engine = engine(1, Simd::best());
        training
            .run(model, (0, None), &set, engine, &mut steps)
            .unwrap();
        assert_eq!(steps.0, expected);
    }
}

#[test]
fn batches_of_no_images_are_refused() {
    let case = Case::new(stochastic(), 4);
    let set = Set {
        pixels: Pixels::F32(&case.x),
        labels: &[0, 1, 2, 3],
    };
    let training = Training::plain(1, 0, 0);
    let model = (*case.model).clone();
    let engine = engine(1, Simd::best());
    let refused = training.run(model, (0, None), &set, engine, &mut ());
    let said = refused.unwrap_err().to_string();
    assert_eq!(said, "batch_size must be at least 1, got 0");
}

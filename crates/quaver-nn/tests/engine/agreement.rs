//! One case under every instruction set: outputs, input gradient, weight gradients and batch
//! statistics against the reference, and the same bits from all.

use crate::reference::{Reference, Statistics};
use quaver_nn::engine::Engine;
use quaver_nn::graph::Graph;
use quaver_nn::model::{Info, Model};
use quaver_nn::network::{Network, Tap};
use quaver_nn::noise::{Draw, Noise, Purpose};
use quaver_nn::optim::{self, Adam, Moments};
use quaver_nn::train::{CrossEntropy, FitError, Method, Set, State, Trainer, Watch, fit, schedule};
use quaver_nn::{Batch, Pixels, Simd};
use std::sync::Arc;

/// `n` numbers spread over `[low, high)`, the same for the same name.
pub(crate) fn numbers(name: &str, n: usize, [low, high]: [f32; 2]) -> Vec<f32> {
    let draw = Draw {
        seed: 17,
        purpose: Purpose::Bench,
        pass: 0,
    };
    let mut out = vec![0.0; n];
    draw.of_layer(name).uniforms(&mut out);
    out.iter_mut().for_each(|v| *v = low + (high - low) * *v);
    out
}

/// Every instruction set of the machine.
pub(crate) fn every_simd() -> impl Iterator<Item = Simd> {
    Simd::available().into_iter()
}

pub(crate) fn engine(threads: usize, simd: Simd) -> Arc<Engine> {
    Arc::new(Engine::new(threads, Some(simd)).unwrap())
}

/// A model on a batch.
pub(crate) struct Case {
    pub(crate) model: Arc<Model>,
    pub(crate) x: Vec<f32>,
    pub(crate) ids: Vec<u64>,
}

/// What the engine makes of a case.
#[derive(Debug, PartialEq)]
pub(crate) struct Results {
    pub(crate) outputs: Vec<u32>,
    pub(crate) gradient: Vec<u32>,
    pub(crate) loss: u64,
    /// Weight gradients of one step, by node and parameter (0 for what is not trained).
    pub(crate) weights: Vec<Vec<Vec<u32>>>,
    /// Parameters after the step.
    pub(crate) params: Vec<Vec<Vec<u32>>>,
}

pub(crate) fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

fn all_bits(params: &[Vec<Vec<f32>>]) -> Vec<Vec<Vec<u32>>> {
    let node = |node: &Vec<Vec<f32>>| node.iter().map(|p| bits(p)).collect();
    params.iter().map(node).collect()
}

const TRAIN: Draw = Draw {
    seed: 3,
    purpose: Purpose::Train,
    pass: 5,
};
pub(crate) const DRAWN: Noise = Noise::draw(4, Purpose::Passes, 2);

/// Epochs, batch size and seed of a run with the plain step, and its optimizer and schedule.
pub(crate) struct Training {
    pub(crate) epochs: u32,
    pub(crate) batch_size: usize,
    pub(crate) seed: u64,
    pub(crate) optimizer: &'static str,
    pub(crate) schedule: &'static str,
}

impl Training {
    pub(crate) fn plain(epochs: u32, batch_size: usize, seed: u64) -> Self {
        Self {
            epochs,
            batch_size,
            seed,
            optimizer: "adam",
            schedule: "constant",
        }
    }

    pub(crate) fn run(
        &self,
        model: Model,
        from: (u32, Option<State>),
        set: &Set<'_>,
        engine: Arc<Engine>,
        watch: &mut dyn Watch,
    ) -> Result<(Model, bool), FitError> {
        let method = Method {
            epochs: self.epochs,
            batch_size: self.batch_size,
            learning_rate: 1e-3,
            seed: self.seed,
            schedule: &*schedule::build(self.schedule).unwrap().0,
            step: &CrossEntropy,
            augment: &[],
        };
        let optimizer = optim::build(self.optimizer).unwrap().0;
        fit(model, from, set, &method, optimizer, engine, watch)
    }
}

impl Case {
    /// `n` examples in [-1, 1) and random parameters: normalizations get statistics and scales of
    /// both signs, as training leaves them.
    pub(crate) fn new(graph: Graph, n: usize) -> Self {
        let mut model = Model::new(graph, Info::default(), 7);
        for (i, specs) in model.graph.params().into_iter().enumerate() {
            let normalizes = model.graph.nodes()[i].op.name() == "batch_norm";
            for (p, spec) in specs.iter().enumerate().filter(|_| normalizes) {
                let name = format!("{i}.{}", spec.name);
                let range = match spec.name {
                    "running_var" => [0.3, 2.0],
                    "weight" if !spec.trainable => [1.0, 1.0],
                    _ => [-1.5, 1.5],
                };
                model.params[i][p] = numbers(&name, spec.shape[0], range);
            }
        }
        let size = model.graph.input_shape().iter().product::<usize>();
        Self {
            x: numbers("x", n * size, [-1.0, 1.0]),
            // Neither small nor consecutive: nothing may take a row's place for its id.
            ids: (0..n as u64).map(|i| (i * 7919) ^ (i << 37)).collect(),
            model: Arc::new(model),
        }
    }

    pub(crate) fn batch(&self) -> Batch<'_> {
        Batch {
            pixels: Pixels::F32(&self.x),
            rows: None,
            ids: &self.ids,
        }
    }

    pub(crate) fn width(&self) -> usize {
        self.model.graph.output_shape().iter().product()
    }

    /// An upstream gradient for every output of the batch.
    pub(crate) fn upstream(&self) -> Vec<f32> {
        numbers("upstream", self.ids.len() * self.width(), [-1.0, 1.0])
    }

    /// Runs the engine forward, back, and through one training step.
    pub(crate) fn run(&self, engine: &Arc<Engine>, noise: Noise) -> Results {
        let network = Network::new(Arc::clone(&self.model), Arc::clone(engine));
        let width = self.width();
        let upstream = self.upstream();
        let of = |row: usize| &upstream[row * width..(row + 1) * width];
        let outputs = network.logits(&self.batch(), noise);
        let pull = |row: usize, _: usize, _: &[&[f32]], up: &mut [&mut [f32]]| {
            up[0].copy_from_slice(of(row))
        };
        let (again, gradient) = network
            .vjp(&self.batch(), &[noise], &[Tap::Logits], &pull)
            .unwrap();
        assert_eq!(bits(&outputs), bits(&again[0]), "outputs of vjp");
        // Without momentum Adam's mean gradient is the gradient.
        let adam = Box::new(Adam(Moments {
            beta1: 0.0,
            ..Moments::default()
        }));
        let mut trainer = Trainer::new((*self.model).clone(), Arc::clone(engine), adam, None);
        let loss = trainer.step(&self.batch(), TRAIN, &|row, logits, up| {
            up.copy_from_slice(of(row));
            let terms = logits.iter().zip(of(row));
            terms.map(|(l, u)| f64::from(*l) * f64::from(*u)).sum()
        });
        Results {
            outputs: bits(&outputs),
            gradient: bits(&gradient),
            loss: loss.to_bits(),
            weights: all_bits(&trainer.state().values[0].1),
            params: all_bits(&trainer.model().params),
        }
    }

    /// Holds the engine under `simds` and `noise` to the reference.
    pub(crate) fn agree(&self, simds: impl Iterator<Item = Simd>, noise: Noise, tolerance: f64) {
        let all: Vec<_> = simds
            .map(|simd| (simd, self.run(&engine(1, simd), noise)))
            .collect();
        let (first, results) = &all[0];
        for (simd, other) in &all[1..] {
            assert!(results == other, "{simd:?} and {first:?} differ in bits");
        }
        self.agree_without_training(results, noise, tolerance);
        self.agree_in_training(results, tolerance);
    }

    /// Holds outputs and input gradient to the reference.
    pub(crate) fn agree_without_training(&self, results: &Results, noise: Noise, tolerance: f64) {
        let reference = Reference::new(&self.model);
        let last = self.model.graph.nodes().len();
        let trace = reference.forward(&wide(&self.x), &self.ids, noise, Statistics::Running);
        let pulled = reference.backward(&trace, last, &wide(&self.upstream()));
        let outputs = &trace.values[last];
        close("outputs", &results.outputs, outputs, tolerance);
        let (got, expected) = (&results.gradient, &pulled.input);
        close("input gradient", got, expected, tolerance);
    }

    fn agree_in_training(&self, results: &Results, tolerance: f64) {
        let reference = Reference::new(&self.model);
        let (x, upstream) = (wide(&self.x), wide(&self.upstream()));
        let last = self.model.graph.nodes().len();
        let train = Noise::Draw(TRAIN);
        let trace = reference.forward(&x, &self.ids, train, Statistics::Batch);
        let pulled = reference.backward(&trace, last, &upstream);
        for (i, specs) in self.model.graph.params().iter().enumerate() {
            for (p, spec) in specs.iter().enumerate().filter(|(_, spec)| spec.trainable) {
                let what = format!("gradient of {i}.{}", spec.name);
                let (got, expected) = (&results.weights[i][p], &pulled.params[i][p]);
                within(
                    &what,
                    got,
                    expected,
                    tolerance * largest(&pulled.sizes[i][p]),
                );
            }
            if let Some([mean, variance]) = reference.running(&trace, i) {
                let got = &results.params[i];
                close("running mean", &got[2], &mean, tolerance);
                close("running variance", &got[3], &variance, tolerance);
            }
        }
        let terms = trace.values[last].iter().zip(&upstream);
        let scale: f64 = terms.clone().map(|(l, u)| (l * u).abs()).sum();
        let loss: f64 = terms.map(|(l, u)| l * u).sum();
        let off = (f64::from_bits(results.loss) - loss).abs();
        assert!(off <= tolerance * scale, "loss off by {off} of {scale}");
    }
}

pub(crate) fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |m: f64, v| m.max(v.abs()))
}

/// Every difference at most `tolerance` of the largest magnitude.
pub(crate) fn close(what: &str, got: &[u32], expected: &[f64], tolerance: f64) {
    within(what, got, expected, tolerance * largest(expected));
}

/// Every difference at most `limit`.
fn within(what: &str, got: &[u32], expected: &[f64], limit: f64) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (i, (got, e)) in got.iter().zip(expected).enumerate() {
        let got = f32::from_bits(*got);
        let off = (f64::from(got) - e).abs();
        assert!(
            off <= limit,
            "{what}[{i}]: engine {got}, reference {e}, allowed {limit:e}"
        );
    }
}

//! The body of `quaver bench` and of `cargo bench`: times what the commands call, layout
//! conversion and noise included, and compares it with a loop of fused multiply-adds that
//! never leaves the registers.

mod profile;

use quaver::classifier::{Batch, Classifier, Draw, Noise, Purpose};
use quaver::data::{Dataset, Split, digits};
use quaver::network::Network;
use quaver_nn::arch::{DropoutPlacement, Spec, Topology};
use quaver_nn::engine::Engine;
use quaver_nn::loss::cross_entropy;
use quaver_nn::model::{Info, Model};
use quaver_nn::optim::Adam;
use quaver_nn::train::{CrossEntropy, Set, Step, Trainer};
use serde::Serialize;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

/// What to measure.
pub(crate) struct Settings {
    pub(crate) arch: Vec<String>,
    pub(crate) topology: Vec<String>,
    /// Images a training step.
    pub(crate) batch_size: usize,
    /// Seconds for each figure.
    pub(crate) seconds: f64,
    /// Tell where training's time goes, layer by layer, and measure nothing else.
    pub(crate) profile: bool,
}

/// Images of the forward pass, the gradient and the passes.
const N_IMAGES: usize = 1000;
/// Monte-Carlo passes.
const N_PASSES: u32 = 50;

/// All figures of a run.
#[derive(Serialize)]
pub(crate) struct Speed {
    schema: u32,
    simd: &'static str,
    threads: usize,
    /// Register-resident multiply-adds, 10⁹ floating-point operations a second.
    fma_gflops: f64,
    rows: Vec<Row>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    profile: Vec<profile::Row>,
}

#[derive(Serialize)]
struct Row {
    arch: String,
    topology: String,
    work: &'static str,
    batch: usize,
    images_per_second: f64,
    /// Slowest and fastest repetition.
    low: f64,
    high: f64,
    /// Of the products the work needs.
    gflops: f64,
    share_of_fma: f64,
}

/// Runs `work`, which handles `n` images, for about `seconds`: median, slowest, fastest
/// images a second.
fn rate(n: usize, seconds: f64, mut work: impl FnMut()) -> [f64; 3] {
    work();
    let began = Instant::now();
    let mut rates = Vec::new();
    while rates.len() < 3 || began.elapsed().as_secs_f64() < seconds {
        let start = Instant::now();
        work();
        rates.push(n as f64 / start.elapsed().as_secs_f64());
    }
    rates.sort_by(f64::total_cmp);
    [rates[rates.len() / 2], rates[0], rates[rates.len() - 1]]
}

/// Measures everything `settings` names; what is measured returns when `go_on` says no.
///
/// # Errors
/// An unknown architecture or topology.
pub(crate) fn measure(
    settings: &Settings,
    engine: &Arc<Engine>,
    go_on: &dyn Fn() -> bool,
) -> anyhow::Result<Speed> {
    let test = digits::draw(0, Split::Test, N_IMAGES)?;
    let train = digits::draw(0, Split::Train, settings.batch_size)?;
    // What nothing can exceed is what the loop once reached.
    let [_, _, flops] = rate(1, settings.seconds, || {
        std::hint::black_box(engine.fma_loop(FMA_ROUNDS));
    });
    let fma_gflops = flops * engine.fma_loop_flops(FMA_ROUNDS) * 1e-9;
    let mut rows = Vec::new();
    let mut profile = Vec::new();
    for arch in &settings.arch {
        for topology in &settings.topology {
            if !go_on() {
                continue;
            }
            let mut bench = Subject::new(arch, topology, engine)?;
            if settings.profile {
                profile.extend(bench.profile(settings, &train, fma_gflops));
                continue;
            }
            bench.all(settings, (&train, &test), fma_gflops, &mut rows)?;
        }
    }
    let simd = engine.simd().name();
    Ok(Speed {
        schema: 1,
        simd,
        threads: engine.threads(),
        fma_gflops,
        rows,
        profile,
    })
}

// A millisecond or less: short enough that a busy machine leaves some of them alone.
const FMA_ROUNDS: u64 = 100_000;

struct Subject<'a> {
    arch: &'a str,
    topology: &'a str,
    model: Model,
    engine: &'a Arc<Engine>,
}

impl<'a> Subject<'a> {
    fn new(arch: &'a str, topology: &'a str, engine: &'a Arc<Engine>) -> anyhow::Result<Self> {
        let known = Topology::find(topology)
            .ok_or_else(|| anyhow::anyhow!("unknown topology {topology:?}; see quaver list"))?;
        let spec = Spec {
            filters: None,
            arch: arch.into(),
            precision: known.precision()?,
            dropout: known.dropout,
            dropout_placement: DropoutPlacement::Dense,
            input: vec![1, digits::SIDE, digits::SIDE],
            n_classes: 10,
        };
        let model = Model::new(spec.graph()?, Info::default(), 0);
        Ok(Self {
            arch,
            topology,
            model,
            engine,
        })
    }

    fn all(
        &mut self,
        settings: &Settings,
        (train, test): (&Dataset, &Dataset),
        fma_gflops: f64,
        rows: &mut Vec<Row>,
    ) -> anyhow::Result<()> {
        let network = Network::new(Arc::new(self.model.clone()), Arc::clone(self.engine))?;
        let products = network.layer_products();
        let total: u64 = products.iter().sum();
        let first = products.iter().copied().find(|&p| p > 0).unwrap_or(0);
        let mut row = |work, batch, [images_per_second, low, high]: [f64; 3], products: u64| {
            let gflops = 2e-9 * products as f64 * images_per_second;
            rows.push(Row {
                arch: self.arch.into(),
                topology: self.topology.into(),
                work,
                batch,
                images_per_second,
                low,
                high,
                gflops,
                share_of_fma: gflops / fma_gflops,
            });
        };
        // Forward, weight gradients, and input gradients of all layers but the first.
        let trained = self.train(settings, train);
        row("training", settings.batch_size, trained, 3 * total - first);
        let x = test.images(0..test.len());
        let batch = Batch {
            x: x.view(),
            ids: test.ids(),
        };
        let labels = test.labels();
        let n = test.len();
        let mut failed = None;
        let seconds = settings.seconds;
        let forward = rate(n, seconds, || {
            failed = network.logits(batch, Noise::Off).err();
        });
        row("forward", n, forward, total);
        let noise = [Noise::draw(0, Purpose::Bench, 0)];
        let gradient = rate(n, seconds, || {
            let loss = |row: usize, _: usize, logits: &[f32], upstream: &mut [f32]| {
                cross_entropy(logits, labels[row], 1.0, upstream);
            };
            failed = network.vjp(batch, &noise, None, &loss).err();
        });
        row("input gradient", n, gradient, 2 * total);
        let draw = Draw {
            seed: 0,
            purpose: Purpose::Bench,
            pass: 0,
        };
        let passes = rate(n, seconds, || {
            let sink = |_: usize, _: u32, logits: &[f32]| {
                std::hint::black_box(logits);
            };
            failed = network.passes(batch, draw, N_PASSES, &sink).err();
        });
        let noisy: u64 = network.noisy_products();
        row(
            "50 passes",
            n,
            passes,
            total - noisy + u64::from(N_PASSES) * noisy,
        );
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    fn train(&self, settings: &Settings, train: &Dataset) -> [f64; 3] {
        let mut trainer = self.trainer();
        let mut step = steps(train);
        rate(train.len(), settings.seconds, || step(&mut trainer))
    }

    fn profile(&self, settings: &Settings, train: &Dataset, fma_gflops: f64) -> Vec<profile::Row> {
        let products =
            quaver_nn::network::Network::new(Arc::new(self.model.clone()), Arc::clone(self.engine))
                .layer_products();
        let subject = profile::Subject {
            arch: self.arch,
            topology: self.topology,
            batch: train.len(),
            products: &products,
            threads: self.engine.threads(),
            thread_gflops: fma_gflops / self.engine.threads() as f64,
        };
        profile::profile(
            &subject,
            &mut self.trainer(),
            settings.seconds,
            steps(train),
        )
    }

    fn trainer(&self) -> Trainer {
        let engine = Arc::clone(self.engine);
        Trainer::new(self.model.clone(), engine, Adam::default(), None)
    }
}

/// Training steps over all of `train`, one after another.
fn steps(train: &Dataset) -> impl FnMut(&mut Trainer) {
    let floats = train.images(0..train.len());
    let rows: Vec<usize> = (0..train.len()).collect();
    let mut pass = 0;
    move |trainer| {
        pass += 1;
        let draw = Draw {
            seed: 0,
            purpose: Purpose::Train,
            pass,
        };
        let pixels = match train.pixels() {
            quaver::data::Pixels::Bytes(bytes) => bytes.as_slice().map(quaver_nn::Pixels::U8),
            quaver::data::Pixels::Floats(values) => values.as_slice().map(quaver_nn::Pixels::F32),
        };
        let set = Set {
            pixels: pixels
                .unwrap_or_else(|| quaver_nn::Pixels::F32(floats.as_slice().unwrap_or_default())),
            labels: train.labels(),
        };
        CrossEntropy.run(trainer, &set, &rows, draw);
    }
}

/// The figures as a table.
pub(crate) fn text(speed: &Speed) -> String {
    let mut out = format!(
        "{} threads, {}; register-resident multiply-adds: {:.1} GFLOP/s\n",
        speed.threads, speed.simd, speed.fma_gflops
    );
    if !speed.profile.is_empty() {
        return out + &profile::text(&speed.profile);
    }
    let _ = writeln!(
        out,
        "{:16} {:16} {:16} {:>6} {:>10} {:>21} {:>8} {:>6}",
        "architecture",
        "topology",
        "work",
        "batch",
        "images/s",
        "[slowest, fastest]",
        "GFLOP/s",
        "share"
    );
    for row in &speed.rows {
        let range = format!("[{:.0}, {:.0}]", row.low, row.high);
        let _ = writeln!(
            out,
            "{:16} {:16} {:16} {:>6} {:>10.0} {range:>21} {:>8.1} {:>5.0} %",
            row.arch,
            row.topology,
            row.work,
            row.batch,
            row.images_per_second,
            row.gflops,
            100.0 * row.share_of_fma
        );
    }
    out
}

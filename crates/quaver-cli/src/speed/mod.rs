//! The body of `quaver bench` and of `cargo bench`: times what the commands call, layout
//! conversion and noise included, and compares it with a loop of fused multiply-adds that
//! never leaves the registers.

mod packed;
mod profile;
mod sweep;
mod work;

pub(crate) use work::Work;

use ndarray::Array4;
use quaver::data::{Split, digits};
use quaver::observe::Observer;
use quaver_nn::arch::{DropoutPlacement, Spec, Topology};
use quaver_nn::engine::Engine;
use quaver_nn::model::{Info, Model};
use serde::Serialize;
use std::cell::Cell;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;
use work::Bench;

/// How to measure.
pub(crate) struct Settings {
    pub(crate) work: Vec<Work>,
    /// Images a training step, one figure each.
    pub(crate) batch_sizes: Vec<usize>,
    /// Images of everything else: the first of those there are.
    pub(crate) n: usize,
    /// Monte-Carlo passes in the middle of a sweep.
    pub(crate) passes: u32,
    /// How attacks are run.
    pub(crate) attacks: quaver::attack::run::Options,
    /// Seconds for each figure.
    pub(crate) seconds: f64,
}

/// Tells an observer which figure is measured, of how many.
struct Told<'a> {
    observer: &'a dyn Observer,
    done: Cell<u64>,
}

impl<'a> Told<'a> {
    fn begin(observer: &'a dyn Observer, figures: usize) -> Self {
        observer.begin("measuring", figures as u64);
        Self {
            observer,
            done: Cell::new(0),
        }
    }

    /// The next figure begins, if it shall.
    fn next(&self, subject: &Subject, what: &str) -> bool {
        let note = format!("{} {}, {what}", subject.arch, subject.topology);
        self.observer.progress(self.done.get(), &note);
        self.done.set(self.done.get() + 1);
        self.observer.go_on()
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.observer.end();
    }
}

/// A network to measure.
pub(crate) struct Subject {
    pub(crate) arch: String,
    pub(crate) topology: String,
    pub(crate) model: Model,
}

impl Subject {
    /// A network for digits with fresh weights.
    ///
    /// # Errors
    /// An unknown architecture or topology.
    pub(crate) fn fresh(arch: &str, topology: &str) -> anyhow::Result<Self> {
        let known = Topology::find(topology)
            .ok_or_else(|| anyhow::anyhow!("unknown topology {topology:?}; see quaver list"))?;
        let spec = Spec {
            arch: arch.into(),
            precision: known.precision()?,
            dropout: known.dropout,
            dropout_placement: DropoutPlacement::Dense,
            input: vec![1, digits::SIDE, digits::SIDE],
            n_classes: 10,
        };
        Ok(Self {
            arch: arch.into(),
            topology: topology.into(),
            model: Model::new(spec.graph()?, Info::default(), 0),
        })
    }
}

/// Images to measure on.
pub(crate) struct Images {
    /// `(n, c, h, w)`.
    pub(crate) x: Array4<f32>,
    pub(crate) labels: Vec<usize>,
    pub(crate) ids: Vec<u64>,
    /// For targeted attacks; drawn at random where there are none.
    pub(crate) targets: Option<Vec<usize>>,
}

impl Images {
    /// `n` digits of the test split.
    ///
    /// # Errors
    /// More than there are.
    pub(crate) fn digits(n: usize, observer: &dyn Observer) -> anyhow::Result<Self> {
        let test = digits::draw(0, Split::Test, n, observer)?;
        Ok(Self {
            x: test.images(0..n),
            labels: test.labels().to_vec(),
            ids: test.ids().to_vec(),
            targets: None,
        })
    }
}

/// All figures of a run.
#[derive(Serialize)]
pub(crate) struct Speed {
    schema: u32,
    simd: &'static str,
    threads: usize,
    /// Register-resident multiply-adds, 10⁹ floating-point operations a second.
    fma_gflops: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rows: Vec<Row>,
    /// Networks with binary layers: bits against floats.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    packed: Vec<packed::Ratio>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    profile: Vec<profile::Row>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    curves: Vec<sweep::Curve>,
}

#[derive(Serialize)]
struct Row {
    arch: String,
    topology: String,
    work: String,
    batch: usize,
    images_per_second: f64,
    /// Slowest and fastest repetition.
    low: f64,
    high: f64,
    repetitions: usize,
    /// Of the products the work needs; `None` for attacks, which do more than multiply.
    gflops: Option<f64>,
    share_of_fma: Option<f64>,
}

/// Images a second.
#[derive(Clone, Copy)]
struct Rate {
    median: f64,
    slowest: f64,
    fastest: f64,
    repetitions: usize,
}

impl Rate {
    /// Of at least one repetition.
    fn of(mut rates: Vec<f64>) -> Self {
        rates.sort_by(f64::total_cmp);
        Self {
            median: rates[rates.len() / 2],
            slowest: rates[0],
            fastest: rates[rates.len() - 1],
            repetitions: rates.len(),
        }
    }
}

/// Runs `work`, which handles `n` images, for about `seconds`. The first run warms up; where it
/// alone takes longer it is the figure.
fn rate(
    n: usize,
    seconds: f64,
    mut work: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Rate> {
    let began = Instant::now();
    work()?;
    let first = began.elapsed().as_secs_f64();
    let mut rates = vec![n as f64 / first];
    if first < seconds {
        rates.clear();
        while rates.len() < 3 || began.elapsed().as_secs_f64() < seconds {
            let start = Instant::now();
            work()?;
            rates.push(n as f64 / start.elapsed().as_secs_f64());
        }
    }
    Ok(Rate::of(rates))
}

/// A millisecond or less: short enough that a busy machine leaves some of them alone.
const FMA_ROUNDS: u64 = 100_000;

impl Speed {
    fn new(engine: &Engine, seconds: f64) -> anyhow::Result<Self> {
        let flops = rate(1, seconds.min(0.2), || {
            std::hint::black_box(engine.fma_loop(FMA_ROUNDS));
            Ok(())
        })?;
        Ok(Self {
            schema: 2,
            simd: engine.simd().name(),
            threads: engine.threads(),
            // What nothing can exceed is what the loop once reached.
            fma_gflops: flops.fastest * engine.fma_loop_flops(FMA_ROUNDS) * 1e-9,
            rows: Vec::new(),
            packed: Vec::new(),
            profile: Vec::new(),
            curves: Vec::new(),
        })
    }

    fn push(
        &mut self,
        subject: &Subject,
        work: String,
        batch: usize,
        rate: Rate,
        products: Option<f64>,
    ) {
        let gflops = products.map(|products| 2e-9 * products * rate.median);
        self.rows.push(Row {
            arch: subject.arch.clone(),
            topology: subject.topology.clone(),
            work,
            batch,
            images_per_second: rate.median,
            low: rate.slowest,
            high: rate.fastest,
            repetitions: rate.repetitions,
            gflops,
            share_of_fma: gflops.map(|gflops| gflops / self.fma_gflops),
        });
    }
}

/// Measures every work on every subject; what is measured returns when the observer says stop.
///
/// # Errors
/// What the networks or attacks refuse.
pub(crate) fn measure(
    settings: &Settings,
    subjects: &[Subject],
    images: &Images,
    engine: &Arc<Engine>,
    observer: &dyn Observer,
) -> anyhow::Result<Speed> {
    let mut speed = Speed::new(engine, settings.seconds)?;
    let batches = |work: &Work| match work {
        Work::Training => settings.batch_sizes.clone(),
        _ => vec![settings.n],
    };
    let figures: usize = settings.work.iter().map(|work| batches(work).len()).sum();
    let told = Told::begin(observer, figures * subjects.len());
    for subject in subjects {
        let bench = Bench::new(subject, images, settings, engine)?;
        for work in &settings.work {
            for batch in batches(work) {
                if !told.next(subject, &work.name()) {
                    continue;
                }
                let rate = bench.rate(work, batch)?;
                speed.push(subject, work.name(), batch, rate, bench.products(work));
            }
        }
        let forward = settings
            .work
            .iter()
            .any(|work| matches!(work, Work::Forward));
        if forward && observer.go_on() {
            packed::measure(&mut speed, subject, images, settings, engine);
        }
    }
    Ok(speed)
}

/// Where the time of training steps goes, layer by layer.
///
/// # Errors
/// As [`measure`].
pub(crate) fn profiled(
    settings: &Settings,
    subjects: &[Subject],
    images: &Images,
    engine: &Arc<Engine>,
    observer: &dyn Observer,
) -> anyhow::Result<Speed> {
    let mut speed = Speed::new(engine, settings.seconds)?;
    let told = Told::begin(observer, settings.batch_sizes.len() * subjects.len());
    for subject in subjects {
        let bench = Bench::new(subject, images, settings, engine)?;
        for &batch in &settings.batch_sizes {
            if !told.next(subject, "profile") {
                continue;
            }
            let thread_gflops = speed.fma_gflops / engine.threads() as f64;
            speed.profile.extend(bench.profile(batch, thread_gflops));
        }
    }
    Ok(speed)
}

/// Throughput over threads and batch size, cost over images and passes.
///
/// # Errors
/// As [`measure`].
pub(crate) fn swept(
    settings: &Settings,
    subjects: &[Subject],
    images: &Images,
    engine: &Arc<Engine>,
    observer: &dyn Observer,
) -> anyhow::Result<Speed> {
    let mut speed = Speed::new(engine, settings.seconds)?;
    speed.curves = sweep::curves(settings, subjects, images, engine, observer)?;
    Ok(speed)
}

impl Speed {
    /// The curves as a picture.
    pub(crate) fn scene(&self) -> quaver::report::scene::Scene {
        sweep::scene(&self.curves, self.simd)
    }

    /// The figures as a table.
    pub(crate) fn text(&self) -> String {
        let mut out = format!(
            "{} threads, {}; register-resident multiply-adds: {:.1} GFLOP/s\n",
            self.threads, self.simd, self.fma_gflops
        );
        if !self.rows.is_empty() {
            self.rows_text(&mut out);
        }
        out.push_str(&packed::text(&self.packed));
        out.push_str(&profile::text(&self.profile));
        out.push_str(&sweep::text(&self.curves));
        out
    }

    fn rows_text(&self, out: &mut String) {
        let names = self.rows.iter().map(|row| row.work.len());
        let width = names.max().unwrap_or(0).max(17);
        let _ = writeln!(
            out,
            "{:16} {:16} {:width$} {:>6} {:>10} {:>21} {:>8} {:>6}",
            "architecture",
            "topology",
            "work",
            "batch",
            "images/s",
            "[slowest, fastest]",
            "GFLOP/s",
            "share"
        );
        for row in &self.rows {
            let range = format!("[{:.0}, {:.0}]", row.low, row.high);
            let _ = write!(
                out,
                "{:16} {:16} {:width$} {:>6} {:>10.0} {range:>21}",
                row.arch, row.topology, row.work, row.batch, row.images_per_second,
            );
            if let (Some(gflops), Some(share)) = (row.gflops, row.share_of_fma) {
                let _ = write!(out, " {gflops:>8.1} {:>4.0} %", 100.0 * share);
            }
            out.push('\n');
        }
    }
}

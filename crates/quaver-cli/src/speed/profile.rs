//! Where a training step's time goes: layer by layer, and direction by direction.

use quaver_nn::profile::{Phase, Profile};
use quaver_nn::train::Trainer;
use serde::Serialize;
use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::Instant;

/// One layer at one kind of work.
#[derive(Serialize)]
pub(crate) struct Row {
    arch: String,
    topology: String,
    batch: usize,
    layer: String,
    op: String,
    phase: String,
    /// Of the time that all threads spend in layers.
    share: f64,
    microseconds_per_step: f64,
    /// Of one thread at this work; `None` where nothing is multiplied.
    gflops: Option<f64>,
    /// The same over what one thread reaches in registers.
    share_of_fma: Option<f64>,
}

/// Whose steps were timed, and what one thread could do.
pub(crate) struct Subject<'a> {
    pub(crate) arch: &'a str,
    pub(crate) topology: &'a str,
    pub(crate) batch: usize,
    pub(crate) products: &'a [u64],
    pub(crate) threads: usize,
    pub(crate) thread_gflops: f64,
}

fn nanoseconds() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_nanos() as u64
}

/// Times `step` over and over for about `seconds`. Each figure is a median over steps, so that
/// another program's turn on the processor does not show.
pub(crate) fn profile(
    subject: &Subject<'_>,
    trainer: &mut Trainer,
    seconds: f64,
    mut step: impl FnMut(&mut Trainer),
) -> Vec<Row> {
    step(trainer);
    let began = Instant::now();
    let mut steps = Vec::new();
    while steps.len() < 3 || began.elapsed().as_secs_f64() < seconds {
        trainer.start_profile(nanoseconds);
        let start = Instant::now();
        step(trainer);
        steps.push((start.elapsed().as_nanos() as u64, trainer.take_profile()));
    }
    let of_steps = |figure: &dyn Fn(u64, &Profile) -> u64| {
        let figures = steps.iter();
        median(figures.filter_map(|(wall, profile)| Some(figure(*wall, profile.as_ref()?))))
    };
    let mut cells = Vec::new();
    for i in 0..subject.products.len() {
        for phase in Phase::ALL {
            cells.push((i, phase, of_steps(&|_, profile| profile.nanos(i, phase))));
        }
    }
    let in_layers: f64 = cells.iter().map(|(.., nanos)| nanos).sum();
    let row = |[layer, op, phase]: [&str; 3], nanos: f64, products: Option<u64>| {
        let gflops = products.map(|p| 2.0 * p as f64 * subject.batch as f64 / nanos);
        Row {
            arch: subject.arch.into(),
            topology: subject.topology.into(),
            batch: subject.batch,
            layer: layer.into(),
            op: op.into(),
            phase: phase.into(),
            share: nanos / in_layers,
            microseconds_per_step: 1e-3 * nanos,
            gflops,
            share_of_fma: gflops.map(|gflops| gflops / subject.thread_gflops),
        }
    };
    let mut rows = Vec::new();
    let nodes = trainer.model().graph.nodes();
    for (i, phase, nanos) in cells {
        let (node, products) = (&nodes[i], subject.products[i]);
        if nanos / in_layers >= SMALLEST {
            let multiplies = phase.multiplies() && products > 0;
            let names = [&node.name, node.op.name(), phase.name()];
            rows.push(row(names, nanos, multiplies.then_some(products)));
        }
    }
    // Threads without work at a barrier, and what lies between the layers.
    let step = subject.threads as f64 * of_steps(&|wall, _| wall);
    let rest = (step - in_layers).max(0.0);
    rows.push(row(["", "", "waiting and the rest"], rest, None));
    rows
}

fn median(figures: impl Iterator<Item = u64>) -> f64 {
    let mut figures: Vec<u64> = figures.collect();
    figures.sort_unstable();
    figures[figures.len() / 2] as f64
}

/// Shares below are left out of the table.
const SMALLEST: f64 = 5e-4;

/// The rows as a table, an empty line between networks.
pub(crate) fn text(rows: &[Row]) -> String {
    let mut out = String::new();
    let mut last = ("", "");
    for row in rows {
        if last != (&row.arch, &row.topology) {
            last = (&row.arch, &row.topology);
            let _ = writeln!(
                out,
                "\n{} {}, training step of {} images, time of all threads in layers\n\
                 {:6} {:12} {:22} {:>7} {:>9} {:>9} {:>6}",
                row.arch,
                row.topology,
                row.batch,
                "layer",
                "op",
                "work",
                "share",
                "µs/step",
                "GFLOP/s",
                "share of multiply-adds"
            );
        }
        let _ = write!(
            out,
            "{:6} {:12} {:22} {:>5.1} % {:>9.1}",
            row.layer,
            row.op,
            row.phase,
            100.0 * row.share,
            row.microseconds_per_step
        );
        if let (Some(gflops), Some(share)) = (row.gflops, row.share_of_fma) {
            let _ = write!(out, " {gflops:>9.1} {:>4.0} %", 100.0 * share);
        }
        out.push('\n');
    }
    out
}

//! Binary layers on bits against the same on floats, in turn, in rounds.

use super::{Row, spread};
use quaver_nn::Pixels;
use quaver_nn::engine::Engine;
use quaver_nn::model::Model;
use quaver_nn::network::Network;
use serde::Serialize;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// How many times faster than on floats, medians of one run.
#[derive(Serialize)]
pub(crate) struct Ratio {
    arch: String,
    topology: String,
    /// The whole forward pass.
    forward: f64,
    /// The layers that work on bits alone.
    binary_layers: f64,
}

/// Seconds of one forward pass: all of it, and on its binary layers, a thread's share.
type Seconds = [f64; 2];

thread_local! {
    static LAST: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Times one forward pass and the layers that `on_bits` names within it.
fn time(network: &Network, engine: &Engine, x: &[f32], ids: &[u64], on_bits: &[bool]) -> Seconds {
    let binary = AtomicU64::new(0);
    let batch = quaver_nn::Batch {
        pixels: Pixels::F32(x),
        rows: None,
        ids,
    };
    let start = Instant::now();
    network.mark_layers(&batch, &|layer| {
        let now = Instant::now();
        let before = LAST.replace(Some(now));
        if let (Some(before), true) = (before, layer.is_some_and(|layer| on_bits[layer])) {
            let nanos = (now - before).as_nanos() as u64;
            binary.fetch_add(nanos, Ordering::Relaxed);
        }
    });
    let all = start.elapsed().as_secs_f64();
    let share = engine.threads() as f64;
    [all, binary.into_inner() as f64 * 1e-9 / share]
}

/// Rows of the forward pass on floats and of the binary layers on both, and the ratios; nothing
/// where no layer works on bits.
pub(super) fn measure(
    (arch, topology): (&str, &str),
    model: &Model,
    engine: &Arc<Engine>,
    (x, ids): (&[f32], &[u64]),
    seconds: f64,
) -> Option<(Vec<Row>, Ratio)> {
    let network = || Network::new(Arc::new(model.clone()), Arc::clone(engine));
    let networks = [network(), network().on_floats()];
    let on_bits = networks[0].layers_on_bits();
    if !on_bits.contains(&true) {
        return None;
    }
    let once = |network: &Network| time(network, engine, x, ids, &on_bits);
    networks.iter().for_each(|network| {
        once(network);
    });
    let began = Instant::now();
    let mut rounds: [Vec<Seconds>; 2] = [Vec::new(), Vec::new()];
    while rounds[0].len() < 5 || began.elapsed().as_secs_f64() < 2.0 * seconds {
        for (network, rounds) in networks.iter().zip(&mut rounds) {
            rounds.push(once(network));
        }
    }
    let rates = |which: usize, part: usize| {
        let rate = |round: &Seconds| ids.len() as f64 / round[part];
        spread(rounds[which].iter().map(rate).collect())
    };
    let ratio = |part: usize| rates(0, part)[0] / rates(1, part)[0];
    let products = networks[0].layer_products();
    let total: u64 = products.iter().sum();
    let binary = products
        .iter()
        .zip(&on_bits)
        .filter(|(_, on_bits)| **on_bits);
    let binary: u64 = binary.map(|(products, _)| products).sum();
    let row = |work, rates, products| Row::new((arch, topology), work, ids.len(), rates, products);
    let rows = vec![
        row("forward, floats", rates(1, 0), total),
        row("binary layers", rates(0, 1), binary),
        row("the same, floats", rates(1, 1), binary),
    ];
    let ratio = Ratio {
        arch: arch.into(),
        topology: topology.into(),
        forward: ratio(0),
        binary_layers: ratio(1),
    };
    Some((rows, ratio))
}

/// The ratios in words.
pub(super) fn text(ratios: &[Ratio]) -> String {
    let line = |ratio: &Ratio| {
        format!(
            "{} {}: on bits the forward pass is {:.1} times as fast as on floats, its binary \
             layers {:.1} times\n",
            ratio.arch, ratio.topology, ratio.forward, ratio.binary_layers
        )
    };
    ratios.iter().map(line).collect()
}

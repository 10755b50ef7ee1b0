//! Binary layers on bits against the same on floats, in turn, in rounds.

use super::{Images, Rate, Settings, Speed, Subject};
use ndarray::s;
use quaver_nn::Pixels;
use quaver_nn::engine::Engine;
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

/// Adds rows of the forward pass on floats and of the binary layers on both, and the ratios;
/// nothing where no layer works on bits.
pub(super) fn measure(
    speed: &mut Speed,
    subject: &Subject,
    images: &Images,
    settings: &Settings,
    engine: &Arc<Engine>,
) {
    let network = || Network::new(Arc::new(subject.model.clone()), Arc::clone(engine));
    let networks = [network(), network().on_floats()];
    let on_bits = networks[0].layers_on_bits();
    if !on_bits.contains(&true) {
        return;
    }
    let x = images.x.slice(s![..settings.n, .., .., ..]);
    let (x, ids): (Vec<f32>, _) = (x.iter().copied().collect(), &images.ids[..settings.n]);
    let once = |network: &Network| time(network, engine, &x, ids, &on_bits);
    networks.iter().for_each(|network| {
        once(network);
    });
    let began = Instant::now();
    let mut rounds: [Vec<Seconds>; 2] = [Vec::new(), Vec::new()];
    while rounds[0].len() < 5 || began.elapsed().as_secs_f64() < 2.0 * settings.seconds {
        for (network, rounds) in networks.iter().zip(&mut rounds) {
            rounds.push(once(network));
        }
    }
    let rate = |which: usize, part: usize| {
        let rate = |round: &Seconds| ids.len() as f64 / round[part];
        Rate::of(rounds[which].iter().map(rate).collect())
    };
    let ratio = |part: usize| rate(0, part).median / rate(1, part).median;
    let products = networks[0].layer_products();
    let total: u64 = products.iter().sum();
    let both = products.iter().zip(&on_bits);
    let binary: u64 = both
        .filter(|(_, on)| **on)
        .map(|(products, _)| products)
        .sum();
    for (work, rate, products) in [
        ("forward on floats", rate(1, 0), total),
        ("binary layers", rate(0, 1), binary),
        ("the same, floats", rate(1, 1), binary),
    ] {
        speed.push(subject, work.into(), ids.len(), rate, Some(products as f64));
    }
    speed.packed.push(Ratio {
        arch: subject.arch.clone(),
        topology: subject.topology.clone(),
        forward: ratio(0),
        binary_layers: ratio(1),
    });
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

//! Several outputs at once: each is what it is alone, and their gradients add up.

use crate::agreement::{Case, DRAWN, bits, close, engine, numbers, wide};
use crate::graphs::{residual, stochastic};
use quaver_nn::Simd;
use quaver_nn::network::{Network, Tap};
use quaver_nn::noise::{Noise, Purpose};
use std::sync::Arc;

fn networks() -> Vec<(Case, Network)> {
    let graphs = [residual(), stochastic()];
    let network = |case: Case| {
        let network = Network::new(Arc::clone(&case.model), engine(2, Simd::best()));
        (case, network)
    };
    graphs.map(|graph| network(Case::new(graph, 83))).into()
}

/// All outputs of a network, the last layer's twice: by its name and as the logits.
fn all_taps(network: &Network) -> Vec<Tap<'_>> {
    let layers = network.taps().iter().map(|name| Tap::Layer(name));
    layers.chain([Tap::Logits]).collect()
}

#[test]
fn each_output_is_what_it_is_alone() {
    for (case, network) in networks() {
        let taps = all_taps(&network);
        let (batch, draw) = (case.batch(), [Noise::Off, DRAWN]);
        let nothing = |_: usize, _: usize, _: &[&[f32]], _: &mut [&mut [f32]]| ();
        for noise in draw {
            let together = network.outputs(&batch, noise, &taps).unwrap();
            let (with_gradient, gradient) = network.vjp(&batch, &[noise], &taps, &nothing).unwrap();
            assert!(gradient.iter().all(|g| *g == 0.0));
            assert_eq!(together, with_gradient);
            for (tap, together) in taps.iter().zip(&together) {
                let alone = network.outputs(&batch, noise, &[*tap]).unwrap();
                assert_eq!(bits(&alone[0]), bits(together), "{tap:?}");
            }
            assert_eq!(network.outputs(&batch, noise, &[]).unwrap().len(), 0);
        }
    }
}

#[test]
fn gradients_add_up() {
    for (case, network) in networks() {
        let batch = case.batch();
        let noises: Vec<Noise> = (0..3).map(|k| Noise::draw(1, Purpose::Attack, k)).collect();
        let upstream = numbers("upstream", 1000, [-1.0, 1.0]);
        // Another gradient for every output, example and draw.
        let pulled = |t: usize, row: usize, k: usize, up: &mut [f32]| {
            let numbers = upstream.iter().cycle().skip(101 * t + 7 * row + k);
            up.iter_mut().zip(numbers).for_each(|(up, u)| *up = *u);
        };
        let taps = all_taps(&network);
        let mut sum = vec![0.0; case.x.len()];
        for (t, tap) in taps.iter().enumerate() {
            let one = |row: usize, k: usize, _: &[&[f32]], up: &mut [&mut [f32]]| {
                pulled(t, row, k, up[0]);
            };
            let (_, alone) = network.vjp(&batch, &noises, &[*tap], &one).unwrap();
            sum.iter_mut().zip(wide(&alone)).for_each(|(s, g)| *s += g);
        }
        let all = |row: usize, k: usize, outputs: &[&[f32]], up: &mut [&mut [f32]]| {
            assert_eq!((outputs.len(), up.len()), (taps.len(), taps.len()));
            for (t, up) in up.iter_mut().enumerate() {
                assert!(outputs[t].len() == up.len() && up.iter().all(|u| *u == 0.0));
                pulled(t, row, k, up);
            }
        };
        let (_, together) = network.vjp(&batch, &noises, &taps, &all).unwrap();
        close("gradient", &bits(&together), &sum, 1e-5);
    }
}

/// The gradient of a function of two layers' outputs is its slope.
#[test]
fn a_joint_gradient_is_the_slope() {
    for (case, network) in networks() {
        let taps = [Tap::Layer(&network.taps()[1]), Tap::Logits];
        // Half the sum of squares of the one, minus the sum of the other.
        let joint = |_: usize, _: usize, outputs: &[&[f32]], up: &mut [&mut [f32]]| {
            up[0].copy_from_slice(outputs[0]);
            up[1].fill(-1.0);
        };
        let (_, gradient) = network.vjp(&case.batch(), &[DRAWN], &taps, &joint).unwrap();
        let objective = |x: &[f32]| {
            let moved = quaver_nn::Batch {
                pixels: quaver_nn::Pixels::F32(x),
                ..case.batch()
            };
            let outputs = network.outputs(&moved, DRAWN, &taps).unwrap();
            let squares: f64 = wide(&outputs[0]).iter().map(|y| y * y / 2.0).sum();
            squares - wide(&outputs[1]).iter().sum::<f64>()
        };
        let step = 1e-3;
        for i in [0, 17, 30] {
            let mut x = case.x.clone();
            x[i] = case.x[i] + step;
            let above = objective(&x);
            x[i] = case.x[i] - step;
            let slope = (above - objective(&x)) / (2.0 * f64::from(step));
            let off = (f64::from(gradient[i]) - slope).abs();
            assert!(
                off <= 1e-2 * (1.0 + slope.abs()),
                "x[{i}]: {} is not {slope}",
                gradient[i]
            );
        }
    }
}

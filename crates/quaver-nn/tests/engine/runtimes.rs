//! One suite for all runtimes: every instruction set of the machine, with binary layers on floats
//! and on bits. A row of the table is a network, a runtime and a noise; all rows that fail are
//! reported.

use crate::agreement::{Case, DRAWN, bits, engine};
use crate::graphs::{residual, stochastic};
use crate::reference::{Reference, Statistics};
use quaver_nn::Simd;
use quaver_nn::arch::{DropoutPlacement, Spec, Topology};
use quaver_nn::graph::Graph;
use quaver_nn::network::{Network, Tap};
use quaver_nn::noise::Noise;
use std::sync::Arc;

/// Of the largest output or gradient.
const TOLERANCE: f64 = 4e-4;

struct Runtime {
    simd: Simd,
    on_floats: bool,
}

fn runtimes() -> Vec<Runtime> {
    let both = |simd| [true, false].map(|on_floats| Runtime { simd, on_floats });
    Simd::available().into_iter().flat_map(both).collect()
}

/// LeNet-5 in a topology.
fn lenet(topology: &str) -> Graph {
    let spec = Spec {
        arch: "lenet5".into(),
        precision: Topology::find(topology).unwrap().precision().unwrap(),
        // A factor of 2 keeps sums of signs exact.
        dropout: 0.5,
        dropout_placement: DropoutPlacement::All,
        input: vec![1, 28, 28],
        n_classes: 10,
    };
    spec.graph().unwrap()
}

/// Every network of the suite, with a number of examples that fills a block, or more, or less.
fn networks() -> Vec<(&'static str, Graph, usize)> {
    vec![
        ("residual", residual(), 16),
        ("stochastic", stochastic(), 83),
        ("full-precision", lenet("full-precision"), 3),
        ("quantized-2bit", lenet("quantized-2bit"), 3),
        ("bnn", lenet("bnn"), 17),
        ("rand-bnn", lenet("rand-bnn"), 5),
    ]
}

/// Numbers a runtime gives: outputs, logits of a call for them alone, input gradient.
fn run(case: &Case, runtime: &Runtime, noise: Noise) -> [Vec<u32>; 3] {
    let network = Network::new(Arc::clone(&case.model), engine(1, runtime.simd));
    let network = if runtime.on_floats {
        network.on_floats()
    } else {
        network
    };
    let (width, upstream) = (case.width(), case.upstream());
    let pull = |row: usize, _: usize, _: &[&[f32]], up: &mut [&mut [f32]]| {
        up[0].copy_from_slice(&upstream[row * width..(row + 1) * width]);
    };
    let pulled = network.vjp(&case.batch(), &[noise], &[Tap::Logits], &pull);
    let (outputs, gradient) = pulled.unwrap();
    let logits = network.logits(&case.batch(), noise);
    [bits(&outputs[0]), bits(&logits), bits(&gradient)]
}

/// Why numbers are not those of the reference.
fn off(what: &str, got: &[u32], expected: &[f64]) -> Option<String> {
    let largest = expected.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    let far = got.iter().zip(expected).filter(|(got, expected)| {
        let off = (f64::from(f32::from_bits(**got)) - **expected).abs();
        !(0.0..=TOLERANCE * largest).contains(&off)
    });
    let far = far.count();
    (far > 0).then(|| format!("{far} of {} {what} are not the reference's", got.len()))
}

#[test]
fn every_runtime_gives_the_numbers_of_the_reference_and_the_same_bits() {
    let mut failed = Vec::new();
    for (name, graph, n) in networks() {
        let case = Case::new(graph, n);
        let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
        let reference = Reference::new(&case.model);
        let last = case.model.graph.nodes().len();
        for noise in [Noise::Off, DRAWN] {
            let trace = reference.forward(&wide(&case.x), &case.ids, noise, Statistics::Running);
            let pulled = reference.backward(&trace, last, &wide(&case.upstream()));
            let mut first = None;
            for runtime in runtimes() {
                let kind = if runtime.on_floats { "floats" } else { "bits" };
                let row = format!("{name}, {} on {kind}, {noise:?}", runtime.simd.name());
                let got = run(&case, &runtime, noise);
                let problems = [
                    off("outputs", &got[0], &trace.values[last]),
                    off("gradients", &got[2], &pulled.input),
                    (got[0] != got[1]).then(|| "logits alone have other bits".into()),
                    first
                        .as_ref()
                        .is_some_and(|first| *first != got)
                        .then(|| "other bits than the first runtime".into()),
                ];
                let problems = problems.into_iter().flatten();
                failed.extend(problems.map(|problem: String| format!("{row}: {problem}")));
                first.get_or_insert(got);
            }
        }
    }
    assert!(
        failed.is_empty(),
        "{} rows failed:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

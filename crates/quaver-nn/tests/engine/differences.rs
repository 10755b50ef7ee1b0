//! The reference itself: its gradients are the slopes of its outputs.

use crate::agreement::{Case, DRAWN, wide};
use crate::graphs::{conv, dense, residual};
use crate::reference::{Reference, Statistics};
use quaver_nn::graph::Graph;
use quaver_nn::model::Model;
use quaver_nn::noise::Noise;
use quaver_nn::op::{Add, BatchNorm, Conv2d, Dropout, Flatten, MaxPool2d, Op, Relu, ZeroPad2d};

const STEP: f64 = 1e-5;

/// Holds every gradient of a model to central differences.
fn slopes(graph: Graph, noise: Noise, with: Statistics) {
    let case = Case::new(graph, 3);
    let model: &Model = &case.model;
    let (mut x, upstream) = (wide(&case.x), wide(&case.upstream()));
    let last = model.graph.nodes().len();
    let mut reference = Reference::new(model);
    let objective = |reference: &Reference<'_>, x: &[f64]| -> f64 {
        let trace = reference.forward(x, &case.ids, noise, with);
        trace.values[last]
            .iter()
            .zip(&upstream)
            .map(|(y, u)| y * u)
            .sum()
    };
    let trace = reference.forward(&x, &case.ids, noise, with);
    let pulled = reference.backward(&trace, last, &upstream);
    let near = |what: &str, gradient: f64, slope: f64| {
        let off = (gradient - slope).abs();
        assert!(
            off <= 1e-6 * (1.0 + slope.abs()),
            "{what}: gradient {gradient}, slope {slope}"
        );
    };
    for i in 0..x.len() {
        let at = x[i];
        let slope = slope(at, |moved| {
            x[i] = moved;
            objective(&reference, &x)
        });
        x[i] = at;
        near(&format!("x[{i}]"), pulled.input[i], slope);
    }
    for (i, specs) in model.graph.params().iter().enumerate() {
        for (p, spec) in specs.iter().enumerate().filter(|(_, spec)| spec.trainable) {
            for j in 0..reference.params[i][p].len() {
                let at = reference.params[i][p][j];
                let slope = slope(at, |moved| {
                    reference.params[i][p][j] = moved;
                    objective(&reference, &x)
                });
                reference.params[i][p][j] = at;
                let what = format!("{i}.{}[{j}]", spec.name);
                near(&what, pulled.params[i][p][j], slope);
            }
        }
    }
}

/// Central difference of `f` at `at`.
fn slope(at: f64, mut f: impl FnMut(f64) -> f64) -> f64 {
    (f(at + STEP) - f(at - STEP)) / (2.0 * STEP)
}

fn sequential(input: &[usize], ops: Vec<Box<dyn Op>>) -> Graph {
    Graph::sequential(input.to_vec(), ops).unwrap()
}

#[test]
fn single_ops_have_their_slopes() {
    let strided = Conv2d {
        in_channels: 2,
        out_channels: 3,
        kernel: [3, 2],
        stride: 2,
        padding: 1,
        bias: true,
        quantizer: None,
    };
    let graphs = [
        sequential(&[5], vec![dense(5, 4)]),
        sequential(&[2, 5, 4], vec![conv(2, 3, 3)]),
        sequential(&[2, 5, 4], vec![Box::new(strided)]),
        sequential(
            &[2, 5, 5],
            vec![Box::new(MaxPool2d {
                kernel: 3,
                stride: 2,
            })],
        ),
        sequential(
            &[2, 3, 2],
            vec![Box::new(ZeroPad2d {
                padding: [1, 2, 0, 3],
            })],
        ),
        sequential(&[6], vec![Box::new(Relu { scale: Some(0.3) })]),
        sequential(&[6], vec![Box::new(Relu::default())]),
        sequential(&[2, 3], vec![Box::new(Flatten {})]),
        sequential(&[30], vec![Box::new(Dropout { p: 0.4 })]),
        sequential(&[4], vec![Box::new(BatchNorm::new(4, true))]),
        sequential(&[2, 3, 2], vec![Box::new(BatchNorm::new(2, true))]),
    ];
    for graph in graphs {
        slopes(graph.clone(), DRAWN, Statistics::Running);
        slopes(graph, DRAWN, Statistics::Batch);
    }
    let mut doubled = Graph::new(vec![4]).unwrap();
    doubled
        .push("sum".into(), Box::new(Add {}), vec![0, 0])
        .unwrap();
    slopes(doubled, Noise::Off, Statistics::Running);
}

#[test]
fn a_residual_network_has_its_slopes() {
    for noise in [Noise::Off, DRAWN] {
        slopes(residual(), noise, Statistics::Running);
        slopes(residual(), noise, Statistics::Batch);
    }
}

//! Parity with the larger references beside the repository: five networks trained on MNIST, from
//! both files that each has.
//!
//! They were computed in float32, as our attacks compute by default. Sums run in another order
//! here, so that a gradient within 1e-6 of zero may have another sign. FGSM meets few of them;
//! among the two million signs of BIM or PGD on 64 images there are some, and the steps behind
//! such a sign differ. PyTorch's own float64 parts from its float32 in up to 3.7 % of the pixels
//! (`make.py rounding`). Hence 99.9 % of the pixels must be the same, in BIM and PGD of all images
//! but the one that differs most; of quantized networks, whose losses have jumps, all but two,
//! which is the 1.7 % by which PyTorch's two precisions differ. Of `mini-resnet` there is only
//! the file whose exporter folded batch norm into the convolutions: PyTorch itself parts from its
//! results with the weights of that file on four images in BIM and five in PGD.

use quaver_nn::graph::Graph;

use crate::attacks::{Agreement, GRADIENT, SALIENCY, compare};
use crate::explain::unexplained_signs;
use crate::failures::Failures;
use crate::reference::{Reference, folder_beside};
use crate::{network, passes};

/// A file with a network.
struct Case {
    file: &'static str,
    /// What the weights of a safetensors file fit; without one the file is ONNX.
    graph: Option<fn() -> Graph>,
    /// Images that may part from their reference in BIM and PGD.
    apart: usize,
}

const fn weights(file: &'static str, graph: fn() -> Graph, apart: usize) -> Case {
    let graph = Some(graph);
    Case { file, graph, apart }
}

const fn onnx(file: &'static str, apart: usize) -> Case {
    let graph = None;
    Case { file, graph, apart }
}

const CASES: [Case; 11] = [
    weights("lenet5-full", || network::lenet5("full-precision"), 1),
    weights("lenet5-2bit", || network::lenet5("quantized-2bit"), 2),
    weights("lenet5-bnn", || network::lenet5("bnn"), 2),
    weights("cleverhans-cnn", network::cleverhans_cnn, 1),
    onnx("lenet5-full", 1),
    onnx("lenet5-full-dynamo", 1),
    onnx("lenet5-2bit", 2),
    onnx("lenet5-bnn", 2),
    onnx("cleverhans-cnn", 1),
    onnx("mini-resnet", 8),
    onnx("mini-resnet-dynamo", 8),
];

/// Attacks on one network; the passes of a network from weights are compared as well.
const CHECKS: usize = 5;
const IN_ALL: usize = CASES.len() * CHECKS + 4;

impl Case {
    fn name(&self) -> String {
        let end = if self.graph.is_some() {
            "safetensors"
        } else {
            "onnx"
        };
        format!("{}.{end}", self.file)
    }
}

fn print(case: &Case, attack: &str, agreement: &Agreement, beside: &str) {
    let Agreement { n_same_class, .. } = agreement;
    let (name, n) = (case.name(), agreement.n());
    let (differing, same) = (agreement.differing(), agreement.n_same());
    println!(
        "{name} {attack}: n={n} differing={differing:.5} same_images={same} \
         same_class={n_same_class}{beside}"
    );
}

fn gradient_attacks(case: &Case, reference: &Reference, failures: &mut Failures) {
    for attack in GRADIENT {
        let (name, what) = (case.name(), attack.0);
        let ours = compare(reference, attack);
        print(case, what, &ours, "");
        let apart = if what == "fgsm" { 0 } else { case.apart };
        let differing = ours.differing_but(apart);
        failures.check(differing <= 0.001, || {
            format!("{name} {what}: {differing} differ")
        });
        failures.check(ours.n_same_class + apart >= ours.n(), || {
            format!("{name} {what}: {} classes", ours.n_same_class)
        });
        if what == "fgsm" {
            let images = unexplained_signs(reference, &ours);
            failures.check(images.is_empty(), || format!("{name} {what}: {images:?}"));
        }
    }
}

fn saliency_attacks(case: &Case, reference: &Reference, failures: &mut Failures) {
    let least = [0.80, 0.95];
    for (attack, least) in SALIENCY.into_iter().zip(least) {
        let (name, what) = (case.name(), attack.0);
        let ours = compare(reference, attack);
        let [reached, expected] = ours.n_reached;
        let n_same = ours.n_same();
        print(case, what, &ours, &format!(" reached={reached}/{expected}"));
        failures.check(n_same as f64 >= least * ours.n() as f64, || {
            format!("{name} {what}: {n_same} same images")
        });
        failures.check(reached.abs_diff(expected) <= 1, || {
            format!("{name} {what}: {reached} targets reached, not {expected}")
        });
    }
}

#[test]
fn attacks_and_passes_agree_with_the_references_beside_the_repository() {
    let Some(folder) = folder_beside() else {
        println!("golden: no references beside the repository");
        println!("golden: ran 0 skipped {IN_ALL}");
        return;
    };
    let mut failures = Failures::new();
    for case in &CASES {
        let reference = match case.graph {
            Some(graph) => Reference::load(&folder, case.file, graph()),
            None => Reference::import(&folder, case.file),
        };
        gradient_attacks(case, &reference, &mut failures);
        saliency_attacks(case, &reference, &mut failures);
        if case.graph.is_some() {
            passes::check(case.file, &reference, &mut failures);
        }
    }
    println!("golden: ran {IN_ALL} skipped 0");
    failures.finish();
}

//! What is written comes back.

use crate::networks::{branches, outputs, rearranged, trained};
use quaver_nn::format::onnx::{Options, read, to_bytes};
use quaver_nn::model::{Info, Model};

fn back(model: &Model) -> Model {
    let bytes = to_bytes(model).unwrap();
    read(bytes, &Options::default()).unwrap().model
}

#[test]
fn every_network_comes_back() {
    for (what, model) in trained() {
        let again = back(&model);
        assert_eq!(outputs(&again), outputs(&model), "{what}");
        // A scaled rectifier is two layers in ONNX, and stochastic weights are signs.
        let text = model.graph.to_json().to_string();
        let others = ["scale\":0.05", "stochastic"];
        if !others.iter().any(|other| text.contains(other)) {
            assert_eq!(again.graph.to_json(), model.graph.to_json(), "{what}");
            assert_eq!(again.params, model.params, "{what}");
        }
    }
}

#[test]
fn other_layers_come_back() {
    let model = Model::new(branches(), Info::default(), 3);
    let again = back(&model);
    assert_eq!(outputs(&again), outputs(&model));
    let ops = |model: &Model| -> Vec<_> {
        let nodes = model.graph.nodes().iter();
        nodes
            .map(|node| (node.op.name(), node.inputs.clone()))
            .collect()
    };
    let (mut got, expected) = (ops(&again), ops(&model));
    // A scale and a shift are two operators.
    assert_eq!(got.remove(0).0, "affine");
    let plain: Vec<_> = got.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        plain,
        expected.iter().map(|(name, _)| *name).collect::<Vec<_>>()
    );
}

#[test]
fn other_orders_come_back() {
    let model = Model::new(rearranged(), Info::default(), 3);
    let again = back(&model);
    assert_eq!(again.graph.to_json(), model.graph.to_json());
    assert_eq!(outputs(&again), outputs(&model));
}

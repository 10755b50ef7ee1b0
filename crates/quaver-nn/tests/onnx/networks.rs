//! Networks to write, and what they compute.

use quaver_nn::arch::{ARCHITECTURES, Spec, TOPOLOGIES};
use quaver_nn::engine::Engine;
use quaver_nn::graph::Graph;
use quaver_nn::model::{Info, Model};
use quaver_nn::network::Network;
use quaver_nn::noise::Noise;
use quaver_nn::op::{
    Add, Affine, AveragePool2d, Concat, Conv2d, Dense, Dropout, Flatten, Function, Op, Pointwise,
    Rearrange, WindowMax2d, ZeroPad2d,
};
use quaver_nn::{Batch, Pixels};
use std::sync::Arc;

/// Pixels of three images.
pub(crate) fn pixels(model: &Model) -> Vec<f32> {
    let size: usize = model.graph.input_shape().iter().product();
    let pixel = |i| (i * 37 % 101) as f32 / 101.0;
    (0..3 * size).map(pixel).collect()
}

pub(crate) fn outputs(model: &Model) -> Vec<f32> {
    let pixels = pixels(model);
    let batch = Batch {
        pixels: Pixels::F32(&pixels),
        rows: None,
        ids: &[0, 1, 2],
    };
    let engine = Arc::new(Engine::new(1, None).unwrap());
    let network = Network::new(Arc::new(model.clone()), engine);
    network.logits(&batch, Noise::Off)
}

/// Every network that is trained here, by architecture and topology.
pub(crate) fn trained() -> Vec<(String, Model)> {
    let mut models = Vec::new();
    for arch in ARCHITECTURES {
        for topology in TOPOLOGIES {
            let spec = Spec {
                arch: arch.name.into(),
                precision: topology.precision().unwrap(),
                dropout: topology.dropout,
                dropout_placement: Default::default(),
                input: vec![1, 28, 28],
                n_classes: 10,
            };
            let model = Model::new(spec.graph().unwrap(), Info::default(), 3);
            models.push((format!("{}-{}", arch.name, topology.name), model));
        }
    }
    models
}

/// A graph of the layers that no architecture here has. `(2, 8, 7)` to 5 outputs.
pub(crate) fn branches() -> Graph {
    let mut graph = Graph::new(vec![2, 8, 7]).unwrap();
    let mut push = |name: &str, op: Box<dyn Op>, inputs: &[usize]| {
        graph.push(name.into(), op, inputs.to_vec()).unwrap()
    };
    let point = |function| Box::new(Pointwise { function });
    let normalized = Affine::normalization(&[0.25, 0.5], &[0.5, 2.0], 2).unwrap();
    let x = push("0", Box::new(normalized), &[0]);
    let conv = Conv2d {
        in_channels: 2,
        out_channels: 3,
        kernel: [3, 3],
        stride: 1,
        padding: 1,
        bias: true,
        quantizer: None,
    };
    let conv = push("1", Box::new(conv), &[x]);
    let slope = 0.125;
    let leaky = push("2", point(Function::LeakyRelu { slope }), &[conv]);
    let tanh = push("3", point(Function::Tanh), &[conv]);
    let sum = push("4", Box::new(Add {}), &[leaky, tanh]);
    let sigmoid = push("5", point(Function::Sigmoid), &[conv]);
    let joined = push("6", Box::new(Concat {}), &[sum, sigmoid]);
    let (min, max) = (-0.5, 0.75);
    let clipped = push("7", point(Function::Clip { min, max }), &[joined]);
    let padding = [1, 0, 2, 1];
    let padded = push("8", Box::new(ZeroPad2d { padding }), &[clipped]);
    let pool = AveragePool2d {
        kernel: [3, 2],
        stride: [2, 3],
        padding: [1, 0, 1, 2],
        count_padding: false,
    };
    let pooled = push("9", Box::new(pool), &[padded]);
    let maxima = WindowMax2d {
        kernel: [2, 3],
        stride: [1, 2],
        dilation: [2, 1],
        padding: [1, 0, 1, 1],
    };
    let pooled = push("10", Box::new(maxima), &[pooled]);
    let flat = push("11", Box::new(Flatten {}), &[pooled]);
    let drop = push("12", Box::new(Dropout { p: 0.25 }), &[flat]);
    let dense = Dense {
        in_features: 36,
        out_features: 5,
        bias: true,
        quantizer: None,
    };
    push("13", Box::new(dense), &[drop]);
    graph
}

/// Features as an image with channels last, and its columns as features. `(6)` to 3 outputs.
pub(crate) fn rearranged() -> Graph {
    let dense = |in_features, out_features| Dense {
        in_features,
        out_features,
        bias: true,
        quantizer: None,
    };
    let pool = AveragePool2d {
        kernel: [2, 1],
        stride: [1, 1],
        padding: [0; 4],
        count_padding: false,
    };
    let ops: Vec<Box<dyn Op>> = vec![
        Box::new(dense(6, 12)),
        Box::new(Rearrange {
            axes: vec![[2, 1], [2, 6], [3, 2]],
            shape: vec![2, 2, 3],
        }),
        Box::new(pool),
        Box::new(Flatten {}),
        Box::new(dense(6, 3)),
    ];
    Graph::sequential(vec![6], ops).unwrap()
}

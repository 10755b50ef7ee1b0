//! Quantized activations.

use quaver_nn::graph::Node;
use quaver_nn::op::{Op, Quantize, Relu};
use serde::Deserialize;

use crate::spec::{Allowed, Interval, Parameter};

use super::{BACKWARD, Backward, Entry, WrapError, Wrapper, levels};

pub(super) const ENTRY: Entry = Entry {
    id: "quantized-activations",
    title: "Rectified activations of few levels",
    paper: "Defend Deep Neural Networks Against Adversarial Examples via Fixed and Dynamic \
            Quantized Activation Functions (2018)",
    parameters: &[
        Parameter {
            name: "bits",
            default: "2",
            allowed: Allowed::Integer(1, 8),
            about: "bits of an activation",
        },
        Parameter {
            name: "max",
            default: "2",
            allowed: Allowed::Real(&[Interval::closed(0.001, 1000.0)]),
            about: "largest activation that is told from larger ones",
        },
        BACKWARD,
    ],
    build: |values| {
        let params: Params = values.read()?;
        let quantizer = levels(params.bits, params.max, params.backward)?;
        let behind_rectifiers = move |node: &Node| -> Option<Box<dyn Op>> {
            let quantizer = quantizer.clone();
            let is_rectifier = node.op.as_any().is::<Relu>();
            is_rectifier.then(|| Box::new(Quantize { quantizer }) as _)
        };
        Ok(Wrapper::Model(Box::new(move |model| {
            let followed = model.clone().followed("quantized", &behind_rectifiers)?;
            if followed.graph.nodes().len() == model.graph.nodes().len() {
                let (wrapper, what) = (ENTRY.id, "rectifier");
                return Err(WrapError::Nothing { wrapper, what });
            }
            Ok(followed)
        })))
    },
};

/// Quantized activations: what every rectifier puts out takes one of 2^bits levels, evenly from 0
/// to `max`.
///
/// # Method
/// `clip(round(a / step) · step, 0, max)`, step = max / (2^bits − 1), ties to even, behind each
/// rectifier of the network, as layers called `NAME.quantized`.
///
/// # Source
/// "Defend Deep Neural Networks Against Adversarial Examples via Fixed and Dynamic Quantized
/// Activation Functions" (2018), its fixed levels; there networks are trained with them, and
/// levels that move are trained too.
///
/// # Limits
/// Gradients through it vanish, which hides the network from an attack and does not defend it;
/// `backward=around` passes them as the paper's training does.
#[derive(Deserialize)]
struct Params {
    bits: u32,
    max: f64,
    backward: Backward,
}

#[cfg(test)]
mod tests {
    use super::super::build;
    use super::*;
    use quaver_nn::graph::Graph;
    use quaver_nn::model::{Info, Model};
    use quaver_nn::noise::Noise;
    use quaver_nn::op::Flatten;
    use quaver_nn::{Batch, Pixels, engine::Engine, network::Network, network::Tap};
    use std::sync::Arc;

    /// Outputs of a rectifier at 0.4 and 1.3, and gradients with respect to them.
    fn outputs(spec: &str) -> [Vec<f32>; 2] {
        let ops: Vec<Box<dyn Op>> = vec![Box::new(Relu::default()), Box::new(Flatten {})];
        let graph = Graph::sequential(vec![1, 1, 2], ops).unwrap();
        let Ok((_, Wrapper::Model(rewrite))) = build(spec) else {
            panic!("a changed model");
        };
        let model = rewrite(&Model::new(graph, Info::default(), 0)).unwrap();
        let names = model.graph.nodes().iter().map(|node| &*node.name);
        assert_eq!(names.collect::<Vec<_>>(), ["0", "0.quantized", "1"]);
        let network = Network::new(Arc::new(model), Arc::new(Engine::new(1, None).unwrap()));
        let batch = Batch {
            pixels: Pixels::F32(&[0.4, 1.3]),
            rows: None,
            ids: &[0],
        };
        let ones = |_: usize, _: usize, _: &[&[f32]], up: &mut [&mut [f32]]| up[0].fill(1.0);
        let pulled = network.vjp(&batch, &[Noise::Off], &[Tap::Logits], &ones);
        let (mut outputs, gradient) = pulled.unwrap();
        [outputs.swap_remove(0), gradient]
    }

    #[test]
    fn rectified_activations_take_the_nearest_level() {
        let third = 1.0_f32 / 3.0;
        let [levels, gradient] = outputs("quantized-activations(bits=2,max=1)");
        assert!((levels[0] - third).abs() < 1e-6 && levels[1] == 1.0);
        assert_eq!(gradient, [0.0, 0.0]);
        let [levels, gradient] = outputs("quantized-activations(bits=1,max=2,backward=around)");
        assert_eq!(levels, [0.0, 2.0]);
        assert_eq!(gradient, [1.0, 1.0]);
    }
}

//! Adversarial training.

use crate::attack::ascent::{EPS, N_STEPS, STEP_SIZE};
use crate::rng::Rng;
use crate::spec::PlugIn;
use quaver_nn::loss::cross_entropy;
use quaver_nn::network::{Network, Tap, UnknownNode};
use quaver_nn::noise::{Draw, Noise, Purpose};
use quaver_nn::train::{CrossEntropy, Step, Trainer};
use quaver_nn::{Batch, Pixels};
use serde::Deserialize;

pub(super) const ENTRY: PlugIn<dyn Step> = PlugIn {
    id: "adversarial",
    title: "cross-entropy on images that PGD has moved against the network as it stands",
    paper: "Towards Deep Learning Models Resistant to Adversarial Attacks (2018)",
    parameters: &[EPS, STEP_SIZE, N_STEPS],
    build: |values| Ok(Box::new(values.read::<Adversarial>()?)),
};

/// Adversarial training: the plain step on x_adv instead of x.
///
/// # Method
/// x₀ uniform in the cube of radius eps around x; `n_steps` times x' = clip(x + step_size ·
/// sign(g)) to the cube and to pixels in [0, 1], g the gradient of the cross-entropy with the true
/// label; then one optimizer step on the last x'.
///
/// # Source
/// "Towards Deep Learning Models Resistant to Adversarial Attacks" (2018), section 2.1; the
/// defaults are those of its networks for MNIST. Batch normalization uses running statistics while
/// images are moved, so that an image's x' depends on no other image; noise is drawn anew for every
/// gradient.
///
/// # Cost
/// `n_steps` forward and backward passes and the plain step.
///
/// # Limits
/// The seeming robustness of networks whose gradients vanish is not robustness: attack them with
/// more steps, other losses and without gradients.
#[derive(Debug, Deserialize)]
struct Adversarial {
    eps: f64,
    step_size: f64,
    n_steps: u32,
}

impl Step for Adversarial {
    fn run(
        &self,
        trainer: &mut Trainer,
        batch: &Batch<'_>,
        labels: &[usize],
        draw: Draw,
    ) -> Result<(f64, usize), UnknownNode> {
        let network = trainer.network();
        let size = network.model().graph.input_shape().iter().product();
        let mut x = vec![0.0; labels.len() * size];
        for (row, x) in x.chunks_exact_mut(size).enumerate() {
            batch.copy(row, x);
        }
        let x_adv = self.attack(&network, &x, (batch.ids, labels), draw)?;
        CrossEntropy.run(trainer, &of(&x_adv, batch.ids), labels, draw)
    }
}

fn of<'a>(pixels: &'a [f32], ids: &'a [u64]) -> Batch<'a> {
    let (pixels, rows) = (Pixels::F32(pixels), None);
    Batch { pixels, rows, ids }
}

impl Adversarial {
    /// The cube around a pixel, cut to what pixels may be.
    fn cube(&self, x: f32) -> (f32, f32) {
        let eps = self.eps as f32;
        ((x - eps).max(0.0), (x + eps).min(1.0))
    }

    /// Where images `x` with their ids and labels are moved.
    fn attack(
        &self,
        network: &Network,
        x: &[f32],
        (ids, labels): (&[u64], &[usize]),
        draw: Draw,
    ) -> Result<Vec<f32>, UnknownNode> {
        let mut x_adv = self.start(x, ids, draw);
        for step in 0..self.n_steps {
            let noise = Noise::Draw(Draw {
                purpose: Purpose::Attack,
                pass: draw.pass.wrapping_mul(self.n_steps).wrapping_add(step),
                ..draw
            });
            let batch = of(&x_adv, ids);
            let (_, gradient) = network.vjp(
                &batch,
                &[noise],
                &[Tap::Logits],
                &|row, _, logits, upstream| {
                    cross_entropy(logits[0], labels[row], 1.0, upstream[0]);
                },
            )?;
            for ((x_adv, g), x) in x_adv.iter_mut().zip(&gradient).zip(x) {
                let (low, high) = self.cube(*x);
                let sign = if *g == 0.0 { 0.0 } else { g.signum() };
                *x_adv = (*x_adv + self.step_size as f32 * sign).clamp(low, high);
            }
        }
        Ok(x_adv)
    }

    /// A random point of each image's cube.
    fn start(&self, x: &[f32], ids: &[u64], draw: Draw) -> Vec<f32> {
        let mut start = x.to_vec();
        let purpose = format!("adversarial-training-{}", draw.pass);
        for (image, id) in start.chunks_exact_mut(x.len() / ids.len()).zip(ids) {
            let mut rng = Rng::new(draw.seed, &purpose, *id);
            for pixel in image {
                let (low, high) = self.cube(*pixel);
                let change = self.eps * (2.0 * rng.uniform() - 1.0);
                *pixel = (*pixel + change as f32).clamp(low, high);
            }
        }
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Dataset, Split, digits};
    use crate::observe::Silent;
    use crate::training::{Config, Recipe, train};
    use quaver_nn::arch::{Spec, Topology};
    use quaver_nn::engine::Engine;
    use quaver_nn::loss::argmax;
    use quaver_nn::model::Model;
    use std::sync::Arc;

    /// LeNet-5 trained for three epochs with `step`.
    fn trained(step: &str, topology: &'static str, data: &Dataset, threads: usize) -> Model {
        let recipe = Recipe {
            network: Spec {
                arch: "lenet5".into(),
                precision: Topology::find(topology).unwrap().precision().unwrap(),
                dropout: 0.0,
                dropout_placement: Default::default(),
                input: vec![1, 28, 28],
                n_classes: 10,
            },
            topology,
            config: Config {
                epochs: 3,
                batch_size: 25,
                learning_rate: 2e-3,
                seed: 1,
                step: step.into(),
                ..Config::default()
            },
        };
        let engine = Arc::new(Engine::new(threads, None).unwrap());
        let model = train(&recipe, data, None, &engine, &Silent);
        model.unwrap().unwrap()
    }

    /// Accuracy on images that more and smaller steps have moved.
    fn accuracy_under_attack(model: Model, data: &Dataset) -> f64 {
        let engine = Arc::new(Engine::new(1, None).unwrap());
        let network = Network::new(Arc::new(model), engine);
        let attack = Adversarial {
            eps: 0.15,
            step_size: 0.02,
            n_steps: 15,
        };
        let (x, labels) = (data.images(0..data.len()), data.labels());
        let ids: Vec<u64> = (0..data.len() as u64).collect();
        let draw = Draw {
            seed: 9,
            purpose: Purpose::Attack,
            pass: 0,
        };
        let x_adv = attack.attack(&network, x.as_slice().unwrap(), (&ids, labels), draw);
        let logits = network.logits(&of(&x_adv.unwrap(), &ids), Noise::Off);
        let answers = logits.chunks_exact(10).map(argmax);
        let right = answers
            .zip(labels)
            .filter(|(answer, label)| *answer == Some(**label));
        right.count() as f64 / labels.len() as f64
    }

    const STEP: &str = "adversarial(eps=0.15,step_size=0.075,n_steps=3)";

    #[test]
    fn a_network_learns_to_withstand_the_attack() {
        let data = digits::draw(0, Split::Train, 2000, &Silent).unwrap();
        let test = digits::draw(0, Split::Test, 100, &Silent).unwrap();
        let under_attack = |step| {
            let model = trained(step, "full-precision", &data, 2);
            accuracy_under_attack(model, &test)
        };
        let (plain, adversarial) = (under_attack("cross-entropy"), under_attack(STEP));
        assert!(adversarial > plain + 0.2, "{plain} {adversarial}");
    }

    #[test]
    fn threads_change_no_bit() {
        let data = digits::draw(0, Split::Train, 200, &Silent).unwrap();
        for topology in ["rand-bnn", "full-precision"] {
            let one = trained(STEP, topology, &data, 1);
            let two = trained(STEP, topology, &data, 2);
            assert_eq!(one.params, two.params, "{topology}");
            let plain = trained("cross-entropy", topology, &data, 1);
            assert_ne!(one.params, plain.params);
        }
    }
}

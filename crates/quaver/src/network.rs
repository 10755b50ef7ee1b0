//! [`Network`]: a model of the engine as a [`Classifier`].

use crate::classifier::{
    Batch, Classifier, ClassifierError, Draw, InputGradient, Noise, PassSink, Quantized,
    Randomness, Surrogate, Tap, Upstream, Vjp, pixels,
};
use ndarray::{Array2, Array4};
use quaver_nn::engine::Engine;
use quaver_nn::model::Model;
use quaver_nn::network::{self, UnknownNode};
use quaver_nn::{Batch as Rows, Pixels};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Smallest and largest pixel of every image here.
const PIXEL_RANGE: [f64; 2] = [0.0, 1.0];

/// A trained or imported model that attacks, sampling and detectors can ask.
pub struct Network {
    inner: network::Network,
    shape: [usize; 3],
    n_classes: usize,
}

/// A model that cannot be asked about images in [0, 1].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NoImageClassifier {
    /// It does not map images to classes.
    #[error(
        "the network maps {input:?} to {output:?}; expected images of (channels, height, width) to at least 2 classes"
    )]
    Shapes {
        /// Shape of an input.
        input: Vec<usize>,
        /// Shape of an output.
        output: Vec<usize>,
    },
    /// Something stands around it, which would be left out.
    #[error("the network is wrapped in {}, and is asked for alone here", .wrappers.join(", "))]
    Wrapped {
        /// Specs of the wrappers.
        wrappers: Vec<String>,
    },
    /// It expects pixels that no image here has.
    #[error(
        "the network expects pixels in [{}, {}]; images here are in [0, 1] (a layer of the network \
         may scale them, as model import --mean --std puts it)",
        got[0], got[1]
    )]
    Range {
        /// Smallest and largest pixel value it expects.
        got: [f64; 2],
    },
}

impl From<UnknownNode> for ClassifierError {
    fn from(error: UnknownNode) -> Self {
        Self::UnknownTap {
            got: error.got,
            allowed: error.allowed,
        }
    }
}

impl Network {
    /// Prepares `model` to run on `engine`.
    ///
    /// # Errors
    /// When it does not map images to classes, expects pixels outside [0, 1], or stands inside
    /// wrappers.
    pub fn new(model: Arc<Model>, engine: Arc<Engine>) -> Result<Self, NoImageClassifier> {
        if !model.info.wrappers.is_empty() {
            let wrappers = model.info.wrappers.clone();
            return Err(NoImageClassifier::Wrapped { wrappers });
        }
        if model.info.input_range != PIXEL_RANGE {
            let got = model.info.input_range;
            return Err(NoImageClassifier::Range { got });
        }
        let (input, output) = (model.graph.input_shape(), model.graph.output_shape());
        match (&input[..], &output[..]) {
            (&[c, h, w], &[n_classes]) if n_classes >= 2 => Ok(Self {
                shape: [c, h, w],
                n_classes,
                inner: network::Network::new(model, engine),
            }),
            _ => Err(NoImageClassifier::Shapes {
                input: input.clone(),
                output: output.clone(),
            }),
        }
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Model {
        self.inner.model()
    }

    /// Multiply-adds of each layer's forward pass for one image.
    #[must_use]
    pub fn layer_products(&self) -> Vec<u64> {
        self.inner.layer_products()
    }

    /// Multiply-adds of an image that every further pass costs: those behind the prefix.
    #[must_use]
    pub fn noisy_products(&self) -> u64 {
        self.inner.noisy_products()
    }

    fn to_arrays(
        &self,
        outputs: Vec<Vec<f32>>,
        taps: &[Tap<'_>],
    ) -> Result<Vec<Array2<f32>>, ClassifierError> {
        let array = |(rows, tap): (Vec<f32>, &Tap<'_>)| {
            let width = self.inner.width(*tap)?;
            Ok(Array2::from_shape_vec((rows.len() / width, width), rows)?)
        };
        outputs.into_iter().zip(taps).map(array).collect()
    }
}

/// Root mean square; 0 of no values.
fn spread(values: impl Iterator<Item = f32>) -> f64 {
    let (mut sum, mut n) = (0.0, 0.0);
    for value in values {
        sum += f64::from(value).powi(2);
        n += 1.0;
    }
    if n > 0.0 { (sum / n).sqrt() } else { 0.0 }
}

/// The batch as the engine takes it.
fn rows<'a>(pixels: &'a [f32], ids: &'a [u64]) -> Rows<'a> {
    Rows {
        pixels: Pixels::F32(pixels),
        rows: None,
        ids,
    }
}

impl Classifier for Network {
    fn input_shape(&self) -> [usize; 3] {
        self.shape
    }

    fn n_classes(&self) -> usize {
        self.n_classes
    }

    fn classes(&self) -> Vec<String> {
        let named = &self.model().info.classes;
        match named.is_empty() {
            true => (0..self.n_classes).map(|class| class.to_string()).collect(),
            false => named.clone(),
        }
    }

    fn fingerprint(&self) -> Option<String> {
        // A packed model gives the same answers.
        let packed = self.model().packed();
        let model = packed.as_ref().unwrap_or(self.model());
        let mut hasher = Sha256::new();
        hasher.update(model.graph.to_json().to_string());
        for (name, _, values) in model.named_params() {
            hasher.update(name);
            values.iter().for_each(|v| hasher.update(v.to_le_bytes()));
        }
        let hash = hasher.finalize();
        Some(hash.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn randomness(&self) -> Randomness {
        self.inner.randomness()
    }

    fn logits(&self, batch: Batch<'_>, noise: Noise) -> Result<Array2<f32>, ClassifierError> {
        let pixels = pixels(batch.x);
        let logits = self.inner.logits(&rows(&pixels, batch.ids), noise);
        let shape = (batch.ids.len(), self.n_classes);
        Ok(Array2::from_shape_vec(shape, logits)?)
    }

    fn taps(&self) -> Vec<String> {
        self.inner.taps().to_vec()
    }

    fn outputs(
        &self,
        batch: Batch<'_>,
        noise: Noise,
        taps: &[Tap<'_>],
    ) -> Result<Vec<Array2<f32>>, ClassifierError> {
        let pixels = pixels(batch.x);
        let rows = rows(&pixels, batch.ids);
        self.to_arrays(self.inner.outputs(&rows, noise, taps)?, taps)
    }

    fn quantized(&self, batch: Batch<'_>) -> Result<Vec<Quantized>, ClassifierError> {
        let quantizers = self.inner.quantizers();
        // The graph's input is no layer: its spread is that of the pixels.
        let of_pixels = spread(batch.x.iter().copied());
        let inputs: Vec<&str> = quantizers
            .iter()
            .filter_map(|q| q.input.as_deref())
            .collect();
        let taps: Vec<Tap<'_>> = inputs.iter().map(|name| Tap::Layer(name)).collect();
        let latent = match batch.ids {
            [] => Vec::new(),
            _ => self.outputs(batch, Noise::Off, &taps)?,
        };
        let mut latent = latent.into_iter();
        let quantized = |q: network::QuantizingLayer| Quantized {
            spread: match q.input {
                Some(_) => latent
                    .next()
                    .map_or(0.0, |values| spread(values.iter().copied())),
                None => of_pixels,
            },
            name: q.name,
            is_binary: q.is_binary,
        };
        Ok(quantizers.iter().cloned().map(quantized).collect())
    }

    fn with_surrogates(
        &self,
        surrogates: &[(String, Surrogate)],
        weights: InputGradient,
    ) -> Result<Option<Box<dyn Classifier>>, ClassifierError> {
        Ok(Some(Box::new(Self {
            inner: self.inner.with_surrogates(surrogates, weights)?,
            shape: self.shape,
            n_classes: self.n_classes,
        })))
    }

    fn has_gradient(&self) -> bool {
        true
    }

    fn vjp(
        &self,
        batch: Batch<'_>,
        noises: &[Noise],
        taps: &[Tap<'_>],
        upstream: &Upstream<'_>,
    ) -> Result<Vjp, ClassifierError> {
        let pixels = pixels(batch.x);
        let rows = rows(&pixels, batch.ids);
        let (outputs, gradient) = self.inner.vjp(&rows, noises, taps, upstream)?;
        let [c, h, w] = self.shape;
        Ok(Vjp {
            outputs: self.to_arrays(outputs, taps)?,
            gradient: Array4::from_shape_vec((batch.ids.len(), c, h, w), gradient)?,
        })
    }

    fn passes(
        &self,
        batch: Batch<'_>,
        draw: Draw,
        n_passes: u32,
        sink: &PassSink<'_>,
    ) -> Result<(), ClassifierError> {
        let pixels = pixels(batch.x);
        let rows = rows(&pixels, batch.ids);
        self.inner.passes(&rows, draw, n_passes, sink);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quaver_nn::graph::Graph;
    use quaver_nn::model::Info;
    use quaver_nn::op::{Dense, Dropout, Flatten, Op};

    #[test]
    fn asks_the_model_and_refuses_what_is_no_classifier() {
        let dense = |out_features| -> Box<dyn Op> {
            Box::new(Dense {
                in_features: 4,
                out_features,
                bias: true,
                quantizer: None,
            })
        };
        let dropout = Box::new(Dropout { p: 0.5 });
        let ops: Vec<Box<dyn Op>> = vec![Box::new(Flatten {}), dropout, dense(3)];
        let graph = Graph::sequential(vec![1, 2, 2], ops).unwrap();
        let engine = Arc::new(Engine::new(1, None).unwrap());
        let model = Model::new(graph, Info::default(), 0);
        let network = Network::new(Arc::new(model), Arc::clone(&engine)).unwrap();
        assert_eq!(network.randomness(), Randomness::PerExample);
        let x = Array4::from_elem((5, 1, 2, 2), 0.5);
        let batch = Batch {
            x: x.view(),
            ids: &[0, 1, 2, 3, 4],
        };
        let logits = network.logits(batch, Noise::Off).unwrap();
        assert_eq!(logits.dim(), (5, 3));
        assert_eq!(logits.row(0), logits.row(4));
        let both = network.outputs(batch, Noise::Off, &[Tap::Layer("0"), Tap::Logits]);
        let [flat, again] = &both.unwrap()[..] else {
            panic!("two taps");
        };
        assert!(flat.iter().all(|&v| v == 0.5) && flat.dim() == (5, 4));
        assert_eq!(*again, logits);
        let wrong = network.outputs(batch, Noise::Off, &[Tap::Layer("conv1")]);
        assert!(wrong.unwrap_err().to_string().contains("there are 0, 1, 2"));

        let graph = Graph::sequential(vec![4], vec![dense(3)]).unwrap();
        let model = Model::new(graph, Info::default(), 0);
        let refused = Network::new(Arc::new(model), Arc::clone(&engine));
        assert!(matches!(
            refused.err(),
            Some(NoImageClassifier::Shapes { .. })
        ));
    }

    #[test]
    fn pixels_of_another_range_are_refused() {
        let ops: Vec<Box<dyn Op>> = vec![
            Box::new(Flatten {}),
            Box::new(Dense {
                in_features: 4,
                out_features: 3,
                bias: true,
                quantizer: None,
            }),
        ];
        let graph = Graph::sequential(vec![1, 2, 2], ops).unwrap();
        let engine = Arc::new(Engine::new(1, None).unwrap());
        for input_range in [[-1.0, 1.0], [0.0, 255.0], [0.0, f64::NAN]] {
            let info = Info {
                input_range,
                ..Info::default()
            };
            let model = Arc::new(Model::new(graph.clone(), info, 0));
            let refused = Network::new(model, Arc::clone(&engine)).err().unwrap();
            assert!(
                refused.to_string().contains("expects pixels in ["),
                "{refused}"
            );
        }
    }
}

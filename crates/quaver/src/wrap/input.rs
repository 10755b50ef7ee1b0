//! A classifier that sees other images than it is given.

use std::borrow::Cow;
use std::sync::Arc;

use ndarray::{Array2, Array4};
use quaver_nn::op::Op;
use rayon::prelude::*;

use crate::classifier::{
    Batch, Classifier, ClassifierError, Draw, Images, InputGradient, Noise, PassSink, Quantized,
    Randomness, Surrogate, Tap, Upstream, Vjp, pixels,
};
use crate::rng::Rng;
use crate::spec::Spec;

use super::Backward;

/// Images that a deterministic classifier is asked about at once, of several passes together.
const SIDE_BY_SIDE: usize = 256;

/// What is done to an image before a classifier sees it. Images are pixels `[c, h, w]`.
pub trait Transform: Send + Sync {
    /// Whether it draws something for each example while noise is on.
    fn is_random(&self) -> bool {
        false
    }
    /// `[c, h, w]` of the images it takes, for a classifier of images of `inner`.
    fn input_shape(&self, inner: [usize; 3]) -> [usize; 3] {
        inner
    }
    /// Writes what the classifier sees of `image`. `draw` is the image's own stream of numbers,
    /// from its beginning, `None` while noise is off.
    fn apply(&self, image: &[f32], shape: [usize; 3], draw: Option<Rng>, seen: &mut [f32]);
    /// Writes the gradient with respect to `image` of what has the gradient `upstream` with
    /// respect to what the classifier sees; the arguments as for [`Transform::apply`].
    fn pull(
        &self,
        image: &[f32],
        shape: [usize; 3],
        draw: Option<Rng>,
        upstream: &[f32],
        gradient: &mut [f32],
    );
    /// The layer that does the same, if there is one.
    fn op(&self) -> Option<Box<dyn Op>> {
        None
    }
}

/// A classifier behind a [`Transform`]. Taps are those of the classifier.
pub struct Transformed {
    inner: Box<dyn Classifier>,
    transform: Arc<dyn Transform>,
    backward: Backward,
    stream: String,
    spec: String,
}

impl Transformed {
    /// `inner` behind `transform`, which `spec` gives; its draws are told from those of others by
    /// the spec's name and its `place` among the wrappers.
    #[must_use]
    pub fn new(
        inner: Box<dyn Classifier>,
        transform: Box<dyn Transform>,
        backward: Backward,
        (spec, place): (&Spec, usize),
    ) -> Self {
        Self {
            inner,
            transform: transform.into(),
            backward,
            stream: format!("{} {place}", spec.name),
            spec: spec.to_string(),
        }
    }

    /// What an image is transformed with.
    fn draw(&self, noise: Noise, id: u64) -> Option<Rng> {
        match noise {
            Noise::Draw(draw) if self.transform.is_random() => {
                let purpose = format!("{} {:?} {}", self.stream, draw.purpose, draw.pass);
                Some(Rng::new(draw.seed, &purpose, id))
            }
            _ => None,
        }
    }

    /// What the classifier sees of `batch` under each of `noises`, draw after draw.
    fn seen(&self, batch: Batch<'_>, noises: &[Noise]) -> Result<Images, ClassifierError> {
        let (shape, [c, h, w]) = (self.input_shape(), self.inner.input_shape());
        let (n, pixels) = (batch.ids.len(), pixels(batch.x));
        let size: usize = shape.iter().product();
        let mut seen = vec![0.0; noises.len() * n * c * h * w];
        seen.par_chunks_mut(c * h * w)
            .enumerate()
            .for_each(|(i, seen)| {
                let (draw, row) = (i / n, i % n);
                let draw = self.draw(noises[draw], batch.ids[row]);
                let image = &pixels[row * size..][..size];
                self.transform.apply(image, shape, draw, seen);
            });
        Ok(Array4::from_shape_vec((noises.len() * n, c, h, w), seen)?)
    }

    /// Adds the gradient with respect to `batch` to `sum`.
    fn pull(&self, batch: Batch<'_>, noise: Noise, upstream: &Images, sum: &mut [f32]) {
        let (upstream, images) = (pixels(upstream.view()), pixels(batch.x));
        let shape = self.input_shape();
        let [size, inner] = [shape, self.inner.input_shape()].map(|s| s.iter().product());
        let rows = sum.par_chunks_mut(size).zip(upstream.par_chunks(inner));
        rows.enumerate().for_each(|(row, (sum, upstream))| {
            let gradient = match self.backward {
                Backward::Around => Cow::Borrowed(upstream),
                Backward::Through => {
                    let mut gradient = vec![0.0; size];
                    let draw = self.draw(noise, batch.ids[row]);
                    let image = &images[row * size..][..size];
                    let transform = &self.transform;
                    transform.pull(image, shape, draw, upstream, &mut gradient);
                    Cow::Owned(gradient)
                }
            };
            let terms = sum.iter_mut().zip(&*gradient);
            terms.for_each(|(sum, term)| *sum += term);
        });
    }

    /// Of `n` draws over `n_images`: how many the classifier is asked about together.
    fn together(&self, n: usize, n_images: usize) -> usize {
        match self.inner.randomness() {
            Randomness::None => (SIDE_BY_SIDE / n_images.max(1)).clamp(1, n.max(1)),
            Randomness::PerExample | Randomness::PerPass => 1,
        }
    }
}

impl Classifier for Transformed {
    fn input_shape(&self) -> [usize; 3] {
        self.transform.input_shape(self.inner.input_shape())
    }

    fn n_classes(&self) -> usize {
        self.inner.n_classes()
    }

    fn classes(&self) -> Vec<String> {
        self.inner.classes()
    }

    fn fingerprint(&self) -> Option<String> {
        Some(format!("{} in {}", self.inner.fingerprint()?, self.spec))
    }

    fn randomness(&self) -> Randomness {
        match self.inner.randomness() {
            Randomness::None if self.transform.is_random() => Randomness::PerExample,
            inner => inner,
        }
    }

    fn logits(&self, batch: Batch<'_>, noise: Noise) -> Result<Array2<f32>, ClassifierError> {
        let (seen, ids) = (self.seen(batch, &[noise])?, batch.ids);
        let x = seen.view();
        self.inner.logits(Batch { x, ids }, noise)
    }

    fn taps(&self) -> Vec<String> {
        self.inner.taps()
    }

    fn outputs(
        &self,
        batch: Batch<'_>,
        noise: Noise,
        taps: &[Tap<'_>],
    ) -> Result<Vec<Array2<f32>>, ClassifierError> {
        let (seen, ids) = (self.seen(batch, &[noise])?, batch.ids);
        let x = seen.view();
        self.inner.outputs(Batch { x, ids }, noise, taps)
    }

    fn quantized(&self, batch: Batch<'_>) -> Result<Vec<Quantized>, ClassifierError> {
        let (seen, ids) = (self.seen(batch, &[Noise::Off])?, batch.ids);
        let x = seen.view();
        self.inner.quantized(Batch { x, ids })
    }

    fn with_surrogates(
        &self,
        surrogates: &[(String, Surrogate)],
        weights: InputGradient,
    ) -> Result<Option<Box<dyn Classifier>>, ClassifierError> {
        let inner = self.inner.with_surrogates(surrogates, weights)?;
        let wrap = |inner| -> Box<dyn Classifier> {
            Box::new(Self {
                inner,
                transform: Arc::clone(&self.transform),
                backward: self.backward,
                stream: self.stream.clone(),
                spec: self.spec.clone(),
            })
        };
        Ok(inner.map(wrap))
    }

    fn has_gradient(&self) -> bool {
        self.inner.has_gradient()
    }

    fn vjp(
        &self,
        batch: Batch<'_>,
        noises: &[Noise],
        taps: &[Tap<'_>],
        upstream: &Upstream<'_>,
    ) -> Result<Vjp, ClassifierError> {
        // Draws that change the image are taken one by one, others together.
        let size = match self.transform.is_random() {
            true => 1,
            false => noises.len().max(1),
        };
        let mut outputs = Vec::new();
        let mut sum = vec![0.0; batch.x.len()];
        for (group, noises) in noises.chunks(size).enumerate() {
            let (seen, ids) = (self.seen(batch, &noises[..1])?, batch.ids);
            let x = seen.view();
            let shifted = |row: usize, k: usize, outputs: &[&[f32]], up: &mut [&mut [f32]]| {
                upstream(row, group * size + k, outputs, up);
            };
            let vjp = self.inner.vjp(Batch { x, ids }, noises, taps, &shifted)?;
            outputs = vjp.outputs;
            self.pull(batch, noises[0], &vjp.gradient, &mut sum);
        }
        let gradient = Array4::from_shape_vec(batch.x.raw_dim(), sum)?;
        Ok(Vjp { outputs, gradient })
    }

    fn passes(
        &self,
        batch: Batch<'_>,
        draw: Draw,
        n_passes: u32,
        sink: &PassSink<'_>,
    ) -> Result<(), ClassifierError> {
        if !self.transform.is_random() {
            let (seen, ids) = (self.seen(batch, &[Noise::Off])?, batch.ids);
            let x = seen.view();
            return self.inner.passes(Batch { x, ids }, draw, n_passes, sink);
        }
        let n = batch.ids.len();
        let passes: Vec<u32> = (0..n_passes).collect();
        for passes in passes.chunks(self.together(passes.len(), n)) {
            let noise = |pass: &u32| {
                let pass = draw.pass + pass;
                Noise::Draw(Draw { pass, ..draw })
            };
            let noises: Vec<Noise> = passes.iter().map(noise).collect();
            let (seen, ids) = (self.seen(batch, &noises)?, batch.ids.repeat(passes.len()));
            let (x, ids) = (seen.view(), &ids[..]);
            let logits = self.inner.logits(Batch { x, ids }, noises[0])?;
            (0..n).into_par_iter().for_each(|row| {
                for (k, pass) in passes.iter().enumerate() {
                    sink(row, *pass, &logits.row(k * n + row).to_vec());
                }
            });
        }
        Ok(())
    }
}

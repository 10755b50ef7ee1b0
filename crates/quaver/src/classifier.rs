//! [`Classifier`]: what attacks, sampling, detectors and evaluation see of a model.

use ndarray::{Array2, Array4, ArrayView4};
pub use quaver_nn::network::{PassSink, Tap, Upstream};
pub use quaver_nn::noise::{Draw, Noise, Purpose, Randomness};
pub use quaver_nn::quantizer::{InputGradient, Surrogate};
use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

/// Images `(n, c, h, w)`, values inside the classifier's input range.
pub type Images = Array4<f32>;

/// Images with the ids that key their noise: dataset rows, or ids from a file.
/// Results for an image depend on its pixels and its id, never on its place in the batch.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// `(n, c, h, w)`, C-contiguous.
    pub x: ArrayView4<'a, f32>,
    /// `(n)`.
    pub ids: &'a [u64],
}

/// Pixels of all images, image after image; copied only if they do not lie so already.
pub(crate) fn pixels(images: ArrayView4<'_, f32>) -> Cow<'_, [f32]> {
    match images.to_slice() {
        Some(pixels) => Cow::Borrowed(pixels),
        None => Cow::Owned(images.iter().copied().collect()),
    }
}

/// Outputs and their pull-back to the input.
#[derive(Clone, Debug)]
pub struct Vjp {
    /// Outputs under the last draw, `(n, width)` for each tap, in the order they were asked for.
    pub outputs: Vec<Array2<f32>>,
    /// Sum over taps and draws of upstream · d outputs / d x, `(n, c, h, w)`.
    pub gradient: Images,
}

/// A layer that quantizes activations.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantized {
    /// Its name.
    pub name: String,
    /// Whether its grid has two values.
    pub is_binary: bool,
    /// Root mean square of its latent values over some images, the noise off; 0 for no images.
    pub spread: f64,
}

/// A classifier refused a call.
#[derive(Debug, thiserror::Error)]
pub enum ClassifierError {
    /// There is no gradient (a packed network, a black box).
    #[error("this classifier has no input gradient; white-box attacks need one")]
    NoGradient,
    /// There is no such tap.
    #[error("no layer output named {got:?}; there are {allowed}")]
    UnknownTap {
        /// What was asked for.
        got: String,
        /// What there is.
        allowed: String,
    },
    /// Surrogates cannot be put into the network: an implementation's own mistake.
    #[error("surrogate gradients do not fit the network: {0}")]
    Surrogates(#[from] quaver_nn::graph::GraphError),
    /// Numbers do not fill an array: an implementation's own mistake.
    #[error("outputs of a wrong size: {0}")]
    Layout(#[from] ndarray::ShapeError),
}

/// A classifier of images. All calls are pure: the result is a function of the weights,
/// the pixels, the ids and the noise. Inputs were checked where they entered
/// (shape, range, finiteness); implementations do not check again.
pub trait Classifier: Send + Sync {
    /// `[c, h, w]` of an image.
    fn input_shape(&self) -> [usize; 3];
    /// Number of classes.
    fn n_classes(&self) -> usize;
    /// Names of the classes, in the order of the logits: numbers where it knows none.
    fn classes(&self) -> Vec<String> {
        (0..self.n_classes())
            .map(|class| class.to_string())
            .collect()
    }
    /// A hash of all that its answers depend on, so that what was fitted for one classifier is not
    /// used with another. `None` where it does not know.
    fn fingerprint(&self) -> Option<String> {
        None
    }
    /// What is random while noise is on.
    fn randomness(&self) -> Randomness;
    /// Logits `(n, n_classes)`; never softmaxed.
    fn logits(&self, batch: Batch<'_>, noise: Noise) -> Result<Array2<f32>, ClassifierError>;
    /// Names of the layer outputs that [`Classifier::outputs`] and [`Classifier::vjp`] can be
    /// asked for, in order.
    fn taps(&self) -> Vec<String> {
        Vec::new()
    }
    /// The outputs `taps` of one forward pass, `(n, width)` each, in the order of `taps`.
    ///
    /// # Errors
    /// When there is no such output.
    fn outputs(
        &self,
        batch: Batch<'_>,
        noise: Noise,
        taps: &[Tap<'_>],
    ) -> Result<Vec<Array2<f32>>, ClassifierError> {
        let output = |tap: &Tap<'_>| match tap {
            Tap::Logits => self.logits(batch, noise),
            Tap::Layer(got) => Err(ClassifierError::UnknownTap {
                got: (*got).into(),
                allowed: self.taps().join(", "),
            }),
        };
        taps.iter().map(output).collect()
    }
    /// Whether [`Classifier::vjp`] works.
    fn has_gradient(&self) -> bool;
    /// Forward under each of `noises`, the upstream gradients of all `taps` from `upstream`,
    /// and one way back to the input; gradients of taps and draws are summed.
    ///
    /// # Errors
    /// When there is no gradient, or no such output.
    fn vjp(
        &self,
        batch: Batch<'_>,
        noises: &[Noise],
        taps: &[Tap<'_>],
        upstream: &Upstream<'_>,
    ) -> Result<Vjp, ClassifierError>;
    /// Layers that quantize activations, in order, as they see the images of `batch`.
    ///
    /// # Errors
    /// What the classifier refuses.
    fn quantized(&self, _batch: Batch<'_>) -> Result<Vec<Quantized>, ClassifierError> {
        Ok(Vec::new())
    }
    /// A classifier with the same outputs whose gradients take other surrogates at the layers of
    /// these names, and go through `weights` where weights are stochastic. It is asked for
    /// gradients alone. `None` where there is nothing to choose.
    ///
    /// # Errors
    /// When it cannot be made.
    fn with_surrogates(
        &self,
        _surrogates: &[(String, Surrogate)],
        _weights: InputGradient,
    ) -> Result<Option<Box<dyn Classifier>>, ClassifierError> {
        Ok(None)
    }
    /// Logits of `n_passes` passes, `draw.pass` being the first one's number.
    /// What does not depend on the noise is computed once.
    fn passes(
        &self,
        batch: Batch<'_>,
        draw: Draw,
        n_passes: u32,
        sink: &PassSink<'_>,
    ) -> Result<(), ClassifierError> {
        for pass in 0..n_passes {
            let noise = Noise::Draw(Draw {
                pass: draw.pass + pass,
                ..draw
            });
            let logits = self.logits(batch, noise)?;
            for (row, logits) in logits.outer_iter().enumerate() {
                sink(row, pass, &logits.to_vec());
            }
        }
        Ok(())
    }
}

/// `n_passes` passes on the randomness from `draw` on; `take` adds the logits of each to what
/// is known of its image: `(row, state, logits)`. A row's passes arrive in order, rows in any.
///
/// # Errors
/// What the classifier refuses.
pub fn reduce_passes<T: Send>(
    classifier: &dyn Classifier,
    batch: Batch<'_>,
    draw: Draw,
    n_passes: u32,
    states: Vec<T>,
    take: impl Fn(usize, &mut T, &[f32]) + Sync,
) -> Result<Vec<T>, ClassifierError> {
    let rows: Vec<Mutex<T>> = states.into_iter().map(Mutex::new).collect();
    classifier.passes(batch, draw, n_passes, &|row, _, logits| {
        // A row's passes arrive in order, so no other thread waits for its lock.
        let mut state = rows[row].lock().unwrap_or_else(PoisonError::into_inner);
        take(row, &mut state, logits);
    })?;
    let state = |row: Mutex<T>| row.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(rows.into_iter().map(state).collect())
}

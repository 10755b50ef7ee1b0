//! A classifier whose logits are changed.

use std::sync::Arc;

use ndarray::Array2;
use quaver_nn::op::Op;

use crate::classifier::{
    Batch, Classifier, ClassifierError, Draw, InputGradient, Noise, PassSink, Quantized,
    Randomness, Surrogate, Tap, Upstream, Vjp,
};
use crate::spec::Spec;

/// What is done to the logits of an image.
pub trait LogitMap: Send + Sync {
    /// Changes them.
    fn apply(&self, logits: &mut [f32]);
    /// Changes a gradient with respect to the changed logits into one with respect to `logits`.
    fn pull(&self, logits: &[f32], gradient: &mut [f32]);
    /// The layer that does the same, if there is one.
    fn op(&self) -> Option<Box<dyn Op>> {
        None
    }
}

/// A classifier in front of a [`LogitMap`]. Outputs of layers stay as they are.
pub struct Mapped {
    inner: Box<dyn Classifier>,
    map: Arc<dyn LogitMap>,
    spec: String,
}

impl Mapped {
    /// `inner` in front of `map`, which `spec` gives.
    #[must_use]
    pub fn new(inner: Box<dyn Classifier>, map: Box<dyn LogitMap>, spec: &Spec) -> Self {
        Self {
            inner,
            map: map.into(),
            spec: spec.to_string(),
        }
    }

    fn mapped(&self, logits: &[f32]) -> Vec<f32> {
        let mut mapped = logits.to_vec();
        self.map.apply(&mut mapped);
        mapped
    }

    /// `outputs` of `taps` with mapped logits.
    fn map(&self, outputs: Vec<Array2<f32>>, taps: &[Tap<'_>]) -> Vec<Array2<f32>> {
        let map = |(mut output, tap): (Array2<f32>, &Tap<'_>)| {
            if *tap == Tap::Logits {
                for mut row in output.outer_iter_mut() {
                    let mapped = self.mapped(&row.to_vec());
                    row.iter_mut().zip(mapped).for_each(|(z, m)| *z = m);
                }
            }
            output
        };
        outputs.into_iter().zip(taps).map(map).collect()
    }
}

impl Classifier for Mapped {
    fn input_shape(&self) -> [usize; 3] {
        self.inner.input_shape()
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
        self.inner.randomness()
    }

    fn logits(&self, batch: Batch<'_>, noise: Noise) -> Result<Array2<f32>, ClassifierError> {
        let logits = self.inner.logits(batch, noise)?;
        Ok(self.map(vec![logits], &[Tap::Logits]).swap_remove(0))
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
        Ok(self.map(self.inner.outputs(batch, noise, taps)?, taps))
    }

    fn quantized(&self, batch: Batch<'_>) -> Result<Vec<Quantized>, ClassifierError> {
        self.inner.quantized(batch)
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
                map: Arc::clone(&self.map),
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
        let through = |row: usize, k: usize, outputs: &[&[f32]], up: &mut [&mut [f32]]| {
            let at = taps.iter().position(|tap| *tap == Tap::Logits);
            let mapped = at.map(|at| self.mapped(outputs[at]));
            let shown = outputs.iter().zip(taps).map(|(output, tap)| match &mapped {
                Some(mapped) if *tap == Tap::Logits => mapped,
                _ => *output,
            });
            upstream(row, k, &shown.collect::<Vec<&[f32]>>(), up);
            for (i, _) in taps
                .iter()
                .enumerate()
                .filter(|(_, tap)| **tap == Tap::Logits)
            {
                self.map.pull(outputs[i], up[i]);
            }
        };
        let mut vjp = self.inner.vjp(batch, noises, taps, &through)?;
        vjp.outputs = self.map(vjp.outputs, taps);
        Ok(vjp)
    }

    fn passes(
        &self,
        batch: Batch<'_>,
        draw: Draw,
        n_passes: u32,
        sink: &PassSink<'_>,
    ) -> Result<(), ClassifierError> {
        let mapped = |row: usize, pass: u32, logits: &[f32]| sink(row, pass, &self.mapped(logits));
        self.inner.passes(batch, draw, n_passes, &mapped)
    }
}

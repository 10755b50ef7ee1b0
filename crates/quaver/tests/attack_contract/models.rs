//! Small classifiers whose gradients are written down by hand.

use ndarray::{Array2, Array4};
use quaver::classifier::{
    Batch, Classifier, ClassifierError, Draw, Noise, Randomness, Tap, Upstream, Vjp,
};
use quaver::rng::Rng;

/// z = B tanh(A x) or, without a hidden layer, z = B x.
pub(crate) struct Small {
    pub(crate) shape: [usize; 3],
    pub(crate) hidden: Option<Array2<f32>>,
    pub(crate) last: Array2<f32>,
    pub(crate) randomness: Randomness,
    pub(crate) has_gradient: bool,
    /// Images with this id get gradients that are no numbers, from this pixel sum on.
    pub(crate) broken: Option<(u64, f32)>,
}

/// Normal weights; rows sum to zero, so that no class wins by the brightness of the image.
fn random(rows: usize, columns: usize, name: &str, scale: f64) -> Array2<f32> {
    let mut rng = Rng::new(7, name, 0);
    let mut weights =
        Array2::from_shape_simple_fn((rows, columns), || (scale * rng.normal()) as f32);
    for mut row in weights.outer_iter_mut() {
        let mean = row.sum() / columns as f32;
        row.mapv_inplace(|w| w - mean);
    }
    weights
}

impl Small {
    pub(crate) fn linear(last: Array2<f32>, shape: [usize; 3]) -> Self {
        let randomness = Randomness::None;
        Self {
            shape,
            hidden: None,
            last,
            randomness,
            has_gradient: true,
            broken: None,
        }
    }

    pub(crate) fn softmax() -> Self {
        Self::linear(random(5, 18, "linear", 1.0), [2, 3, 3])
    }

    pub(crate) fn tanh() -> Self {
        let hidden = Some(random(8, 18, "hidden", 0.5));
        Self {
            hidden,
            ..Self::linear(random(5, 8, "last", 2.0), [2, 3, 3])
        }
    }

    pub(crate) fn noisy(randomness: Randomness) -> Self {
        Self {
            randomness,
            ..Self::tanh()
        }
    }

    /// Factors on the input: dropout of an example, or a weight a pass.
    fn factors(&self, noise: Noise, id: u64) -> Vec<f32> {
        let d = self.shape.iter().product();
        let Noise::Draw(Draw {
            seed,
            purpose,
            pass,
        }) = noise
        else {
            return vec![1.0; d];
        };
        let name = format!("{purpose:?}-{pass}");
        match self.randomness {
            Randomness::None => vec![1.0; d],
            Randomness::PerExample => {
                let mut rng = Rng::new(seed, &name, id);
                (0..d)
                    .map(|_| if rng.uniform() < 0.2 { 0.0 } else { 1.25 })
                    .collect()
            }
            Randomness::PerPass => {
                let mut rng = Rng::new(seed, &name, 0);
                (0..d).map(|_| (1.0 + 0.3 * rng.normal()) as f32).collect()
            }
        }
    }

    fn forward(&self, x: &[f32], factors: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let input: Vec<f32> = x.iter().zip(factors).map(|(x, f)| x * f).collect();
        let hidden = match &self.hidden {
            None => input,
            Some(a) => times(a, &input).into_iter().map(f32::tanh).collect(),
        };
        (times(&self.last, &hidden), hidden)
    }

    fn backward(&self, tap: &Tap<'_>, up: &[f32], hidden: &[f32], factors: &[f32]) -> Vec<f32> {
        let mut gradient = match tap {
            Tap::Logits => times(&self.last.t().to_owned(), up),
            Tap::Layer(_) => up.to_vec(),
        };
        if let Some(a) = &self.hidden {
            for (g, h) in gradient.iter_mut().zip(hidden) {
                *g *= 1.0 - h * h;
            }
            gradient = times(&a.t().to_owned(), &gradient);
        }
        gradient.iter().zip(factors).map(|(g, f)| g * f).collect()
    }
}

fn tapped<'a>(tap: &Tap<'_>, logits: &'a [f32], hidden: &'a [f32]) -> &'a [f32] {
    match tap {
        Tap::Logits => logits,
        Tap::Layer(_) => hidden,
    }
}

fn times(a: &Array2<f32>, x: &[f32]) -> Vec<f32> {
    a.outer_iter()
        .map(|row| row.iter().zip(x).map(|(a, x)| a * x).sum())
        .collect()
}

impl Classifier for Small {
    fn input_shape(&self) -> [usize; 3] {
        self.shape
    }

    fn n_classes(&self) -> usize {
        self.last.nrows()
    }

    fn randomness(&self) -> Randomness {
        self.randomness
    }

    fn has_gradient(&self) -> bool {
        self.has_gradient
    }

    fn logits(&self, batch: Batch<'_>, noise: Noise) -> Result<Array2<f32>, ClassifierError> {
        let mut logits = Array2::zeros((batch.ids.len(), self.n_classes()));
        for (row, x) in batch.x.outer_iter().enumerate() {
            let x: Vec<f32> = x.iter().copied().collect();
            let (z, _) = self.forward(&x, &self.factors(noise, batch.ids[row]));
            logits
                .row_mut(row)
                .assign(&Array2::from_shape_vec((1, z.len()), z).unwrap().row(0));
        }
        Ok(logits)
    }

    fn taps(&self) -> Vec<String> {
        vec!["hidden".to_owned()]
    }

    fn outputs(
        &self,
        batch: Batch<'_>,
        noise: Noise,
        taps: &[Tap<'_>],
    ) -> Result<Vec<Array2<f32>>, ClassifierError> {
        let of_tap = |tap: &Tap<'_>| {
            let mut rows: Vec<f32> = Vec::new();
            for (row, x) in batch.x.outer_iter().enumerate() {
                let x: Vec<f32> = x.iter().copied().collect();
                let (z, hidden) = self.forward(&x, &self.factors(noise, batch.ids[row]));
                rows.extend(tapped(tap, &z, &hidden));
            }
            let n = batch.ids.len();
            Ok(Array2::from_shape_vec((n, rows.len() / n), rows)?)
        };
        taps.iter().map(of_tap).collect()
    }

    fn vjp(
        &self,
        batch: Batch<'_>,
        noises: &[Noise],
        taps: &[Tap<'_>],
        upstream: &Upstream<'_>,
    ) -> Result<Vjp, ClassifierError> {
        if !self.has_gradient {
            return Err(ClassifierError::NoGradient);
        }
        let mut gradient = Array4::zeros(batch.x.raw_dim());
        for (k, noise) in noises.iter().enumerate() {
            for (row, x) in batch.x.outer_iter().enumerate() {
                let x: Vec<f32> = x.iter().copied().collect();
                let factors = self.factors(*noise, batch.ids[row]);
                let (z, hidden) = self.forward(&x, &factors);
                let outputs: Vec<&[f32]> =
                    taps.iter().map(|tap| tapped(tap, &z, &hidden)).collect();
                let mut ups: Vec<Vec<f32>> = outputs.iter().map(|z| vec![0.0; z.len()]).collect();
                let mut slices: Vec<&mut [f32]> = ups.iter_mut().map(Vec::as_mut_slice).collect();
                upstream(row, k, &outputs, &mut slices);
                let mut g = vec![0.0; x.len()];
                for (tap, up) in taps.iter().zip(&ups) {
                    let of_tap = self.backward(tap, up, &hidden, &factors);
                    g.iter_mut()
                        .zip(of_tap)
                        .for_each(|(g, of_tap)| *g += of_tap);
                }
                if self
                    .broken
                    .is_some_and(|(id, sum)| id == batch.ids[row] && x.iter().sum::<f32>() >= sum)
                {
                    g[1] = f32::NAN;
                }
                for (to, g) in gradient
                    .index_axis_mut(ndarray::Axis(0), row)
                    .iter_mut()
                    .zip(g)
                {
                    *to += g;
                }
            }
        }
        let last = noises.last().copied().unwrap_or(Noise::Off);
        Ok(Vjp {
            outputs: self.outputs(batch, last, taps)?,
            gradient,
        })
    }
}

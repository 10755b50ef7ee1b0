//! One op at a time, in float64, by straightforward loops over `(n, c, h, w)`.

use super::Statistics;
use super::imported;
use super::quantizer::{quantize, surrogate};
use quaver_nn::noise::{LayerDraw, Noise};
use quaver_nn::op::{
    Add, BatchNorm, Concat, Conv2d, Dense, Dropout, Flatten, GroupedConv2d, MaxPool2d, Op,
    Quantize, Relu, Shape, WindowMax2d, ZeroPad2d,
};
use quaver_nn::quantizer::Quantization;

/// A node with its shapes and parameters.
pub(crate) struct Node<'a> {
    pub(crate) op: &'a dyn Op,
    pub(crate) name: &'a str,
    pub(crate) inputs: Vec<Shape>,
    pub(crate) output: &'a Shape,
    pub(crate) params: &'a [Vec<f64>],
}

/// What a node derives on the way forward and needs on the way back.
#[derive(Default)]
pub(crate) struct Kept {
    /// Weights as used.
    weights: Vec<f64>,
    /// What dropout multiplies each element by.
    factors: Vec<f64>,
    /// Statistics in use, by channel.
    pub(crate) mean: Vec<f64>,
    pub(crate) variance: Vec<f64>,
    batch_statistics: bool,
}

/// Gradients with respect to the inputs and to the parameters.
pub(crate) struct Gradients {
    pub(crate) inputs: Vec<Vec<f64>>,
    pub(crate) params: Vec<Vec<f64>>,
    /// Sum of the magnitudes that `params` sums: what its rounding is measured by.
    pub(crate) sizes: Vec<Vec<f64>>,
}

impl Gradients {
    fn add(&mut self, param: usize, i: usize, term: f64) {
        self.params[param][i] += term;
        self.sizes[param][i] += term.abs();
    }
}

fn size(shape: &[usize]) -> usize {
    shape.iter().product()
}

impl Node<'_> {
    fn is<T: 'static>(&self) -> Option<&T> {
        self.op.as_any().downcast_ref()
    }

    /// Bias and quantizer of a layer with weights.
    fn weighted(&self) -> Option<(bool, Option<&Quantization>)> {
        let conv = self.is::<Conv2d>().map(|op| (op.bias, &op.quantizer));
        let dense = self.is::<Dense>().map(|op| (op.bias, &op.quantizer));
        let grouped = self
            .is::<GroupedConv2d>()
            .map(|op| (op.bias, &op.quantizer));
        let found = conv.or(dense).or(grouped);
        found.map(|(bias, quantizer)| (bias, quantizer.as_ref()))
    }

    /// Calls `product(output, input, weight)` for each product of one example behind the
    /// outputs that are `wanted`.
    fn products(
        &self,
        wanted: impl Fn(usize) -> bool,
        mut product: impl FnMut(usize, usize, usize),
    ) {
        if let Some(op) = self.is::<Dense>() {
            for o in (0..op.out_features).filter(|&o| wanted(o)) {
                (0..op.in_features).for_each(|i| product(o, i, o * op.in_features + i));
            }
        }
        if let Some(op) = self.is::<GroupedConv2d>() {
            imported::products(op, &self.inputs[0], self.output, wanted, product);
            return;
        }
        let Some(op) = self.is::<Conv2d>() else {
            return;
        };
        let [channels, height, width] = self.inputs[0][..] else {
            return;
        };
        let [kh, kw] = op.kernel;
        let [_, out_height, out_width] = self.output[..] else {
            return;
        };
        for o in 0..op.out_channels {
            for (y, x) in pairs(out_height, out_width) {
                let place = (o * out_height + y) * out_width + x;
                if !wanted(place) {
                    continue;
                }
                for (c, (ky, kx)) in (0..channels).flat_map(|c| pairs(kh, kw).map(move |k| (c, k)))
                {
                    let row = (y * op.stride + ky).wrapping_sub(op.padding);
                    let column = (x * op.stride + kx).wrapping_sub(op.padding);
                    if row < height && column < width {
                        let input = (c * height + row) * width + column;
                        product(place, input, ((o * channels + c) * kh + ky) * kw + kx);
                    }
                }
            }
        }
    }

    /// A pooling as one over windows of any shape.
    fn maxima(&self) -> Option<WindowMax2d> {
        let square = self.is::<MaxPool2d>().map(|op| WindowMax2d {
            kernel: [op.kernel; 2],
            stride: [op.stride; 2],
            dilation: [1; 2],
            padding: [0; 4],
        });
        square.or_else(|| self.is().cloned())
    }

    /// Calls `window(output, first maximum)` for each pooling window of one example.
    fn windows(&self, op: &WindowMax2d, x: &[f64], mut window: impl FnMut(usize, usize)) {
        let [channels, rows, columns] = self.output[..] else {
            return;
        };
        let [_, height, width] = self.inputs[0][..] else {
            return;
        };
        let [left, _, top, _] = op.padding;
        for c in 0..channels {
            for (row, column) in pairs(rows, columns) {
                let inside = pairs(op.kernel[0], op.kernel[1]).filter_map(|(dy, dx)| {
                    let y = (row * op.stride[0] + dy * op.dilation[0]).checked_sub(top)?;
                    let x = (column * op.stride[1] + dx * op.dilation[1]).checked_sub(left)?;
                    (y < height && x < width).then_some((c * height + y) * width + x)
                });
                let best = inside.reduce(|best, i| if x[i] > x[best] { i } else { best });
                window((c * rows + row) * columns + column, best.unwrap_or(0));
            }
        }
    }

    /// Place in the padded image of each element of the plain one.
    fn padded(&self, op: &ZeroPad2d) -> Vec<usize> {
        let [channels, height, width] = self.inputs[0][..] else {
            return Vec::new();
        };
        let [left, _, top, _] = op.padding;
        let place = |c: usize, y: usize, x: usize| {
            (c * self.output[1] + y + top) * self.output[2] + x + left
        };
        let planes = (0..channels).flat_map(|c| pairs(height, width).map(move |at| (c, at)));
        planes.map(|(c, (y, x))| place(c, y, x)).collect()
    }

    fn channel(&self, element: usize) -> usize {
        element / size(&self.inputs[0][1..])
    }

    fn draw(&self, noise: Noise) -> Option<LayerDraw> {
        match noise {
            Noise::Off => None,
            Noise::Draw(draw) => Some(draw.of_layer(self.name)),
        }
    }

    /// Derives what the pass needs.
    pub(crate) fn keep(&self, x: &[f64], ids: &[u64], noise: Noise, with: Statistics) -> Kept {
        let mut kept = Kept::default();
        let draw = self.draw(noise);
        if let Some((_, quantizer)) = self.weighted() {
            kept.weights = match quantizer {
                Some(quantizer) => quantize(quantizer, &self.params[0], draw),
                None => self.params[0].clone(),
            };
        }
        if let Some(op) = self.is::<Relu>() {
            let scale = self.params.first().map_or(1.0, |scale| scale[0]);
            assert_eq!(op.scale.is_some(), !self.params.is_empty());
            kept.weights = vec![scale];
        }
        if let Some(op) = self.is::<Dropout>() {
            kept.factors = vec![1.0; x.len()];
            if let Some(draw) = draw.filter(|_| op.p > 0.0) {
                let threshold = (op.p * 65_536.0).round();
                let size = size(self.output);
                for (i, factor) in kept.factors.iter_mut().enumerate() {
                    let drawn = f64::from(draw.element(ids[i / size], i % size));
                    let scale = 1.0 / (1.0 - threshold / 65_536.0);
                    *factor = if drawn < threshold { 0.0 } else { scale };
                }
            }
        }
        if let Some(op) = self.is::<BatchNorm>() {
            kept.batch_statistics = with == Statistics::Batch;
            (kept.mean, kept.variance) = match with {
                Statistics::Running => (self.params[2].clone(), self.params[3].clone()),
                Statistics::Batch => self.channel_moments(x, op.channels),
            };
        }
        kept
    }

    /// Mean and biased variance of each channel over batch and positions.
    fn channel_moments(&self, x: &[f64], channels: usize) -> (Vec<f64>, Vec<f64>) {
        let size = size(&self.inputs[0]);
        let count = (x.len() / channels) as f64;
        let (mut mean, mut variance) = (vec![0.0; channels], vec![0.0; channels]);
        for (i, x) in x.iter().enumerate() {
            mean[self.channel(i % size)] += x / count;
        }
        for (i, x) in x.iter().enumerate() {
            let c = self.channel(i % size);
            variance[c] += (x - mean[c]).powi(2) / count;
        }
        (mean, variance)
    }

    /// (x − mean) / deviation, and 1 / deviation, of an element.
    fn normalized(&self, op: &BatchNorm, kept: &Kept, element: usize, x: f64) -> (f64, f64) {
        let c = self.channel(element);
        let inverse = 1.0 / (kept.variance[c] + op.eps).sqrt();
        ((x - kept.mean[c]) * inverse, inverse)
    }

    /// Output of one example.
    pub(crate) fn forward(&self, kept: &Kept, inputs: &[&[f64]], example: usize) -> Vec<f64> {
        let x = inputs[0];
        let mut out = vec![0.0; size(self.output)];
        if let Some((bias, _)) = self.weighted() {
            self.products(|_| true, |o, i, w| out[o] += kept.weights[w] * x[i]);
            let positions = out.len() / self.output[0];
            for (o, out) in out.iter_mut().enumerate().filter(|_| bias) {
                *out += self.params[1][o / positions];
            }
        } else if let Some(op) = self.is::<BatchNorm>() {
            for (i, out) in out.iter_mut().enumerate() {
                let c = self.channel(i);
                let (normal, _) = self.normalized(op, kept, i, x[i]);
                *out = self.params[0][c] * normal + self.params[1][c];
            }
        } else if let Some(op) = self.maxima() {
            self.windows(&op, x, |place, best| out[place] = x[best]);
        } else if let Some(op) = self.is::<ZeroPad2d>() {
            let places = self.padded(op);
            places.iter().zip(x).for_each(|(&place, x)| out[place] = *x);
        } else if self.is::<Dropout>().is_some() {
            let factors = &kept.factors[example * out.len()..];
            (0..out.len()).for_each(|i| out[i] = x[i] * factors[i]);
        } else if let Some(op) = self.is::<Quantize>() {
            out = quantize(&op.quantizer, x, None);
        } else if self.is::<Relu>().is_some() {
            (0..out.len()).for_each(|i| out[i] = kept.weights[0] * x[i].max(0.0));
        } else if self.is::<Add>().is_some() {
            (0..out.len()).for_each(|i| out[i] = x[i] + inputs[1][i]);
        } else if self.is::<Concat>().is_some() {
            out = inputs.concat();
        } else if let Some(terms) = imported::terms(self.op, &self.inputs[0], self.output, x) {
            out = terms.apply(x);
        } else {
            assert!(
                self.is::<Flatten>().is_some(),
                "no formula for {:?}",
                self.op
            );
            out.copy_from_slice(x);
        }
        out
    }

    /// Adds one example's gradients from its upstream `u`. Batch statistics and quantizers of
    /// weights are settled for the whole batch by [`Node::settle`].
    pub(crate) fn backward(
        &self,
        kept: &Kept,
        inputs: &[&[f64]],
        (u, example): (&[f64], usize),
        into: &mut Gradients,
    ) {
        let x = inputs[0];
        let at = example * x.len();
        let mut dx = vec![0.0; x.len()];
        if let Some((bias, _)) = self.weighted() {
            self.backward_weighted(&kept.weights, x, u, &mut dx, into);
            let positions = u.len() / self.output[0];
            for (o, u) in u.iter().enumerate().filter(|_| bias) {
                into.add(1, o / positions, *u);
            }
        } else if let Some(op) = self.is::<BatchNorm>() {
            for (i, u) in u.iter().enumerate() {
                let c = self.channel(i);
                let (normal, inverse) = self.normalized(op, kept, i, x[i]);
                dx[i] = self.params[0][c] * inverse * u;
                into.add(0, c, u * normal);
                into.add(1, c, *u);
            }
        } else if let Some(op) = self.maxima() {
            self.windows(&op, x, |place, best| dx[best] += u[place]);
        } else if let Some(op) = self.is::<ZeroPad2d>() {
            let places = self.padded(op);
            (0..dx.len()).for_each(|i| dx[i] = u[places[i]]);
        } else if self.is::<Dropout>().is_some() {
            let factors = &kept.factors[at..];
            (0..u.len()).for_each(|i| dx[i] = u[i] * factors[i]);
        } else if let Some(op) = self.is::<Quantize>() {
            (0..u.len()).for_each(|i| dx[i] = surrogate(&op.quantizer, x[i], u[i]));
        } else if let Some(op) = self.is::<Relu>() {
            for (i, u) in u.iter().enumerate().filter(|(i, _)| x[*i] > 0.0) {
                dx[i] = kept.weights[0] * u;
                if op.scale.is_some() {
                    into.add(0, 0, x[i] * u);
                }
            }
        } else if self.is::<Concat>().is_some() {
            let mut from = 0;
            for (input, into) in inputs.iter().zip(&mut into.inputs) {
                let at = example * input.len();
                into[at..at + input.len()].copy_from_slice(&u[from..from + input.len()]);
                from += input.len();
            }
            return;
        } else if let Some(terms) = imported::terms(self.op, &self.inputs[0], self.output, x) {
            dx = terms.pull(u, x.len());
        } else {
            dx.copy_from_slice(u);
        }
        // The two inputs of a sum have one gradient.
        for input in &mut into.inputs {
            input[at..at + dx.len()].copy_from_slice(&dx);
        }
    }

    fn backward_weighted(
        &self,
        used: &[f64],
        x: &[f64],
        u: &[f64],
        dx: &mut [f64],
        into: &mut Gradients,
    ) {
        let (weights, sizes) = (&mut into.params[0], &mut into.sizes[0]);
        let pulls = |o: usize| u[o] != 0.0;
        self.products(pulls, |o, i, w| {
            let term = x[i] * u[o];
            weights[w] += term;
            sizes[w] += term.abs();
            dx[i] += used[w] * u[o];
        });
    }

    /// What couples the examples of a batch: the gradient through batch statistics, and
    /// surrogates of quantized weights, which need not be linear.
    pub(crate) fn settle(&self, kept: &Kept, x: &[f64], into: &mut Gradients) {
        if let Some((_, Some(quantizer))) = self.weighted() {
            for (g, r) in into.params[0].iter_mut().zip(&self.params[0]) {
                *g = surrogate(quantizer, *r, *g);
            }
        }
        let batch = self.is::<BatchNorm>().filter(|_| kept.batch_statistics);
        let Some(op) = batch else { return };
        let count = (x.len() / op.channels) as f64;
        let size = size(self.output);
        for (i, x) in x.iter().enumerate() {
            let c = self.channel(i % size);
            let (normal, inverse) = self.normalized(op, kept, i % size, *x);
            let (products, sum) = (into.params[0][c] / count, into.params[1][c] / count);
            into.inputs[0][i] -= self.params[0][c] * inverse * (sum + normal * products);
        }
    }
}

fn pairs(rows: usize, columns: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).flat_map(move |row| (0..columns).map(move |column| (row, column)))
}

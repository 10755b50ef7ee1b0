//! [`ExactSum`]: a layer of exact sums on floats, what is not exact behind it.

use crate::graph::Graph;
use crate::kernel::{Lanes, Simd};
use crate::op::weights::bias_gradient;
use crate::op::{Backward, Conv2d, Dense, Forward, Layer, MaxPool2d, Op, Prepare};

/// `sum · factor + bias`, the sum being a dense layer's or a convolution's without bias, the
/// factor that of a dropout before it (1 while noise is off).
#[derive(Clone)]
pub(crate) struct ExactSum {
    sum: Box<dyn Layer>,
    /// Numbers of one output channel.
    positions: usize,
    /// Added to each output channel; `None`: nothing is.
    bias: Option<Vec<f32>>,
}

/// A product without its bias, and whether it had one.
fn without_bias(op: &dyn Op) -> Option<(Box<dyn Op>, bool)> {
    if let Some(op) = op.as_any().downcast_ref::<Dense>() {
        let sum = Dense {
            bias: false,
            ..op.clone()
        };
        return Some((Box::new(sum), op.bias));
    }
    let op = op.as_any().downcast_ref::<Conv2d>()?;
    let sum = Conv2d {
        bias: false,
        ..op.clone()
    };
    Some((Box::new(sum), op.bias))
}

impl ExactSum {
    /// The layer of node `i`, a product of signs, and how many of `followers` it does the work
    /// of: pooling alone, as the largest sum stays the largest with a factor and a bias.
    pub(crate) fn fuse(
        op: &dyn Op,
        graph: &Graph,
        i: usize,
        followers: &[&dyn Op],
    ) -> Option<(Box<dyn Layer>, usize)> {
        let (sum, bias) = without_bias(op)?;
        let inputs = graph.input_shapes(i);
        let pools = followers
            .iter()
            .take_while(|op| op.as_any().is::<MaxPool2d>());
        let fused = crate::fused::fuse(sum.as_ref(), &inputs, &followers[..pools.take(1).count()]);
        let (sum, taken) = fused.unwrap_or_else(|| (sum.layer(&inputs).into_box(), 0));
        let output = graph.shape(i + 1 + taken);
        let layer = Self {
            sum,
            positions: output[1..].iter().product(),
            bias: bias.then(Vec::new),
        };
        Some((Box::new(layer), taken))
    }
}

/// Makes outputs of sums, in place: the one way for floats and for bits.
pub(crate) fn finish(
    simd: Simd,
    sums: &mut [Lanes],
    positions: usize,
    factor: f32,
    bias: Option<&[f32]>,
) {
    if factor != 1.0 {
        simd.vectorize(|| {
            sums.iter_mut()
                .for_each(|sum| *sum = sum.map(|s| s * factor))
        });
    }
    let Some(bias) = bias else { return };
    simd.vectorize(|| {
        for (plane, bias) in sums.chunks_exact_mut(positions).zip(bias.iter().cycle()) {
            plane
                .iter_mut()
                .for_each(|sum| *sum = sum.map(|s| s + bias));
        }
    });
}

impl Layer for ExactSum {
    fn saved(&self) -> usize {
        self.sum.saved()
    }

    fn prepare(&mut self, args: Prepare<'_>) {
        self.sum.prepare(args);
        if let (Some(bias), Some(given)) = (&mut self.bias, args.params.get(1)) {
            bias.clone_from(given);
        }
    }

    fn forward(&self, chunk: Forward<'_>) {
        let (simd, factor) = (chunk.simd, chunk.factor);
        let of_sum = Forward {
            output: &mut *chunk.output,
            ..chunk
        };
        self.sum.forward(of_sum);
        let bias = self.bias.as_deref();
        finish(simd, chunk.output, self.positions, factor, bias);
    }

    fn backward(&self, chunk: Backward<'_>) {
        let mut gradients = chunk.param_gradients;
        let mut inputs = [chunk.input_gradients[0].take()];
        let scaled: Vec<Lanes>;
        let of_sum = Backward {
            simd: chunk.simd,
            blocks: chunk.blocks,
            examples: chunk.examples,
            ids: chunk.ids,
            factor: 1.0,
            inputs: chunk.inputs,
            output: chunk.output,
            upstream: if chunk.factor == 1.0 {
                chunk.upstream
            } else {
                let scale = |u: &Lanes| u.map(|u| u * chunk.factor);
                scaled = chunk.upstream.iter().map(scale).collect();
                &scaled
            },
            saved: chunk.saved,
            input_gradients: &mut inputs,
            param_gradients: gradients.as_deref_mut().map(|all| &mut all[..1]),
            gathered: chunk.gathered,
            scratch: chunk.scratch,
        };
        self.sum.backward(of_sum);
        if let Some(bias) = gradients.and_then(|all| all.get_mut(1)) {
            bias_gradient(chunk.simd, chunk.upstream, self.positions, bias);
        }
    }

    fn gathered(&self) -> usize {
        self.sum.gathered()
    }

    fn join(&self, simd: Simd, chunks: &[&[Lanes]], first: usize, rows: &mut [f32]) {
        self.sum.join(simd, chunks, first, rows);
    }

    fn surrogate(&self, simd: Simd, latent: &[f32], gradient: &mut [f32]) {
        self.sum.surrogate(simd, latent, gradient);
    }

    fn products(&self) -> u64 {
        self.sum.products()
    }
}

//! [`Tapped`]: outputs of a chunk that were asked for, and the way back from all of them.

use super::Upstream;
use super::ready::{Drawn, Ready};
use crate::batch::Batch;
use crate::exec::{Chunk, Layers, Run};
use crate::op::Layer;
use crate::plan::Plan;

impl Ready {
    /// Runs back the nodes under the last tap whose dependence on noise is `noisy`. What a tap
    /// pulls enters when its own node is next: until then others may use its buffer.
    pub(super) fn backward(
        &self,
        run: &mut Run<'_>,
        drawn: &[Option<Box<dyn Layer>>],
        taps: &[Tapped<'_>],
        noisy: bool,
    ) {
        let layers = Layers {
            base: &self.base,
            drawn,
        };
        let nodes = (0..Tapped::last(taps)).rev();
        for i in nodes.filter(|&i| self.plan.noisy[i] == noisy) {
            for tap in taps.iter().filter(|tap| tap.value == i + 1) {
                run.add_gradient(tap.value, if noisy { &tap.pulled } else { &tap.sum });
            }
            run.backward(i, &layers, &|_| true, false);
        }
    }

    /// One chunk of [`Network::vjp`].
    pub(super) fn pull(
        &self,
        run: &mut Run<'_>,
        drawn: &[Drawn],
        taps: &mut [Tapped<'_>],
        upstream: &Upstream<'_>,
    ) {
        let last = Tapped::last(taps);
        self.forward(run, &[], last, false);
        for (k, drawn) in drawn.iter().enumerate() {
            self.forward(run, drawn, last, true);
            for tap in &mut *taps {
                run.rows(tap.value, tap.outputs);
            }
            Tapped::ask(taps, run.chunk, k, upstream);
            self.backward(run, drawn, taps, true);
            run.next_draw();
        }
        self.backward(run, &[], taps, false);
    }
}

/// A tap of one chunk.
pub(super) struct Tapped<'a> {
    pub(super) value: usize,
    /// Numbers of one example.
    pub(super) width: usize,
    /// Under the present draw, `(examples, width)`.
    pub(super) outputs: &'a mut [f32],
    /// Upstream gradient of the present draw.
    pub(super) pulled: Vec<f32>,
    /// The same summed over draws.
    pub(super) sum: Vec<f32>,
}

impl<'a> Tapped<'a> {
    pub(super) fn new(value: usize, width: usize, outputs: &'a mut [f32]) -> Self {
        Self {
            value,
            width,
            pulled: vec![0.0; outputs.len()],
            sum: vec![0.0; outputs.len()],
            outputs,
        }
    }

    /// The last value that is asked for.
    pub(super) fn last(taps: &[Self]) -> usize {
        taps.iter().map(|tap| tap.value).max().unwrap_or(0)
    }

    /// Asks for the upstream gradients of draw `k`.
    pub(super) fn ask(taps: &mut [Self], chunk: &Chunk, k: usize, upstream: &Upstream<'_>) {
        let rows = taps.iter_mut().map(|tap| {
            tap.pulled.fill(0.0);
            let pulled = tap.pulled.chunks_exact_mut(tap.width);
            (tap.outputs.chunks_exact(tap.width), pulled)
        });
        let mut rows: Vec<_> = rows.collect();
        let (mut outputs, mut pulled) = (Vec::new(), Vec::new());
        for e in 0..chunk.examples {
            outputs.clear();
            pulled.clear();
            for (of_outputs, of_pulled) in &mut rows {
                outputs.extend(of_outputs.next());
                pulled.extend(of_pulled.next());
            }
            upstream(chunk.first + e, k, &outputs, &mut pulled);
        }
        for tap in taps {
            let terms = tap.sum.iter_mut().zip(&tap.pulled);
            terms.for_each(|(sum, pulled)| *sum += pulled);
        }
    }
}

/// Room for the rows of each of `values`.
pub(super) fn zeros(plan: &Plan, values: &[usize], batch: &Batch<'_>) -> Vec<Vec<f32>> {
    let zeros = |&value: &usize| vec![0.0; batch.len() * plan.sizes[value]];
    values.iter().map(zeros).collect()
}

/// The rows of each chunk of `examples`, a slice for each of `values`.
pub(super) fn by_chunk<'a>(
    plan: &Plan,
    values: &[usize],
    rows: &'a mut [Vec<f32>],
    examples: usize,
) -> Vec<Vec<&'a mut [f32]>> {
    let mut chunks: Vec<Vec<_>> = Vec::new();
    for (value, rows) in values.iter().zip(rows) {
        for (c, rows) in rows.chunks_mut(examples * plan.sizes[*value]).enumerate() {
            if c == chunks.len() {
                chunks.push(Vec::with_capacity(values.len()));
            }
            chunks[c].push(rows);
        }
    }
    chunks
}

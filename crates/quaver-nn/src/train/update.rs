//! The end of a step: gradients of chunks become one, and weights move.

use super::trainer::{Gradients, Trainer};
use crate::kernel::Lanes;
use crate::profile::{Phase, Profile};
use rayon::prelude::*;
use std::mem::take;

/// Elements of a parameter that one task updates.
const UPDATE: usize = 8192;
/// Rows of a joined gradient come in tiles of this many.
const JOINED: usize = 6;

/// What chunks left of their inputs and upstreams, by chunk and node.
type Gathered = Vec<Vec<Vec<Lanes>>>;

impl Trainer {
    /// Joins the chunks' gradients in order, applies surrogates, steps and clips.
    pub(super) fn update(&mut self, chunks: usize) {
        let states = self.chunks[..chunks].iter_mut();
        let (mut all, gathered): (Vec<Gradients>, Gathered) = states
            .filter_map(|chunk| chunk.get_mut().ok())
            .map(|state| (take(&mut state.gradients), take(&mut state.gathered)))
            .unzip();
        let (total, rest) = all.split_at_mut(1);
        self.join(&mut total[0], rest, &gathered);
        self.optimize(&total[0]);
        for (chunk, left) in self.chunks.iter_mut().zip(all.into_iter().zip(gathered)) {
            if let Ok(state) = chunk.get_mut() {
                (state.gradients, state.gathered) = left;
            }
        }
    }

    /// Adds `rest` to `total` and makes of it the gradient of the stored weights.
    fn join(&self, total: &mut Gradients, rest: &[Gradients], gathered: &Gathered) {
        let (simd, profile) = (self.engine.simd(), self.profile.as_ref());
        let add = |(i, p, c): (usize, usize, usize), sum: &mut [f32]| {
            for other in rest {
                let more = &other[i][p][c * UPDATE..];
                simd.vectorize(|| sum.iter_mut().zip(more).for_each(|(s, m)| *s += m));
            }
        };
        total.par_iter_mut().enumerate().for_each(|(i, node)| {
            for (p, gradient) in node.iter_mut().enumerate() {
                if p == 0 && self.plan.layers[i].gathered() > 0 {
                    self.join_gathered(i, gathered, gradient);
                    continue;
                }
                let pieces = gradient.par_chunks_mut(UPDATE).enumerate();
                pieces.for_each(|(c, sum)| {
                    Profile::time(profile, i, Phase::Update, || add((i, p, c), sum));
                });
            }
            Profile::time(profile, i, Phase::Update, || {
                self.plan.layers[i].surrogate(&self.model.params[i], node);
            });
        });
    }

    /// The gradient of node `i`'s weights, rows in parallel, from what all chunks left.
    fn join_gathered(&self, i: usize, gathered: &Gathered, gradient: &mut [f32]) {
        let (simd, profile) = (self.engine.simd(), self.profile.as_ref());
        let chunks: Vec<&[Lanes]> = gathered.iter().map(|nodes| &nodes[i][..]).collect();
        let row = gradient.len() / self.specs[i][0].shape[0];
        let rows = (UPDATE / row).next_multiple_of(JOINED);
        let pieces = gradient.par_chunks_mut(rows * row).enumerate();
        pieces.for_each(|(piece, out)| {
            Profile::time(profile, i, Phase::WeightGradient, || {
                self.plan.layers[i].join(simd, &chunks, piece * rows, out);
            });
        });
    }

    /// One step of the optimizer along `gradients`.
    fn optimize(&mut self, gradients: &Gradients) {
        self.state.step += 1;
        let step = self.state.step;
        let (simd, adam, profile) = (self.engine.simd(), self.adam, self.profile.as_ref());
        let state = self.state.mean.par_iter_mut().zip(&mut self.state.square);
        let params = self.model.params.par_iter_mut().zip(gradients).zip(state);
        let nodes = params.zip(&self.specs).enumerate();
        nodes.for_each(|(i, (((params, gradients), (mean, square)), specs))| {
            for (p, spec) in specs.iter().enumerate().filter(|(_, spec)| spec.trainable) {
                let state = mean[p]
                    .par_chunks_mut(UPDATE)
                    .zip(square[p].par_chunks_mut(UPDATE));
                let pieces = params[p]
                    .par_chunks_mut(UPDATE)
                    .zip(gradients[p].par_chunks(UPDATE));
                pieces.zip(state).for_each(|((param, gradient), state)| {
                    Profile::time(profile, i, Phase::Update, || {
                        simd.vectorize(|| adam.step(step, gradient, param, state, spec.clip));
                    });
                });
            }
        });
    }
}

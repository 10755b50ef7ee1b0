//! The end of a step: gradients of chunks become one, and weights move. A piece of a parameter
//! goes through all of it at once, so that a step ends with one round of parallel work.

use super::state::Parameters;
use super::trainer::Trainer;
use crate::kernel::{Lanes, Simd};
use crate::op::Param;
use crate::optim::{STATES, Update};
use crate::parallel::each;
use crate::plan::Plan;
use crate::profile::{Phase, Profile};
use std::array;
use std::mem::take;

/// Elements of a parameter that one task updates.
const UPDATE: usize = 4096;
/// Rows of a joined gradient come in tiles of this many.
const JOINED: usize = 6;

/// What chunks left of their inputs and upstreams, by chunk and node.
type Gathered = Vec<Vec<Vec<Lanes>>>;

impl Trainer {
    /// Joins the chunks' gradients in order, applies surrogates, steps and clips.
    pub(super) fn update(&mut self, chunks: usize) {
        let states = self.chunks[..chunks].iter_mut();
        let (mut all, gathered): (Vec<Parameters>, Gathered) = states
            .filter_map(|chunk| chunk.get_mut().ok())
            .map(|state| (take(&mut state.gradients), take(&mut state.gathered)))
            .unzip();
        self.optimize(&mut all, &gathered);
        for (chunk, left) in self.chunks.iter_mut().zip(all.into_iter().zip(gathered)) {
            if let Ok(state) = chunk.get_mut() {
                (state.gradients, state.gathered) = left;
            }
        }
    }

    /// One step of the optimizer along the sum of the chunks' gradients, which becomes the
    /// first chunk's.
    fn optimize(&mut self, gradients: &mut [Parameters], gathered: &Gathered) {
        self.state.step += 1;
        let (step, rate) = (self.state.step, self.learning_rate);
        let (total, rest) = gradients.split_at_mut(1);
        let (optimizer, simd) = (&*self.optimizer, self.engine.simd());
        let join = Join {
            plan: &self.plan,
            specs: &self.specs,
            simd,
            profile: self.profile.as_ref(),
            rest,
            gathered,
        };
        let mut kept = self.state.values.iter_mut();
        // Of every parameter in turn.
        let mut states: [_; STATES] =
            array::from_fn(|_| kept.next().map(|(_, values)| values.iter_mut().flatten()));
        let params = self.model.params.iter_mut().zip(&mut total[0]);
        let mut pieces = Vec::new();
        for (i, (params, gradients)) in params.enumerate() {
            for (p, (param, gradient)) in params.iter_mut().zip(gradients).enumerate() {
                let state = states.each_mut().map(|all| all.as_mut()?.next());
                let spec = &self.specs[i][p];
                if !spec.trainable {
                    continue;
                }
                let size = join.piece(i, p);
                let state = state.map(|all| all.map_or(&mut [][..], |all| all));
                let mut state = state.map(|all| all.chunks_mut(size));
                let param = param.chunks_mut(size).zip(gradient.chunks_mut(size));
                for (c, (params, gradient)) in param.enumerate() {
                    let state = state.each_mut().map(|all| all.next().unwrap_or_default());
                    pieces.push(((i, p, c * size), spec.clip, params, gradient, state));
                }
            }
        }
        each(pieces, |((i, p, from), clip, params, gradient, state)| {
            join.gradient((i, p), from, gradient);
            Profile::time(join.profile, i, Phase::Update, || {
                if p == 0 {
                    join.plan.layers[i].surrogate(simd, params, gradient);
                }
                optimizer.step(Update {
                    step,
                    rate,
                    gradient,
                    params,
                    state,
                    clip,
                    simd,
                });
            });
        });
    }
}

/// How the gradient of a batch is made of what its chunks left.
struct Join<'a> {
    plan: &'a Plan,
    specs: &'a [Vec<Param>],
    simd: Simd,
    profile: Option<&'a Profile>,
    /// Parameters of all chunks but the first.
    rest: &'a [Parameters],
    gathered: &'a Gathered,
}

impl Join<'_> {
    /// Whether the chunks left what the gradient is made of, instead of their part of it.
    fn is_gathered(&self, i: usize, p: usize) -> bool {
        p == 0 && self.plan.layers[i].gathered() > 0
    }

    /// Length of a row of parameter `p` of node `i`.
    fn row(&self, i: usize, p: usize) -> usize {
        self.specs[i][p].shape[1..].iter().product()
    }

    /// Elements of parameter `p` of node `i` that one task updates.
    fn piece(&self, i: usize, p: usize) -> usize {
        if !self.is_gathered(i, p) {
            return UPDATE;
        }
        let row = self.row(i, p);
        (UPDATE / row).next_multiple_of(JOINED).max(JOINED) * row
    }

    /// Elements from `from` on of the gradient of the parameter as used; `out` holds the first
    /// chunk's.
    fn gradient(&self, (i, p): (usize, usize), from: usize, out: &mut [f32]) {
        if self.is_gathered(i, p) {
            let chunks: Vec<&[Lanes]> = self.gathered.iter().map(|nodes| &nodes[i][..]).collect();
            Profile::time(self.profile, i, Phase::WeightGradient, || {
                self.plan.layers[i].join(self.simd, &chunks, from / self.row(i, p), out);
            });
            return;
        }
        Profile::time(self.profile, i, Phase::Update, || {
            for other in self.rest {
                let more = &other[i][p][from..];
                let add = || out.iter_mut().zip(more).for_each(|(s, m)| *s += m);
                self.simd.vectorize(add);
            }
        });
    }
}

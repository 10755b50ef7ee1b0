//! Runs a [`Plan`] over one chunk: lanes in, layers forward and back, rows out. Chunks are
//! cut by the plan's live bytes, never by the number of threads.

mod chunk;

pub(crate) use chunk::{Chunk, Workspace, Workspaces, chunk_examples};

use crate::batch::{Batch, Pixels, UNIT};
use crate::kernel::transpose::{FromExamples, ToExamples, take as take_numbers};
use crate::kernel::{LANES, Lanes, Simd};
use crate::noise::Noise;
use crate::op::{Backward, Forward, Layer, Part, Prepare};
use crate::plan::{Keep, Plan};
use crate::profile::{Phase, Profile};
use std::array;
use std::mem::{replace, take};

/// Layers prepared for one draw: those that depend on it, over those that do not.
pub(crate) struct Layers<'a> {
    pub(crate) base: &'a [Box<dyn Layer>],
    pub(crate) drawn: &'a [Option<Box<dyn Layer>>],
}

impl Layers<'_> {
    /// What node `i` multiplies its sums by.
    fn factor(&self, plan: &Plan, i: usize) -> f32 {
        plan.signs.factors[i].map_or(1.0, |dropout| self.get(dropout).factor())
    }

    fn get(&self, node: usize) -> &dyn Layer {
        let drawn = self.drawn.get(node).and_then(Option::as_ref);
        &**drawn.unwrap_or(&self.base[node])
    }
}

/// What node `i` is prepared from for `noise`.
pub(crate) fn arguments<'a>(
    plan: &Plan,
    i: usize,
    params: &'a [Vec<Vec<f32>>],
    noise: Noise,
    simd: Simd,
    input_gradient: bool,
) -> Prepare<'a> {
    Prepare {
        params: &params[i],
        draw: match noise {
            Noise::Off => None,
            Noise::Draw(draw) => Some(draw.of_layer(&plan.names[i])),
        },
        simd,
        input_gradient,
    }
}

/// A gradient on its way to a node's input.
struct Target {
    value: usize,
    first: bool,
    buffer: Vec<Lanes>,
}

/// A chunk at work.
pub(crate) struct Run<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) simd: Simd,
    pub(crate) keep: Keep,
    pub(crate) chunk: &'a Chunk,
    pub(crate) workspace: &'a mut Workspace,
    pub(crate) profile: Option<&'a Profile>,
}

impl<'a> Run<'a> {
    /// Takes up a chunk where its workspace stands.
    pub(crate) fn new(
        plan: &'a Plan,
        simd: Simd,
        keep: Keep,
        chunk: &'a Chunk,
        workspace: &'a mut Workspace,
    ) -> Self {
        let fit = |buffers: &mut Vec<Vec<Lanes>>, sizes: &[usize]| {
            buffers.resize_with(buffers.len().max(sizes.len()), Vec::new);
            for (buffer, size) in buffers.iter_mut().zip(sizes) {
                if buffer.len() < size * chunk.blocks {
                    buffer.resize(size * chunk.blocks, Lanes::ZERO);
                }
            }
        };
        fit(&mut workspace.values, &plan.slots(keep).sizes);
        if keep == Keep::All {
            fit(&mut workspace.gradients, &plan.gradients.sizes);
        }
        workspace.saved.resize_with(plan.layers.len(), Vec::new);
        for (saved, layer) in workspace.saved.iter_mut().zip(&plan.layers) {
            let words = match keep {
                Keep::All => layer.saved() * chunk.blocks,
                Keep::Live => 0,
            };
            saved.resize(words, 0);
        }
        Self {
            plan,
            simd,
            keep,
            chunk,
            workspace,
            profile: None,
        }
    }

    fn slot(&self, value: usize) -> usize {
        self.plan.slots(self.keep).of_value[value]
    }

    fn len(&self, value: usize) -> usize {
        self.plan.sizes[value] * self.chunk.blocks
    }

    /// The floats of a value; none where it is kept as bits.
    fn value(&self, value: usize) -> &[Lanes] {
        match self.len(value) {
            0 => &[],
            len => &self.workspace.values[self.slot(value)][..len],
        }
    }

    /// Starts the chunk: puts the batch's pixels into lanes.
    pub(crate) fn load(&mut self, batch: &Batch<'_>) {
        self.workspace.filled.clear();
        self.workspace.filled.resize(self.plan.sizes.len(), false);
        let size = self.plan.sizes[0];
        let (slot, len) = (self.slot(0), self.len(0));
        let lanes = &mut self.workspace.values[slot][..len];
        let chunk = self.chunk;
        for (b, block) in lanes.chunks_exact_mut(size).enumerate() {
            let first = chunk.first + b * LANES;
            let examples = LANES.min(chunk.examples - b * LANES);
            let starts: [usize; LANES] = array::from_fn(|l| match l < examples {
                true => batch.index(first + l) * size,
                false => 0,
            });
            let (simd, at) = (self.simd, |i| i);
            match batch.pixels {
                Pixels::U8(pixels) => simd.run(FromExamples {
                    examples,
                    numbers: |l: usize, from, to: &mut _| {
                        let row = &pixels[starts[l]..starts[l] + size];
                        take_numbers(&row[from..], to, |pixel| UNIT[usize::from(pixel)]);
                    },
                    n: size,
                    at,
                    block,
                }),
                Pixels::F32(pixels) => simd.run(FromExamples {
                    examples,
                    numbers: |l: usize, from, to: &mut _| {
                        take_numbers(&pixels[starts[l]..starts[l] + size][from..], to, |v| v);
                    },
                    n: size,
                    at,
                    block,
                }),
            }
        }
    }

    /// Runs node `i`, unless another does its work.
    pub(crate) fn forward(&mut self, i: usize, layers: &Layers<'_>) {
        if self.plan.done[i] {
            return;
        }
        let to = self.plan.outputs[i].map(|to| (self.slot(to), self.len(to)));
        let taken = to.map(|(slot, _)| take(&mut self.workspace.values[slot]));
        let mut output = taken.unwrap_or_default();
        let mut saved = take(&mut self.workspace.saved[i]);
        let mut scratch = take(&mut self.workspace.scratch);
        let mut bits = take(&mut self.workspace.bits);
        let from = &self.plan.inputs[i];
        let inputs: Vec<&[Lanes]> = from.iter().map(|&v| self.value(v)).collect();
        let chunk = Forward {
            simd: self.simd,
            blocks: self.chunk.blocks,
            ids: &self.chunk.ids,
            factor: layers.factor(self.plan, i),
            inputs: &inputs,
            output: &mut output[..to.map_or(0, |(_, len)| len)],
            saved: &mut saved,
            scratch: &mut scratch,
            values: [from.first().copied().unwrap_or(0), i + 1],
            bits: &mut bits,
        };
        Profile::time(self.profile, i, Phase::Forward, || {
            layers.get(i).forward(chunk);
        });
        if let Some((slot, _)) = to {
            self.workspace.values[slot] = output;
        }
        self.workspace.saved[i] = saved;
        self.workspace.scratch = scratch;
        self.workspace.bits = bits;
    }

    /// Runs node `i` back. `needs` says for which values a gradient is wanted, `train` whether
    /// for parameters too. A node whose output nothing has pulled on is skipped.
    pub(crate) fn backward(
        &mut self,
        i: usize,
        layers: &Layers<'_>,
        needs: &dyn Fn(usize) -> bool,
        train: bool,
    ) {
        let plan = self.plan;
        let Some(from) = plan.outputs[i].filter(|&v| self.workspace.filled[v]) else {
            return;
        };
        let of_upstream = plan.gradients.of_value[from];
        let upstream = take(&mut self.workspace.gradients[of_upstream]);
        let mut scratch = take(&mut self.workspace.scratch);
        let mut params = train.then(|| take(&mut self.workspace.params[i]));
        let gathered = self.workspace.gathered.get_mut(i).filter(|_| train);
        let mut gathered = gathered.map(take).unwrap_or_default();
        let mut targets = self.targets(i, needs);
        let inputs: Vec<&[Lanes]> = plan.inputs[i].iter().map(|&v| self.value(v)).collect();
        // A profile asks for weights and input one after the other, to tell them apart; what both
        // need, as routing maxima back, then counts twice.
        let apart = self.profile.is_some() && train && plan.layers[i].products() > 0;
        let all = (Phase::InputGradient, true, train && !apart);
        let weights = apart.then_some((Phase::WeightGradient, false, true));
        for (phase, to_input, to_params) in std::iter::once(all).chain(weights) {
            let mut gradients: Vec<Option<&mut [Lanes]>> = targets
                .iter_mut()
                .zip(&inputs)
                .map(|(target, input)| {
                    let target = target.as_mut().filter(|_| to_input)?;
                    Some(&mut target.buffer[..input.len()])
                })
                .collect();
            let chunk = Backward {
                simd: self.simd,
                blocks: self.chunk.blocks,
                examples: self.chunk.examples,
                ids: &self.chunk.ids,
                factor: layers.factor(plan, i),
                inputs: &inputs,
                output: self.value(from),
                upstream: &upstream[..self.len(from)],
                saved: &self.workspace.saved[i],
                input_gradients: &mut gradients,
                param_gradients: params.as_deref_mut().filter(|_| to_params),
                gathered: &mut gathered,
                scratch: &mut scratch,
            };
            Profile::time(self.profile, i, phase, || {
                layers.get(i).backward(chunk);
            });
        }
        self.workspace.gradients[of_upstream] = upstream;
        self.workspace.scratch = scratch;
        if let Some(params) = params {
            self.workspace.params[i] = params;
            self.workspace.gathered[i] = gathered;
        }
        for target in targets.into_iter().flatten() {
            self.give_back(target);
        }
    }

    /// Where the gradients with respect to node `i`'s inputs go. First contributions go straight
    /// to their buffer, later ones through a spare.
    fn targets(&mut self, i: usize, needs: &dyn Fn(usize) -> bool) -> Vec<Option<Target>> {
        let plan = self.plan;
        let target = |value: usize| {
            if !needs(value) {
                return None;
            }
            let first = !replace(&mut self.workspace.filled[value], true);
            let place = match first {
                true => &mut self.workspace.gradients[plan.gradients.of_value[value]],
                false => &mut self.workspace.spare,
            };
            let mut buffer = take(place);
            buffer.resize(buffer.len().max(self.len(value)), Lanes::ZERO);
            Some(Target {
                value,
                first,
                buffer,
            })
        };
        plan.inputs[i].iter().copied().map(target).collect()
    }

    fn give_back(&mut self, target: Target) {
        let Target {
            value,
            first,
            buffer,
        } = target;
        let slot = self.plan.gradients.of_value[value];
        if first {
            self.workspace.gradients[slot] = buffer;
            return;
        }
        let len = self.len(value);
        let sum = &mut self.workspace.gradients[slot][..len];
        for (sum, more) in sum.iter_mut().zip(&buffer) {
            *sum = sum.zip(*more, |s, m| s + m);
        }
        self.workspace.spare = buffer;
    }

    /// Forgets the gradients of the noisy rest, keeping those of the prefix, before another draw.
    pub(crate) fn next_draw(&mut self) {
        for i in 0..self.plan.noisy.len() {
            if self.plan.noisy[i] {
                self.workspace.filled[i + 1] = false;
            }
        }
    }

    /// Copies a value's rows out, `(examples, size)`.
    pub(crate) fn rows(&self, value: usize, out: &mut [f32]) {
        to_rows(self.simd, self.value(value), self.plan.sizes[value], out);
    }

    /// Copies a gradient's rows out, `(examples, size)`.
    pub(crate) fn gradient_rows(&self, value: usize, out: &mut [f32]) {
        if !self.workspace.filled[value] {
            out.fill(0.0);
            return;
        }
        let slot = self.plan.gradients.of_value[value];
        to_rows(
            self.simd,
            &self.workspace.gradients[slot][..self.len(value)],
            self.plan.sizes[value],
            out,
        );
    }

    /// Adds rows `(examples, size)` to a value's gradient, which is zero where nothing has
    /// pulled on it.
    pub(crate) fn add_gradient(&mut self, value: usize, rows: &[f32]) {
        let size = self.plan.sizes[value];
        let (slot, len) = (self.plan.gradients.of_value[value], self.len(value));
        let lanes = &mut self.workspace.gradients[slot][..len];
        let first = !replace(&mut self.workspace.filled[value], true);
        if first {
            lanes.fill(Lanes::ZERO);
        }
        for (e, row) in rows.chunks_exact(size).enumerate() {
            let block = &mut lanes[e / LANES * size..];
            for (v, u) in block.iter_mut().zip(row) {
                let v = &mut v.0[e % LANES];
                *v = if first { *u } else { *v + u };
            }
        }
    }

    /// What couples examples at node `i`: its input, and on the way back its upstream.
    pub(crate) fn part(&self, i: usize, back: bool) -> Part<'_> {
        let slot = self.plan.gradients.of_value[i + 1];
        let upstream = &self.workspace.gradients[slot];
        Part {
            simd: self.simd,
            examples: self.chunk.examples,
            input: self.value(self.plan.inputs[i][0]),
            upstream: if back {
                &upstream[..self.len(i + 1)]
            } else {
                &[]
            },
        }
    }
}

/// Takes the first rows of `size` numbers out of blocks, as many as `rows` holds.
fn to_rows(simd: Simd, lanes: &[Lanes], size: usize, rows: &mut [f32]) {
    for (block, rows) in lanes.chunks(size).zip(rows.chunks_mut(LANES * size)) {
        simd.run(ToExamples {
            block,
            n: size,
            at: |i| i,
            out: rows,
            example: size,
        });
    }
}

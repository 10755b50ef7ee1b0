//! [`Network`]: a model on an engine. Outputs, gradients with respect to the input, and
//! passes; all pure functions of weights, pixels, ids and noise.

use crate::batch::Batch;
use crate::engine::Engine;
use crate::exec::{Chunk, Layers, Run, Workspaces, chunk_examples, prepare};
use crate::model::Model;
use crate::noise::{Draw, Noise};
use crate::op::{Prepared, Stochastic, size};
use crate::plan::{Keep, Plan};
use rayon::prelude::*;
use std::sync::{Arc, OnceLock};

/// Writes the upstream gradient of one example's output under one draw:
/// `(row, index of the draw, outputs, upstream)`; `upstream` arrives zeroed.
pub type Upstream<'a> = dyn Fn(usize, usize, &[f32], &mut [f32]) + Sync + 'a;

/// Receives one example's outputs of one pass: `(row, pass, outputs)`, passes of a row in order.
pub type PassSink<'a> = dyn Fn(usize, u32, &[f32]) + Sync + 'a;

/// There is no node of the asked name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no layer output named {got:?}, there are {allowed}")]
pub struct UnknownNode {
    /// The name.
    pub got: String,
    /// The names there are.
    pub allowed: String,
}

/// Bytes of drawn weights held at once.
const DRAWN_BYTES: usize = 64 << 20;

/// A model ready to run.
pub struct Network {
    model: Arc<Model>,
    engine: Arc<Engine>,
    fast: Ready,
    /// With every value, for outputs of layers whose work another does; made when first asked.
    whole: OnceLock<Ready>,
    workspaces: Workspaces,
}

/// A plan and its layers, prepared without noise.
struct Ready {
    plan: Plan,
    base: Vec<Prepared>,
}

impl Ready {
    fn new(plan: Plan, model: &Model, engine: &Engine) -> Self {
        let base = (0..plan.layers.len()).map(|i| {
            let mut prepared = Prepared::default();
            let (params, simd) = (&model.params, engine.simd());
            prepare(&plan, i, params, Noise::Off, simd, true, &mut prepared);
            prepared
        });
        let base = base.collect();
        Self { plan, base }
    }

    /// Runs the nodes up to `output` whose dependence on noise is `noisy`.
    fn forward(&self, run: &mut Run<'_>, drawn: &[Option<Prepared>], output: usize, noisy: bool) {
        let layers = Layers {
            base: &self.base,
            drawn,
        };
        for i in (0..output).filter(|&i| self.plan.noisy[i] == noisy) {
            run.forward(i, &layers);
        }
    }

    fn backward(&self, run: &mut Run<'_>, drawn: &[Option<Prepared>], output: usize, noisy: bool) {
        let layers = Layers {
            base: &self.base,
            drawn,
        };
        for i in (0..output).rev().filter(|&i| self.plan.noisy[i] == noisy) {
            run.backward(i, &layers, &|_| true, false);
        }
    }

    /// One chunk of [`Network::vjp`].
    fn pull(
        &self,
        run: &mut Run<'_>,
        drawn: &[Vec<Option<Prepared>>],
        output: usize,
        upstream: &Upstream<'_>,
        outputs: &mut [f32],
    ) {
        let width = self.plan.sizes[output];
        let noisy = output > 0 && self.plan.noisy[output - 1];
        let first = run.chunk.first;
        let mut pulled = vec![0.0; outputs.len()];
        let mut sum = vec![0.0; outputs.len()];
        self.forward(run, &[], output, false);
        for (k, drawn) in drawn.iter().enumerate() {
            self.forward(run, drawn, output, true);
            run.rows(output, outputs);
            pulled.fill(0.0);
            let rows = outputs
                .chunks_exact(width)
                .zip(pulled.chunks_exact_mut(width));
            for (e, (row, pulled)) in rows.enumerate() {
                upstream(first + e, k, row, pulled);
            }
            if noisy {
                run.set_gradient(output, &pulled);
                self.backward(run, drawn, output, true);
                run.next_draw();
            } else {
                sum.iter_mut().zip(&pulled).for_each(|(s, p)| *s += p);
            }
        }
        if !noisy {
            run.set_gradient(output, &sum);
        }
        self.backward(run, &[], output, false);
    }
}

impl Network {
    /// Prepares `model` to run on `engine`.
    pub fn new(model: Arc<Model>, engine: Arc<Engine>) -> Self {
        Self {
            fast: Ready::new(Plan::new(&model.graph), &model, &engine),
            whole: OnceLock::new(),
            model,
            engine,
            workspaces: Workspaces::default(),
        }
    }

    /// The fastest plan that has `value`.
    fn ready(&self, value: usize) -> &Ready {
        if self.fast.plan.sizes[value] > 0 {
            return &self.fast;
        }
        let plan = || Plan::of_all_values(&self.model.graph);
        self.whole
            .get_or_init(|| Ready::new(plan(), &self.model, &self.engine))
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What is random while noise is on.
    pub fn randomness(&self) -> Stochastic {
        self.fast.plan.randomness()
    }

    /// Names of all layer outputs, in order.
    pub fn taps(&self) -> &[String] {
        &self.fast.plan.names
    }

    /// Multiply-adds of each layer's forward pass for one example.
    pub fn layer_products(&self) -> Vec<u64> {
        self.fast
            .plan
            .layers
            .iter()
            .map(|layer| layer.products())
            .collect()
    }

    /// Multiply-adds that every further pass costs: those of layers that depend on noise.
    pub fn noisy_products(&self) -> u64 {
        let layers = self.fast.plan.layers.iter().zip(&self.fast.plan.noisy);
        layers
            .filter(|(_, noisy)| **noisy)
            .map(|(layer, _)| layer.products())
            .sum()
    }

    /// Numbers in the output called `at` (`None`: the network's output).
    ///
    /// # Errors
    /// When there is no such output.
    pub fn width(&self, at: Option<&str>) -> Result<usize, UnknownNode> {
        Ok(size(self.model.graph.shape(self.value(at)?)))
    }

    fn value(&self, at: Option<&str>) -> Result<usize, UnknownNode> {
        let Some(name) = at else {
            return Ok(self.fast.plan.output());
        };
        self.fast.plan.value(name).ok_or_else(|| UnknownNode {
            got: name.into(),
            allowed: self.fast.plan.names.join(", "),
        })
    }

    /// Layers whose preparation depends on `noise`.
    fn drawn(&self, plan: &Plan, noise: Noise, input_gradient: bool) -> Vec<Option<Prepared>> {
        let draw = |i: usize| {
            let random = noise != Noise::Off && plan.stochastic[i] != Stochastic::No;
            random.then(|| {
                let (params, simd) = (&self.model.params, self.engine.simd());
                let mut prepared = Prepared::default();
                prepare(plan, i, params, noise, simd, input_gradient, &mut prepared);
                prepared
            })
        };
        (0..plan.layers.len()).map(draw).collect()
    }

    /// Outputs at `at` (`None`: the network's) under `noise`, `(n, width)`.
    ///
    /// # Errors
    /// When there is no output of that name.
    pub fn outputs(
        &self,
        batch: &Batch<'_>,
        noise: Noise,
        at: Option<&str>,
    ) -> Result<Vec<f32>, UnknownNode> {
        let output = self.value(at)?;
        let Ready { plan, base } = self.ready(output);
        let width = plan.sizes[output];
        let drawn = self.drawn(plan, noise, false);
        // A tap is read at the end: nothing may take its buffer.
        let keep = if at.is_some() { Keep::All } else { Keep::Live };
        let examples = chunk_examples(plan, keep);
        let mut out = vec![0.0; batch.len() * width];
        self.engine.install(|| {
            out.par_chunks_mut(examples * width)
                .enumerate()
                .for_each(|(c, out)| {
                    let first = c * examples;
                    let chunk = Chunk::new(first, &batch.ids[first..first + out.len() / width]);
                    self.workspaces.with(|workspace| {
                        let simd = self.engine.simd();
                        let mut run = Run::new(plan, simd, keep, &chunk, workspace);
                        run.load(batch);
                        let layers = Layers {
                            base,
                            drawn: &drawn,
                        };
                        (0..output).for_each(|i| run.forward(i, &layers));
                        run.rows(output, out);
                    });
                });
        });
        Ok(out)
    }

    /// Forward under each of `noises`, then the pull-back of `upstream` at `at` to the input,
    /// summed over the draws: `(outputs of the last draw, gradient)`, both by row. What does
    /// not depend on noise runs once, forward and back.
    ///
    /// # Errors
    /// When there is no output of that name.
    pub fn vjp(
        &self,
        batch: &Batch<'_>,
        noises: &[Noise],
        at: Option<&str>,
        upstream: &Upstream<'_>,
    ) -> Result<(Vec<f32>, Vec<f32>), UnknownNode> {
        let output = self.value(at)?;
        let ready = self.ready(output);
        let plan = &ready.plan;
        let (width, size) = (plan.sizes[output], plan.sizes[0]);
        let examples = chunk_examples(plan, Keep::All);
        let mut outputs = vec![0.0; batch.len() * width];
        let mut gradient = vec![0.0; batch.len() * size];
        self.engine.install(|| {
            let drawn: Vec<_> = noises
                .par_iter()
                .map(|noise| self.drawn(plan, *noise, true))
                .collect();
            let chunks = outputs
                .par_chunks_mut(examples * width)
                .zip(gradient.par_chunks_mut(examples * size));
            chunks.enumerate().for_each(|(c, (outputs, gradient))| {
                let first = c * examples;
                let chunk = Chunk::new(first, &batch.ids[first..first + outputs.len() / width]);
                self.workspaces.with(|workspace| {
                    let simd = self.engine.simd();
                    let mut run = Run::new(plan, simd, Keep::All, &chunk, workspace);
                    run.load(batch);
                    ready.pull(&mut run, &drawn, output, upstream, outputs);
                    run.gradient_rows(0, gradient);
                });
            });
        });
        Ok((outputs, gradient))
    }

    /// Outputs of `n_passes` passes, `draw.pass` being the first one's number. What does not
    /// depend on noise runs once; memory does not grow with the passes.
    pub fn passes(&self, batch: &Batch<'_>, draw: Draw, n_passes: u32, sink: &PassSink<'_>) {
        let plan = &self.fast.plan;
        let output = plan.output();
        let width = plan.sizes[output];
        let examples = chunk_examples(plan, Keep::Live);
        let group = self.passes_at_once();
        let starts: Vec<usize> = (0..batch.len()).step_by(examples).collect();
        self.engine.install(|| {
            for from in (0..n_passes).step_by(group as usize) {
                let passes: Vec<u32> = (from..n_passes.min(from + group)).collect();
                let drawn: Vec<_> = passes
                    .par_iter()
                    .map(|pass| {
                        let draw = Draw {
                            pass: draw.pass + pass,
                            ..draw
                        };
                        self.drawn(plan, Noise::Draw(draw), false)
                    })
                    .collect();
                starts.par_iter().for_each(|&first| {
                    let last = batch.len().min(first + examples);
                    let chunk = Chunk::new(first, &batch.ids[first..last]);
                    self.workspaces.with(|workspace| {
                        let simd = self.engine.simd();
                        let mut run = Run::new(plan, simd, Keep::Live, &chunk, workspace);
                        run.load(batch);
                        self.fast.forward(&mut run, &[], output, false);
                        let mut rows = vec![0.0; chunk.examples * width];
                        for (pass, drawn) in passes.iter().zip(&drawn) {
                            self.fast.forward(&mut run, drawn, output, true);
                            run.rows(output, &mut rows);
                            for (e, row) in rows.chunks_exact(width).enumerate() {
                                sink(first + e, *pass, row);
                            }
                        }
                    });
                });
            }
        });
    }

    /// Passes whose drawn weights are held at once.
    fn passes_at_once(&self) -> u32 {
        let drawn = |i: usize| match self.fast.plan.stochastic[i] {
            Stochastic::PerPass => {
                self.model.params[i].iter().map(Vec::len).sum::<usize>() * 2 * size_of::<f32>()
            }
            _ => 0,
        };
        let bytes: usize = (0..self.fast.plan.layers.len()).map(drawn).sum();
        (DRAWN_BYTES / bytes.max(1)).clamp(1, 1024) as u32
    }
}

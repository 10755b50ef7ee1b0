//! [`Network`]: a model on an engine. Outputs, gradients with respect to the input, and
//! passes; all pure functions of weights, pixels, ids and noise.

use crate::batch::Batch;
use crate::engine::Engine;
use crate::exec::{Chunk, Layers, Run, Workspaces, arguments, chunk_examples};
use crate::kernel::Simd;
use crate::model::Model;
use crate::noise::{Draw, Noise};
use crate::op::{Prepared, Stochastic, size};
use crate::packed::Packed;
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
    /// Forward alone, with binary layers on bits, where there are such layers.
    bits: Option<Ready>,
    /// With every value, for outputs of layers whose work another does; made when first asked.
    whole: OnceLock<Ready>,
    workspaces: Workspaces,
}

/// A plan and its layers, prepared without noise.
struct Ready {
    plan: Plan,
    /// What runs on bits.
    packed: Option<Packed>,
    base: Vec<Prepared>,
}

impl Ready {
    fn new(plan: Plan, packed: Option<Packed>, model: &Model, engine: &Engine) -> Self {
        let mut ready = Self {
            base: Vec::new(),
            packed,
            plan,
        };
        let (params, simd) = (&model.params, engine.simd());
        let layers = 0..ready.plan.layers.len();
        let gradient = ready.packed.is_none();
        let base = layers.map(|i| ready.prepared(i, params, Noise::Off, simd, gradient));
        ready.base = base.collect();
        if let Some(packed) = &mut ready.packed {
            packed.find_thresholds(&model.graph, (&ready.plan, &ready.base), simd);
        }
        ready
    }

    /// Forward alone, with binary layers on bits; `None` where there are none.
    fn on_bits(model: &Model, engine: &Engine) -> Option<Self> {
        let packed = Packed::new(&model.graph)?;
        let plan = Plan::on_bits(&model.graph, &packed);
        Some(Self::new(plan, Some(packed), model, engine))
    }

    fn prepared(
        &self,
        i: usize,
        params: &[Vec<Vec<f32>>],
        noise: Noise,
        simd: Simd,
        input_gradient: bool,
    ) -> Prepared {
        let mut prepared = Prepared::default();
        let args = arguments(&self.plan, i, params, noise, simd, input_gradient);
        match self.packed.as_ref().and_then(|packed| packed.layer(i)) {
            Some(layer) => layer.prepare(args, &mut prepared),
            None => self.plan.layers[i].prepare(args, &mut prepared),
        }
        prepared
    }

    fn run(&self, run: &mut Run<'_>, layers: &Layers<'_>, i: usize) {
        match &self.packed {
            Some(packed) => run.forward_packed(i, layers, packed),
            None => run.forward(i, layers),
        }
    }

    /// Runs the nodes up to `output` whose dependence on noise is `noisy`.
    fn forward(&self, run: &mut Run<'_>, drawn: &[Option<Prepared>], output: usize, noisy: bool) {
        let layers = Layers {
            base: &self.base,
            drawn,
        };
        for i in (0..output).filter(|&i| self.plan.noisy[i] == noisy) {
            self.run(run, &layers, i);
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
            fast: Ready::new(Plan::new(&model.graph), None, &model, &engine),
            bits: Ready::on_bits(&model, &engine),
            whole: OnceLock::new(),
            model,
            engine,
            workspaces: Workspaces::default(),
        }
    }

    /// The same network with binary layers on floats, as gradients have them. Slower, to the
    /// same bits: what packing is measured and tested against.
    #[must_use]
    pub fn on_floats(self) -> Self {
        Self { bits: None, ..self }
    }

    /// By layer: whether it works on bits where no gradient is asked for.
    pub fn layers_on_bits(&self) -> Vec<bool> {
        let packed = self.bits.as_ref().and_then(|ready| ready.packed.as_ref());
        let on_bits = |i| packed.is_some_and(|packed| !packed.is_float(i));
        (0..self.fast.plan.layers.len()).map(on_bits).collect()
    }

    /// The fastest plan for outputs without gradients.
    fn forward_only(&self) -> &Ready {
        self.bits.as_ref().unwrap_or(&self.fast)
    }

    /// The fastest plan that has `value`.
    fn ready(&self, value: usize) -> &Ready {
        if self.fast.plan.sizes[value] > 0 {
            return &self.fast;
        }
        let plan = || Plan::of_all_values(&self.model.graph);
        self.whole
            .get_or_init(|| Ready::new(plan(), None, &self.model, &self.engine))
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
    fn drawn(&self, ready: &Ready, noise: Noise, input_gradient: bool) -> Vec<Option<Prepared>> {
        let plan = &ready.plan;
        let draw = |i: usize| {
            let random = noise != Noise::Off && plan.stochastic[i] != Stochastic::No;
            let (params, simd) = (&self.model.params, self.engine.simd());
            random.then(|| ready.prepared(i, params, noise, simd, input_gradient))
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
        let ready = match at {
            Some(_) => self.ready(output),
            None => self.forward_only(),
        };
        let plan = &ready.plan;
        let width = plan.sizes[output];
        let drawn = self.drawn(ready, noise, false);
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
                            base: &ready.base,
                            drawn: &drawn,
                        };
                        (0..output).for_each(|i| ready.run(&mut run, &layers, i));
                        run.rows(output, out);
                    });
                });
        });
        Ok(out)
    }

    /// Runs `batch` forward without noise, calling `mark` on the worker's thread when a chunk
    /// has been loaded (`None`) and when it has passed each layer: for measuring layers.
    pub fn mark_layers(&self, batch: &Batch<'_>, mark: &(dyn Fn(Option<usize>) + Sync)) {
        let ready = self.forward_only();
        let examples = chunk_examples(&ready.plan, Keep::Live);
        let layers = Layers {
            base: &ready.base,
            drawn: &[],
        };
        self.engine.install(|| {
            let chunks = batch.ids.par_chunks(examples).enumerate();
            chunks.for_each(|(c, ids)| {
                let chunk = Chunk::new(c * examples, ids);
                self.workspaces.with(|workspace| {
                    let simd = self.engine.simd();
                    let mut run = Run::new(&ready.plan, simd, Keep::Live, &chunk, workspace);
                    run.load(batch);
                    mark(None);
                    for i in 0..ready.plan.output() {
                        ready.run(&mut run, &layers, i);
                        mark(Some(i));
                    }
                });
            });
        });
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
                .map(|noise| self.drawn(ready, *noise, true))
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
        let ready = self.forward_only();
        let plan = &ready.plan;
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
                        self.drawn(ready, Noise::Draw(draw), false)
                    })
                    .collect();
                starts.par_iter().for_each(|&first| {
                    let last = batch.len().min(first + examples);
                    let chunk = Chunk::new(first, &batch.ids[first..last]);
                    self.workspaces.with(|workspace| {
                        let simd = self.engine.simd();
                        let mut run = Run::new(plan, simd, Keep::Live, &chunk, workspace);
                        run.load(batch);
                        ready.forward(&mut run, &[], output, false);
                        let mut rows = vec![0.0; chunk.examples * width];
                        for (pass, drawn) in passes.iter().zip(&drawn) {
                            ready.forward(&mut run, drawn, output, true);
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

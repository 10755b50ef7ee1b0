//! [`Network`]: a model on an engine. Outputs, gradients with respect to the input, and
//! passes; all pure functions of weights, pixels, ids and noise.

mod ready;
mod tapped;

use ready::{Drawn, Ready};
use tapped::{Tapped, by_chunk, zeros};

use crate::batch::Batch;
use crate::engine::Engine;
use crate::exec::{Chunk, Layers, Run, Workspaces, chunk_examples};
use crate::graph::{GraphError, Node};
use crate::model::Model;
use crate::noise::{Draw, Noise, Randomness};
use crate::op::{Quantize, size};
use crate::plan::{Keep, Plan};
use crate::quantizer::{InputGradient, Surrogate};
use rayon::prelude::*;
use std::sync::{Arc, OnceLock};

/// An output that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tap<'a> {
    /// What the network ends in; never softmaxed.
    Logits,
    /// The output of the layer of this name, flattened.
    Layer(&'a str),
}

/// Writes the upstream gradients of one example's outputs under one draw: `(row, index of the
/// draw, outputs, upstream)`, one slice a tap. `upstream` arrives zeroed.
pub type Upstream<'a> = dyn Fn(usize, usize, &[&[f32]], &mut [&mut [f32]]) + Sync + 'a;

/// Receives one example's outputs of one pass: `(row, pass, outputs)`, passes of a row in order.
pub type PassSink<'a> = dyn Fn(usize, u32, &[f32]) + Sync + 'a;

/// A layer that quantizes activations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuantizingLayer {
    /// Its name.
    pub name: String,
    /// Name of the layer whose output it quantizes; `None` where that is the input.
    pub input: Option<String>,
    /// Whether its grid is −1 and 1.
    pub is_binary: bool,
}

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

impl Network {
    /// Prepares `model` to run on `engine`.
    pub fn new(model: Arc<Model>, engine: Arc<Engine>) -> Self {
        Self {
            fast: Ready::new(Plan::new(&model.graph), true, &model, &engine),
            bits: Ready::on_bits(&model, &engine),
            whole: OnceLock::new(),
            model,
            engine,
            workspaces: Workspaces::default(),
        }
    }

    /// The same network for gradients alone, with other surrogates as
    /// [`Model::with_surrogates`] has them. Its outputs are the same.
    ///
    /// # Errors
    /// As [`Model::with_surrogates`].
    pub fn with_surrogates(
        &self,
        of: &[(String, Surrogate)],
        weights: InputGradient,
    ) -> Result<Self, GraphError> {
        let model = Arc::new(self.model.with_surrogates(of, weights)?);
        Ok(Self {
            fast: Ready::new(Plan::new(&model.graph), true, &model, &self.engine),
            bits: None,
            whole: OnceLock::new(),
            model,
            engine: Arc::clone(&self.engine),
            workspaces: Workspaces::default(),
        })
    }

    /// The same network with binary layers on floats, as gradients have them. Slower, to the
    /// same bits: what packing is measured and tested against.
    #[must_use]
    pub fn on_floats(self) -> Self {
        Self { bits: None, ..self }
    }

    /// Takes other values of the parameters, in the memory of those before. Binary layers then
    /// work on floats: to find their thresholds anew would take longer.
    pub(crate) fn refresh(&mut self, params: &[Vec<Vec<f32>>]) {
        let model = Arc::make_mut(&mut self.model);
        let values = model.params.iter_mut().flatten();
        for (to, from) in values.zip(params.iter().flatten()) {
            to.copy_from_slice(from);
        }
        self.fast.prepare(true, params, &self.engine);
        self.bits = None;
        self.whole = OnceLock::new();
    }

    /// By layer: whether it works on bits where no gradient is asked for.
    pub fn layers_on_bits(&self) -> Vec<bool> {
        match &self.bits {
            Some(ready) => ready.plan.on_bits.clone(),
            None => vec![false; self.fast.plan.layers.len()],
        }
    }

    /// The fastest plan for outputs without gradients.
    fn forward_only(&self) -> &Ready {
        self.bits.as_ref().unwrap_or(&self.fast)
    }

    /// The fastest plan that has `values`.
    fn ready(&self, values: &[usize]) -> &Ready {
        if values.iter().all(|&value| self.fast.plan.sizes[value] > 0) {
            return &self.fast;
        }
        let plan = || Plan::of_all_values(&self.model.graph);
        self.whole
            .get_or_init(|| Ready::new(plan(), true, &self.model, &self.engine))
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What is random while noise is on.
    pub fn randomness(&self) -> Randomness {
        self.fast.plan.randomness()
    }

    /// Names of all layer outputs, in order.
    pub fn taps(&self) -> &[String] {
        &self.fast.plan.names
    }

    /// Layers that quantize activations, in order.
    pub fn quantizers(&self) -> Vec<QuantizingLayer> {
        let nodes = self.model.graph.nodes();
        let quantizer = |node: &Node| {
            let op = node.op.as_any().downcast_ref::<Quantize>()?;
            Some(QuantizingLayer {
                name: node.name.clone(),
                input: (node.inputs[0].checked_sub(1)).map(|i| nodes[i].name.clone()),
                is_binary: op.quantizer.get().is_binary(),
            })
        };
        nodes.iter().filter_map(quantizer).collect()
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

    /// Numbers of one example in the output `tap`.
    ///
    /// # Errors
    /// When there is no such output.
    pub fn width(&self, tap: Tap<'_>) -> Result<usize, UnknownNode> {
        Ok(size(self.model.graph.shape(self.value(tap)?)))
    }

    fn value(&self, tap: Tap<'_>) -> Result<usize, UnknownNode> {
        let Tap::Layer(name) = tap else {
            return Ok(self.fast.plan.output());
        };
        self.fast.plan.value(name).ok_or_else(|| UnknownNode {
            got: name.into(),
            allowed: self.fast.plan.names.join(", "),
        })
    }

    fn values(&self, taps: &[Tap<'_>]) -> Result<Vec<usize>, UnknownNode> {
        taps.iter().map(|tap| self.value(*tap)).collect()
    }

    /// Layers whose preparation depends on `noise`.
    fn drawn(&self, ready: &Ready, noise: Noise, input_gradient: bool) -> Drawn {
        let plan = &ready.plan;
        let draw = |i: usize| {
            let random = noise != Noise::Off && plan.stochastic[i] != Randomness::None;
            let (params, simd) = (&self.model.params, self.engine.simd());
            random.then(|| ready.prepared(i, params, noise, simd, input_gradient))
        };
        (0..plan.layers.len()).map(draw).collect()
    }

    /// Logits under `noise`, `(n, width)`; never softmaxed.
    pub fn logits(&self, batch: &Batch<'_>, noise: Noise) -> Vec<f32> {
        let (ready, output) = (self.forward_only(), self.fast.plan.output());
        let outputs = self.values_of(ready, Keep::Live, batch, noise, &[output]);
        outputs.into_iter().flatten().collect()
    }

    /// The outputs `taps` under `noise`, of one run: `(n, width)` each, in the order of `taps`.
    ///
    /// # Errors
    /// When there is no output of a name.
    pub fn outputs(
        &self,
        batch: &Batch<'_>,
        noise: Noise,
        taps: &[Tap<'_>],
    ) -> Result<Vec<Vec<f32>>, UnknownNode> {
        if let [Tap::Logits] = taps {
            return Ok(vec![self.logits(batch, noise)]);
        }
        let values = self.values(taps)?;
        // A layer's output is read at the end: nothing may take its buffer.
        Ok(self.values_of(self.ready(&values), Keep::All, batch, noise, &values))
    }

    fn values_of(
        &self,
        ready: &Ready,
        keep: Keep,
        batch: &Batch<'_>,
        noise: Noise,
        values: &[usize],
    ) -> Vec<Vec<f32>> {
        let plan = &ready.plan;
        let last = values.iter().copied().max().unwrap_or(0);
        let drawn = self.drawn(ready, noise, false);
        let layers = Layers {
            base: &ready.base,
            drawn: &drawn,
        };
        let examples = chunk_examples(plan, keep);
        let mut outputs = zeros(plan, values, batch);
        let chunks = by_chunk(plan, values, &mut outputs, examples);
        self.engine.install(|| {
            chunks.into_par_iter().enumerate().for_each(|(c, outputs)| {
                let chunk = Chunk::nth(c, examples, batch.ids);
                self.workspaces.with(|workspace| {
                    let simd = self.engine.simd();
                    let mut run = Run::new(plan, simd, keep, &chunk, workspace);
                    run.load(batch);
                    (0..last).for_each(|i| run.forward(i, &layers));
                    for (value, rows) in values.iter().zip(outputs) {
                        run.rows(*value, rows);
                    }
                });
            });
        });
        outputs
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
                        run.forward(i, &layers);
                        mark(Some(i));
                    }
                });
            });
        });
    }

    /// Forward under each of `noises`, then the pull-back of `upstream` at all of `taps` to the
    /// input, summed over taps and draws: `(outputs of the last draw by tap, gradient)`, all by
    /// row. What does not depend on noise runs once, forward and back.
    ///
    /// # Errors
    /// When there is no output of a name.
    pub fn vjp(
        &self,
        batch: &Batch<'_>,
        noises: &[Noise],
        taps: &[Tap<'_>],
        upstream: &Upstream<'_>,
    ) -> Result<(Vec<Vec<f32>>, Vec<f32>), UnknownNode> {
        let values = self.values(taps)?;
        let ready = self.ready(&values);
        let plan = &ready.plan;
        let size = plan.sizes[0];
        let examples = chunk_examples(plan, Keep::All);
        let mut outputs = zeros(plan, &values, batch);
        let mut gradient = vec![0.0; batch.len() * size];
        let chunks = by_chunk(plan, &values, &mut outputs, examples);
        self.engine.install(|| {
            let drawn: Vec<_> = noises
                .par_iter()
                .map(|noise| self.drawn(ready, *noise, true))
                .collect();
            let chunks = chunks.into_par_iter();
            let chunks = chunks.zip(gradient.par_chunks_mut(examples * size));
            chunks.enumerate().for_each(|(c, (outputs, gradient))| {
                let chunk = Chunk::nth(c, examples, batch.ids);
                let tapped = |(&value, rows)| Tapped::new(value, plan.sizes[value], rows);
                let mut taps: Vec<_> = values.iter().zip(outputs).map(tapped).collect();
                self.workspaces.with(|workspace| {
                    let simd = self.engine.simd();
                    let mut run = Run::new(plan, simd, Keep::All, &chunk, workspace);
                    run.load(batch);
                    ready.pull(&mut run, &drawn, &mut taps, upstream);
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
                (0..batch.len().div_ceil(examples))
                    .into_par_iter()
                    .for_each(|c| {
                        let chunk = Chunk::nth(c, examples, batch.ids);
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
                                    sink(chunk.first + e, *pass, row);
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
            Randomness::PerPass => {
                self.model.params[i].iter().map(Vec::len).sum::<usize>() * 2 * size_of::<f32>()
            }
            _ => 0,
        };
        let bytes: usize = (0..self.fast.plan.layers.len()).map(drawn).sum();
        (DRAWN_BYTES / bytes.max(1)).clamp(1, 1024) as u32
    }
}

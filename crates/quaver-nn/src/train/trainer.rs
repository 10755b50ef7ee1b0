//! [`Trainer`]: one optimizer step over a batch.
//!
//! Batch normalization couples the examples of a batch, so the plan falls into stages with a
//! barrier between them, forward and back. Chunks run in parallel within a stage; their
//! statistics and weight gradients are joined in chunk order.

use super::state::{Parameters, State, zeros};
use crate::batch::Batch;
use crate::engine::Engine;
use crate::exec::{Chunk, Layers, Run, Workspace, Workspaces, arguments, chunk_examples};
use crate::kernel::{LANES, Lanes};
use crate::model::Model;
use crate::network::Network;
use crate::noise::{Draw, Noise};
use crate::op::{Coupling, Layer, Param};
use crate::optim::Optimizer;
use crate::parallel::{awake, each};
use crate::plan::{Keep, Plan};
use crate::profile::{Clock, Phase, Profile};
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// Examples of a chunk at most.
const CHUNK_EXAMPLES: usize = 2 * LANES;

/// Loss of one example: `(row in the batch, logits, upstream)` writes the gradient with respect
/// to the logits and returns the loss.
pub type Loss<'a> = dyn Fn(usize, &[f32], &mut [f32]) -> f64 + Sync + 'a;

/// What one chunk leaves behind.
#[derive(Default)]
pub(super) struct ChunkState {
    workspace: Option<Workspace>,
    pub(super) gradients: Parameters,
    pub(super) gathered: Vec<Vec<Lanes>>,
    part: Vec<f64>,
    loss: f64,
}

/// A model in training.
pub struct Trainer {
    pub(super) model: Model,
    pub(super) engine: Arc<Engine>,
    pub(super) plan: Plan,
    pub(super) optimizer: Box<dyn Optimizer>,
    pub(super) learning_rate: f64,
    pub(super) state: State,
    pub(super) specs: Vec<Vec<Param>>,
    /// As prepared for the present step.
    layers: Vec<Box<dyn Layer>>,
    stages: Vec<Range<usize>>,
    shared: Workspaces,
    pub(super) chunks: Vec<Mutex<ChunkState>>,
    pub(super) profile: Option<Profile>,
    /// The network as it stood when a step last asked for it.
    network: Option<Arc<Network>>,
    /// Whether parameters have moved since.
    moved: bool,
}

impl Trainer {
    /// A trainer that continues from `state`, which is of `optimizer`, or starts. The learning
    /// rate is 0.001 until [`Trainer::set_learning_rate`].
    pub fn new(
        model: Model,
        engine: Arc<Engine>,
        optimizer: Box<dyn Optimizer>,
        state: Option<State>,
    ) -> Self {
        let plan = Plan::new(&model.graph);
        let mut stages = Vec::new();
        let mut start = 0;
        for (i, layer) in plan.layers.iter().enumerate() {
            if layer.coupling().is_some() && i > 0 {
                stages.push(start..i);
                start = i;
            }
        }
        stages.push(start..plan.layers.len());
        Self {
            state: state.unwrap_or_else(|| State::fresh(&model, &*optimizer)),
            specs: model.graph.params(),
            layers: plan.layers.clone(),
            shared: Workspaces::default(),
            chunks: Vec::new(),
            profile: None,
            network: None,
            moved: false,
            model,
            engine,
            plan,
            optimizer,
            learning_rate: 1e-3,
            stages,
        }
    }

    /// Sets the learning rate of the steps to come.
    pub fn set_learning_rate(&mut self, rate: f64) {
        self.learning_rate = rate;
    }

    /// The network as it stands, for outputs and gradients with respect to images, under running
    /// statistics and the noise of each call. Its layers are prepared once from step to step, in
    /// the memory of the time before unless somebody still holds that network.
    pub fn network(&mut self) -> Arc<Network> {
        let kept = self.network.take().and_then(|mut network| {
            let is_current = !self.moved;
            match Arc::get_mut(&mut network) {
                _ if is_current => Some(network),
                Some(inner) => {
                    inner.refresh(&self.model.params);
                    Some(network)
                }
                None => None,
            }
        });
        let network = kept.unwrap_or_else(|| {
            let (model, engine) = (Arc::new(self.model.clone()), Arc::clone(&self.engine));
            // To find the thresholds of bits takes longer than a step asks of them.
            Arc::new(Network::new(model, engine).on_floats())
        });
        self.moved = false;
        self.network = Some(Arc::clone(&network));
        network
    }

    /// Starts again from `model`, which has the same graph.
    pub fn restart(&mut self, model: Model) {
        self.state = State::fresh(&model, &*self.optimizer);
        self.model = model;
        self.moved = true;
    }

    /// Starts a new profile of the steps to come, over the layers of the model's graph.
    pub fn start_profile(&mut self, clock: Clock) {
        self.profile = Some(Profile::new(clock, self.plan.layers.len()));
    }

    /// Ends the profile: where the time went since [`Trainer::start_profile`], if it was called.
    pub fn take_profile(&mut self) -> Option<Profile> {
        self.profile.take()
    }

    /// The model as it stands.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The model as it stands, to write down what is known about it.
    pub fn model_mut(&mut self) -> &mut Model {
        &mut self.model
    }

    /// Optimizer state as it stands.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The trained model.
    pub fn into_model(self) -> Model {
        self.model
    }

    /// One step on `batch` with batch statistics and the noise of `draw`: returns the sum of
    /// the losses. `loss` gives each example's loss and gradient; a mean over the batch is the
    /// caller's factor.
    pub fn step(&mut self, batch: &Batch<'_>, draw: Draw, loss: &Loss<'_>) -> f64 {
        let engine = Arc::clone(&self.engine);
        let helpers = self.helpers(batch.len());
        let step = || {
            self.prepare(draw);
            let chunks = self.cut(batch);
            let n = self.stages.len();
            for s in 0..n {
                if self.plan.layers[self.stages[s].start].coupling().is_some() {
                    if s == 0 {
                        self.each_chunk(&chunks, |run, state| {
                            load(run, batch);
                            state.part = forward_part(run, 0);
                        });
                    }
                    self.join_forward(s, chunks.len());
                }
                self.each_chunk(&chunks, |run, state| {
                    self.forward_stage(s, run, state, batch, loss)
                });
            }
            for s in (0..n.saturating_sub(1)).rev() {
                self.join_backward(s + 1, chunks.len());
                self.each_chunk(&chunks, |run, state| self.backward_stage(s, run, state));
            }
            if self.plan.layers[0].coupling().is_some() {
                self.join_backward(0, chunks.len());
            }
            self.update(chunks.len());
            self.moved = true;
        };
        engine.install(|| awake(helpers, step));
        let losses = self.chunks.iter().take(self.n_chunks(batch.len()));
        losses
            .filter_map(|c| c.lock().ok().map(|state| state.loss))
            .sum()
    }

    /// Threads that a step on so many examples has work for, beside the calling one.
    pub(super) fn helpers(&self, examples: usize) -> usize {
        self.n_chunks(examples).saturating_sub(1)
    }

    fn n_chunks(&self, examples: usize) -> usize {
        examples.div_ceil(self.chunk_examples())
    }

    /// Examples in a full chunk: few enough for a common batch to keep several threads busy.
    fn chunk_examples(&self) -> usize {
        chunk_examples(&self.plan, Keep::All).min(CHUNK_EXAMPLES)
    }

    fn prepare(&mut self, draw: Draw) {
        let (plan, params, simd) = (&self.plan, &self.model.params, self.engine.simd());
        let profile = self.profile.as_ref();
        each(self.layers.iter_mut().enumerate(), |(i, layer)| {
            let gradient = plan.inputs[i].iter().any(|&v| plan.trained[v]);
            let args = arguments(plan, i, params, Noise::Draw(draw), simd, gradient);
            Profile::time(profile, i, Phase::Prepare, || {
                layer.prepare(args);
            });
        });
    }

    fn cut(&mut self, batch: &Batch<'_>) -> Vec<Chunk> {
        let examples = self.chunk_examples();
        let ids = batch.ids.chunks(examples).enumerate();
        let chunks: Vec<Chunk> = ids.map(|(c, ids)| Chunk::new(c * examples, ids)).collect();
        while self.chunks.len() < chunks.len() {
            let gradients = zeros(&self.model.params);
            self.chunks.push(Mutex::new(ChunkState {
                gradients,
                gathered: vec![Vec::new(); self.plan.layers.len()],
                ..ChunkState::default()
            }));
        }
        for (chunk, state) in chunks.iter().zip(&mut self.chunks) {
            let Ok(state) = state.get_mut() else { continue };
            for (gathered, layer) in state.gathered.iter_mut().zip(&self.plan.layers) {
                gathered.resize(layer.gathered() * chunk.blocks, Lanes::ZERO);
            }
        }
        chunks
    }

    /// Runs `work` on every chunk in parallel. With one stage a worker's own workspace serves
    /// chunk after chunk and stays in its cache; with several each chunk keeps its own.
    fn each_chunk(&self, chunks: &[Chunk], work: impl Fn(&mut Run<'_>, &mut ChunkState) + Sync) {
        each(chunks.iter().zip(&self.chunks), |(chunk, state)| {
            let Ok(mut state) = state.lock() else { return };
            let run = |workspace: &mut Workspace, state: &mut ChunkState| {
                std::mem::swap(&mut workspace.params, &mut state.gradients);
                std::mem::swap(&mut workspace.gathered, &mut state.gathered);
                let simd = self.engine.simd();
                let mut run = Run::new(&self.plan, simd, Keep::All, chunk, workspace);
                run.profile = self.profile.as_ref();
                work(&mut run, state);
                std::mem::swap(&mut workspace.params, &mut state.gradients);
                std::mem::swap(&mut workspace.gathered, &mut state.gathered);
            };
            if self.stages.len() == 1 {
                self.shared.with(|workspace| run(workspace, &mut state));
            } else {
                let mut workspace = state.workspace.take().unwrap_or_default();
                run(&mut workspace, &mut state);
                state.workspace = Some(workspace);
            }
        });
    }

    fn prepared(&self) -> Layers<'_> {
        Layers {
            base: &self.layers,
            drawn: &[],
        }
    }

    /// Stage `s` forward; the last one goes on to the loss and back through itself.
    fn forward_stage(
        &self,
        s: usize,
        run: &mut Run<'_>,
        state: &mut ChunkState,
        batch: &Batch<'_>,
        loss: &Loss<'_>,
    ) {
        let layers = self.prepared();
        if s == 0 && self.plan.layers[0].coupling().is_none() {
            load(run, batch);
        }
        self.stages[s].clone().for_each(|i| run.forward(i, &layers));
        if let Some(next) = self.stages.get(s + 1) {
            state.part = forward_part(run, next.start);
            return;
        }
        let last = self.plan.layers.len() - 1;
        state.loss = Profile::time(run.profile, last, Phase::Loss, || self.losses(run, loss));
        self.backward_nodes(s, run, state);
    }

    /// The sum of a chunk's losses, whose gradient is set.
    fn losses(&self, run: &mut Run<'_>, loss: &Loss<'_>) -> f64 {
        let output = self.plan.output();
        let width = self.plan.sizes[output];
        let mut logits = vec![0.0; run.chunk.examples * width];
        let mut upstream = vec![0.0; logits.len()];
        run.rows(output, &mut logits);
        let rows = logits
            .chunks_exact(width)
            .zip(upstream.chunks_exact_mut(width));
        let first = run.chunk.first;
        let sum = rows
            .enumerate()
            .map(|(e, (row, up))| loss(first + e, row, up))
            .sum();
        run.add_gradient(output, &upstream);
        sum
    }

    /// The coupling node that starts the stage after `s`, then stage `s`, back.
    fn backward_stage(&self, s: usize, run: &mut Run<'_>, state: &mut ChunkState) {
        self.backward_node(self.stages[s + 1].start, run);
        self.backward_nodes(s, run, state);
    }

    fn backward_node(&self, i: usize, run: &mut Run<'_>) {
        run.backward(i, &self.prepared(), &|v| self.plan.trained[v], true);
    }

    /// Stage `s` back, up to its coupling node, whose statistics are taken.
    fn backward_nodes(&self, s: usize, run: &mut Run<'_>, state: &mut ChunkState) {
        let Range { start, end } = self.stages[s];
        let coupling = self.layers[start].coupling();
        let first = start + usize::from(coupling.is_some());
        (first..end).rev().for_each(|i| self.backward_node(i, run));
        if let Some(coupling) = coupling {
            run.add_gradient(start + 1, &[]);
            state.part = Profile::time(run.profile, start, Phase::Statistics, || {
                coupling.backward_part(&run.part(start, true))
            });
        }
    }

    fn parts(&self, chunks: usize) -> Vec<Vec<f64>> {
        let taken = self.chunks[..chunks]
            .iter()
            .filter_map(|chunk| chunk.lock().ok());
        taken
            .map(|mut state| std::mem::take(&mut state.part))
            .collect()
    }

    fn join_forward(&mut self, s: usize, chunks: usize) {
        let i = self.stages[s].start;
        let parts = self.parts(chunks);
        if let Some(coupling) = self.layers[i].coupling_mut() {
            coupling.forward_join(&parts, &mut self.model.params[i]);
        }
    }

    /// The joined gradients go to the first chunk; the other chunks' stay zero.
    fn join_backward(&mut self, s: usize, chunks: usize) {
        let i = self.stages[s].start;
        let parts = self.parts(chunks);
        let Ok(first) = self.chunks[0].get_mut() else {
            return;
        };
        if let Some(coupling) = self.layers[i].coupling_mut() {
            coupling.backward_join(&parts, &mut first.gradients[i]);
        }
    }
}

fn coupling(plan: &Plan, i: usize) -> Option<&dyn Coupling> {
    plan.layers[i].coupling()
}

fn forward_part(run: &Run<'_>, i: usize) -> Vec<f64> {
    Profile::time(run.profile, i, Phase::Statistics, || {
        coupling(run.plan, i).map_or_else(Vec::new, |coupling| {
            coupling.forward_part(&run.part(i, false))
        })
    })
}

fn load(run: &mut Run<'_>, batch: &Batch<'_>) {
    Profile::time(run.profile, 0, Phase::Load, || run.load(batch));
}

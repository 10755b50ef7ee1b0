//! [`Layer`]: an op at fixed shapes with what it made of its parameters, working on chunks in the
//! engine's lane layout `[block][channel][y][x]` of [`Lanes`].

use crate::bits::BitValues;
use crate::kernel::{Lanes, Simd};
use crate::noise::LayerDraw;

/// Blocks of a chunk at most: a layer may plan its work for each number of them.
pub(crate) const MAX_BLOCKS: usize = 4;

/// What [`Layer::prepare`] is given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prepare<'a> {
    /// Values of the op's parameters.
    pub(crate) params: &'a [Vec<f32>],
    /// The layer's stream, `None` while noise is off.
    pub(crate) draw: Option<LayerDraw>,
    /// Instruction set.
    pub(crate) simd: Simd,
    /// Whether an input gradient will be asked for.
    pub(crate) input_gradient: bool,
}

/// One chunk on its way forward.
pub(crate) struct Forward<'a> {
    /// Instruction set.
    pub(crate) simd: Simd,
    /// Blocks in the chunk.
    pub(crate) blocks: usize,
    /// Ids of the examples in the lanes, `blocks` arrays of sixteen.
    pub(crate) ids: &'a [[u64; 16]],
    /// What the layer's sums are multiplied by: the factor of a dropout that only masks, else 1.
    pub(crate) factor: f32,
    /// Inputs, each `blocks * size`.
    pub(crate) inputs: &'a [&'a [Lanes]],
    /// Output, `blocks * size`, overwritten.
    pub(crate) output: &'a mut [Lanes],
    /// What the way back will need, `blocks * saved`; empty if there is none.
    pub(crate) saved: &'a mut [u64],
    /// Memory of the worker's own.
    pub(crate) scratch: &'a mut Vec<Lanes>,
    /// The values read first and written, by number.
    pub(crate) values: [usize; 2],
    /// Values that are kept as bits, by number; their lanes are empty.
    pub(crate) bits: &'a mut BitValues,
}

/// One chunk on its way back.
pub(crate) struct Backward<'a> {
    /// Instruction set.
    pub(crate) simd: Simd,
    /// Blocks in the chunk.
    pub(crate) blocks: usize,
    /// Examples in the chunk; lanes behind them are unused.
    pub(crate) examples: usize,
    /// Ids of the examples in the lanes.
    pub(crate) ids: &'a [[u64; 16]],
    /// As in [`Forward`].
    pub(crate) factor: f32,
    /// Inputs as the forward pass saw them.
    pub(crate) inputs: &'a [&'a [Lanes]],
    /// Output of the forward pass.
    pub(crate) output: &'a [Lanes],
    /// What the forward pass saved.
    pub(crate) saved: &'a [u64],
    /// Gradient with respect to the output; zero in unused lanes.
    pub(crate) upstream: &'a [Lanes],
    /// Gradients with respect to the inputs, overwritten where asked for.
    pub(crate) input_gradients: &'a mut [Option<&'a mut [Lanes]>],
    /// Gradients with respect to the parameters, summed over the chunk, overwritten.
    pub(crate) param_gradients: Option<&'a mut [Vec<f32>]>,
    /// With `param_gradients`: what [`Layer::join`] will need of the chunk, `blocks * gathered`.
    pub(crate) gathered: &'a mut [Lanes],
    /// Memory of the worker's own.
    pub(crate) scratch: &'a mut Vec<Lanes>,
}

/// The first `size` lanes of a worker's memory, whatever they hold.
pub(crate) fn scratch_of(memory: &mut Vec<Lanes>, size: usize) -> &mut [Lanes] {
    memory.resize(memory.len().max(size), Lanes::ZERO);
    &mut memory[..size]
}

/// An op at fixed shapes, working on chunks. [`Layer::prepare`] comes first; what it leaves for
/// the chunks is the layer's own. A clone is another draw of the same layer, so tables that no
/// parameter changes are shared (`Arc`).
pub(crate) trait Layer: LayerObject + Send + Sync {
    /// Words a block's forward pass saves for the way back, beside its output.
    fn saved(&self) -> usize {
        0
    }
    /// Derives what chunks need from the parameters.
    fn prepare(&mut self, _args: Prepare<'_>) {}
    /// Output from inputs.
    fn forward(&self, chunk: Forward<'_>);
    /// Input and parameter gradients from the upstream gradient. Layers on bits have none.
    fn backward(&self, _chunk: Backward<'_>) {}
    /// What a dropout that only masks leaves to the layers behind it to multiply by.
    fn factor(&self) -> f32 {
        1.0
    }
    /// Numbers of sixteen examples that a block leaves for [`Layer::join`]: what the gradient of
    /// the first parameter is made of, where that is less than the gradient. 0: the chunk's
    /// gradient itself is left.
    fn gathered(&self) -> usize {
        0
    }
    /// Rows of the first parameter's gradient from row `first` on, over all chunks of a batch.
    fn join(&self, _simd: Simd, _chunks: &[&[Lanes]], _first: usize, _rows: &mut [f32]) {}
    /// Turns the gradient with respect to a piece of the first parameter as used (quantized)
    /// into one with respect to it as stored, once a batch: surrogates need not be linear.
    fn surrogate(&self, _simd: Simd, _latent: &[f32], _gradient: &mut [f32]) {}
    /// Multiply-adds of the forward pass for one example.
    fn products(&self) -> u64 {
        0
    }
    /// Statistics that couple the examples of a batch, if the op has any.
    fn coupling(&self) -> Option<&dyn Coupling> {
        None
    }
    /// The same, to join them.
    fn coupling_mut(&mut self) -> Option<&mut dyn Coupling> {
        None
    }
}

/// What every layer has by being `Clone`.
pub(crate) trait LayerObject {
    /// A copy.
    fn boxed(&self) -> Box<dyn Layer>;
}

impl<L: Layer + Clone + 'static> LayerObject for L {
    fn boxed(&self) -> Box<dyn Layer> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Layer> {
    fn clone(&self) -> Self {
        self.boxed()
    }
}

/// Batch statistics: a barrier on the way forward and on the way back.
pub(crate) trait Coupling: Send + Sync {
    /// Statistics of one chunk's input.
    fn forward_part(&self, chunk: &Part<'_>) -> Vec<f64>;
    /// Merges the chunks' statistics in chunk order, keeps what [`Layer::forward`] needs and
    /// updates running statistics in `params`.
    fn forward_join(&mut self, parts: &[Vec<f64>], params: &mut [Vec<f32>]);
    /// Statistics of one chunk's upstream gradient.
    fn backward_part(&self, chunk: &Part<'_>) -> Vec<f64>;
    /// Merges them, keeps what [`Layer::backward`] needs and writes the gradients of the
    /// parameters.
    fn backward_join(&mut self, parts: &[Vec<f64>], gradients: &mut [Vec<f32>]);
}

/// What [`Coupling`] sees of a chunk.
pub(crate) struct Part<'a> {
    /// Instruction set.
    pub(crate) simd: Simd,
    /// Examples in the chunk; lanes behind them are unused.
    pub(crate) examples: usize,
    /// Input of the layer.
    pub(crate) input: &'a [Lanes],
    /// Gradient with respect to its output (empty on the way forward).
    pub(crate) upstream: &'a [Lanes],
}

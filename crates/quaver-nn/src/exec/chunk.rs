//! [`Chunk`]: examples that run together, and the memory they run in.

use crate::bits::BitValues;
use crate::kernel::{LANES, Lanes};
use crate::op::MAX_BLOCKS;
use crate::plan::{Keep, Plan};
use std::sync::Mutex;

/// Bytes that a chunk should touch: three quarters of a second-level cache of two megabytes.
const CHUNK_BYTES: usize = 1536 * 1024;

/// Examples of a batch that run together.
pub(crate) struct Chunk {
    pub(crate) first: usize,
    pub(crate) examples: usize,
    pub(crate) blocks: usize,
    pub(crate) ids: Vec<[u64; LANES]>,
}

impl Chunk {
    pub(crate) fn new(first: usize, ids: &[u64]) -> Self {
        let lanes = |ids: &[u64]| std::array::from_fn(|l| ids.get(l).copied().unwrap_or(0));
        let ids_of_blocks: Vec<_> = ids.chunks(LANES).map(lanes).collect();
        Self {
            first,
            examples: ids.len(),
            blocks: ids_of_blocks.len(),
            ids: ids_of_blocks,
        }
    }

    /// Chunk `c` of examples with `ids`, cut into chunks of `examples`.
    pub(crate) fn nth(c: usize, examples: usize, ids: &[u64]) -> Self {
        let first = c * examples;
        Self::new(first, &ids[first..ids.len().min(first + examples)])
    }
}

/// Examples in a full chunk.
pub(crate) fn chunk_examples(plan: &Plan, keep: Keep) -> usize {
    let block = plan.live_size(keep) * LANES * size_of::<f32>();
    (CHUNK_BYTES / block.max(1)).clamp(1, MAX_BLOCKS) * LANES
}

/// Buffers of one chunk's run.
#[derive(Default)]
pub(crate) struct Workspace {
    pub(super) values: Vec<Vec<Lanes>>,
    pub(super) gradients: Vec<Vec<Lanes>>,
    /// What each node's forward pass saved for the way back.
    pub(super) saved: Vec<Vec<u64>>,
    /// Values whose gradient has been written.
    pub(super) filled: Vec<bool>,
    pub(super) scratch: Vec<Lanes>,
    /// A second contribution to a gradient, before it is added.
    pub(super) spare: Vec<Lanes>,
    /// Values that are kept as bits.
    pub(super) bits: BitValues,
    /// Parameter gradients of the chunk, by node.
    pub(crate) params: Vec<Vec<Vec<f32>>>,
    /// What the chunk leaves to be joined, by node; empty unless parameters are trained.
    pub(crate) gathered: Vec<Vec<Lanes>>,
}

/// Workspaces that come back after use.
#[derive(Default)]
pub(crate) struct Workspaces(Mutex<Vec<Workspace>>);

impl Workspaces {
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut Workspace) -> R) -> R {
        let taken = self.0.lock().ok().and_then(|mut free| free.pop());
        let mut workspace = taken.unwrap_or_default();
        let result = work(&mut workspace);
        if let Ok(mut free) = self.0.lock() {
            free.push(workspace);
        }
        result
    }
}

//! [`Engine`]: the threads and the instruction set that calls run with. Passed explicitly;
//! neither changes a result.

use crate::kernel::{FmaLoop, Simd};
use rayon::prelude::*;

/// Threads and instruction set.
#[derive(Debug)]
pub struct Engine {
    pool: rayon::ThreadPool,
    simd: Simd,
}

/// Threads cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("{threads} threads cannot be started: {source}")]
pub struct EngineError {
    /// How many were asked for.
    pub threads: usize,
    /// Why not.
    pub source: rayon::ThreadPoolBuildError,
}

impl Engine {
    /// An engine of `threads` threads (0: one a core) with `simd` (`None`: the machine's best).
    ///
    /// # Errors
    /// When the machine refuses the threads.
    pub fn new(threads: usize, simd: Option<Simd>) -> Result<Self, EngineError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|source| EngineError { threads, source })?;
        let simd = simd.unwrap_or_else(Simd::best);
        Ok(Self { pool, simd })
    }

    /// The instruction set in use.
    pub fn simd(&self) -> Simd {
        self.simd
    }

    /// The number of threads.
    pub fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Runs `work` on the engine's threads: parallel iterators inside it use them.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.pool.install(work)
    }

    /// Runs `rounds` rounds of fused multiply-adds on registers alone on every thread: the
    /// speed nothing can exceed. The result is meaningless but must be used.
    pub fn fma_loop(&self, rounds: u64) -> f32 {
        let run = |_| self.simd.run(FmaLoop { rounds });
        self.install(|| (0..self.threads()).into_par_iter().map(run).sum())
    }

    /// Floating-point operations of [`Engine::fma_loop`].
    pub fn fma_loop_flops(&self, rounds: u64) -> f64 {
        self.threads() as f64 * FmaLoop::flops(self.simd, rounds)
    }
}

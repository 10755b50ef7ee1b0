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

/// An engine cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The machine lacks the instruction set.
    #[error("this machine has no {got}; it has {allowed}")]
    SimdUnavailable {
        /// What was asked for.
        got: &'static str,
        /// What there is.
        allowed: String,
    },
    /// Threads cannot be started.
    #[error("{threads} threads cannot be started: {source}")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// Why not.
        source: rayon::ThreadPoolBuildError,
    },
}

impl Engine {
    /// An engine of `threads` threads (0: one a core) with `simd` (`None`: the machine's best).
    ///
    /// # Errors
    /// When the machine lacks `simd` or refuses the threads.
    pub fn new(threads: usize, simd: Option<Simd>) -> Result<Self, EngineError> {
        let simd = simd.unwrap_or_else(Simd::best);
        if !simd.is_available() {
            let names = Simd::ALL
                .into_iter()
                .filter(|s| s.is_available())
                .map(Simd::name);
            let allowed = names.collect::<Vec<_>>().join(", ");
            return Err(EngineError::SimdUnavailable {
                got: simd.name(),
                allowed,
            });
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|source| EngineError::Threads { threads, source })?;
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

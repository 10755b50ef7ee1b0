//! The numeric kernels and the only `unsafe` code: a register-tiled product over taps
//! ([`tap`]), the same of bits ([`popcount`]), convolutions up to the maximum over windows
//! ([`conv_pool`]), weight gradients of convolutions ([`correlate`]) and dense layers
//! ([`outer`]), dropout ([`mask`]) and the run-time choice of instruction set ([`Simd`]).
//! Everything else is plain loops over [`Lanes`] that the
//! compiler vectorizes inside [`Simd::vectorize`].
//!
//! Sixteen examples lie side by side in the last axis, so each kernel is the scalar formula
//! on sixteen examples at once. Every output is accumulated in one fixed order, with fused
//! multiply-add in the tiled kernels and never elsewhere, so all instruction sets give the
//! same bits.

pub(crate) mod conv_pool;
pub(crate) mod correlate;
mod fma_loop;
mod lanes;
pub(crate) mod mask;
pub(crate) mod outer;
pub(crate) mod popcount;
pub(crate) mod random;
pub(crate) mod routed;
pub(crate) mod tap;
pub(crate) mod transpose;
mod vector;
mod words;

pub(crate) use fma_loop::FmaLoop;
pub use lanes::{LANES, Lanes};
pub(crate) use lanes::{flat, flat_mut};
pub(crate) use vector::Vector;
pub(crate) use words::Words;

use popcount::BitKernel;
use serde::{Deserialize, Serialize};

/// Instruction set the kernels run with. All give the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Simd {
    /// Plain Rust, any machine.
    Scalar,
    /// 256-bit registers with fused multiply-add (x86-64).
    Avx2,
    /// 512-bit registers (x86-64).
    Avx512,
    /// 128-bit registers (aarch64).
    Neon,
}

/// A kernel written once over the vector type.
pub(crate) trait Kernel {
    type Output;
    /// # Safety
    /// The caller must have checked that the machine has `V`'s instruction set.
    unsafe fn run<V: Vector>(self) -> Self::Output;
}

impl Simd {
    /// All names, for messages and flags.
    pub const ALL: [Self; 4] = [Self::Scalar, Self::Avx2, Self::Avx512, Self::Neon];

    /// The name used by flags.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Neon => "neon",
        }
    }

    /// Whether this machine has it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                Self::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon => true,
            _ => false,
        }
    }

    /// Whether 24 accumulators of sixteen floats fit in registers.
    pub(crate) fn is_wide(self) -> bool {
        self == Self::Avx512
    }

    /// The fastest this machine has.
    pub fn best() -> Self {
        [Self::Avx512, Self::Avx2, Self::Neon]
            .into_iter()
            .find(|simd| simd.is_available())
            .unwrap_or(Self::Scalar)
    }

    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            // SAFETY: an `Engine` only holds an instruction set that `is_available`.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { run_avx512(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { run_avx2(kernel) },
            // SAFETY: NEON is part of every aarch64 target.
            #[cfg(target_arch = "aarch64")]
            Self::Neon => unsafe { kernel.run::<vector::Neon>() },
            // SAFETY: plain Rust needs nothing.
            _ => unsafe { kernel.run::<vector::Scalar>() },
        }
    }

    /// Runs a kernel on bits. AVX-512 counts them only with an extension of its own; without
    /// it AVX2 does.
    pub(crate) fn run_bits<K: BitKernel>(self, kernel: K) {
        match self {
            // SAFETY: the machine has AVX-512 as an `Engine` holds it, and the extension.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 if is_x86_feature_detected!("avx512vpopcntdq") => unsafe {
                bits_avx512(kernel);
            },
            // SAFETY: an `Engine` only holds an instruction set that `is_available`, and
            // AVX-512 stands for AVX2 too.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Avx2 => unsafe { bits_avx2(kernel) },
            // SAFETY: NEON is part of every aarch64 target.
            #[cfg(target_arch = "aarch64")]
            Self::Neon => unsafe { kernel.run::<words::NeonWords>() },
            // SAFETY: plain Rust needs nothing.
            _ => unsafe { kernel.run::<words::ScalarWord>() },
        }
    }

    /// Runs plain loops compiled for this instruction set. Without fused multiply-add in
    /// the source the bits are the same under all of them.
    #[inline(always)]
    pub(crate) fn vectorize<R>(self, plain: impl FnOnce() -> R) -> R {
        match self {
            // SAFETY: an `Engine` only holds an instruction set that `is_available`.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { with_avx512(plain) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { with_avx2(plain) },
            _ => plain(),
        }
    }
}

/// # Safety
/// The machine must have these features.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
unsafe fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the features are on.
    unsafe { kernel.run::<vector::Avx512>() }
}

/// # Safety
/// The machine must have these features.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the features are on.
    unsafe { kernel.run::<vector::Avx2>() }
}

/// # Safety
/// The machine must have these features.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512vpopcntdq,avx2,fma")]
unsafe fn bits_avx512<K: BitKernel>(kernel: K) {
    // SAFETY: the features are on.
    unsafe { kernel.run::<words::Avx512Words>() }
}

/// # Safety
/// The machine must have these features.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn bits_avx2<K: BitKernel>(kernel: K) {
    // SAFETY: the features are on.
    unsafe { kernel.run::<words::Avx2Words>() }
}

/// # Safety
/// The machine must have these features.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
unsafe fn with_avx512<R>(run: impl FnOnce() -> R) -> R {
    run()
}

/// # Safety
/// The machine must have these features.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn with_avx2<R>(run: impl FnOnce() -> R) -> R {
    run()
}

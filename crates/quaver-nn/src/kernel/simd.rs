//! [`Simd`]: the choice of instruction set when the program runs.

use super::popcount::BitKernel;
use super::vector::{self, Vector};
use super::words;

/// An instruction set that this machine has: there is no way to a value but through a look at
/// the machine, so that holding one is the proof. All give the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Simd(Set);

/// The instruction sets that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    /// Plain Rust, any machine.
    Scalar,
    /// 256-bit registers with fused multiply-add (x86-64).
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 512-bit registers (x86-64).
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// 128-bit registers (aarch64).
    #[cfg(target_arch = "aarch64")]
    Neon,
}

/// This machine lacks an instruction set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this machine has no {got}; it has {allowed}")]
pub struct SimdUnavailable {
    /// What was asked for.
    pub got: String,
    /// What there is.
    pub allowed: String,
}

/// A kernel written once over the vector type.
pub(crate) trait Kernel {
    type Output;
    /// # Safety
    /// The caller must have checked that the machine has `V`'s instruction set.
    unsafe fn run<V: Vector>(self) -> Self::Output;
}

impl Set {
    /// All that a machine of this kind may have, slowest first.
    const ALL: &[Self] = &[
        Self::Scalar,
        #[cfg(target_arch = "x86_64")]
        Self::Avx2,
        #[cfg(target_arch = "x86_64")]
        Self::Avx512,
        #[cfg(target_arch = "aarch64")]
        Self::Neon,
    ];

    fn is_available(self) -> bool {
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
        }
    }
}

impl Simd {
    /// Plain Rust, which every machine runs.
    pub const SCALAR: Self = Self(Set::Scalar);

    /// Every one that this machine has, slowest first.
    pub fn available() -> Vec<Self> {
        let sets = Set::ALL.iter().filter(|set| set.is_available());
        sets.map(|set| Self(*set)).collect()
    }

    /// The fastest that this machine has.
    pub fn best() -> Self {
        Self::available().pop().unwrap_or(Self::SCALAR)
    }

    /// The one called `name`: `scalar`, `avx2`, `avx512` or `neon`.
    ///
    /// # Errors
    /// When this machine does not have it.
    pub fn find(name: &str) -> Result<Self, SimdUnavailable> {
        let available = Self::available();
        let found = available.iter().find(|simd| simd.name() == name);
        found.copied().ok_or_else(|| SimdUnavailable {
            got: name.into(),
            allowed: available
                .iter()
                .map(|simd| simd.name())
                .collect::<Vec<_>>()
                .join(", "),
        })
    }

    /// The name that [`Simd::find`] knows it by.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Set::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => "avx512",
            #[cfg(target_arch = "aarch64")]
            Set::Neon => "neon",
        }
    }

    /// Whether 24 accumulators of sixteen floats fit in registers.
    pub(crate) fn is_wide(self) -> bool {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => true,
            _ => false,
        }
    }

    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            // SAFETY: plain Rust needs nothing.
            Set::Scalar => unsafe { kernel.run::<vector::Scalar>() },
            // SAFETY: a `Simd` is an instruction set that the machine has.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { run_avx2(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { run_avx512(kernel) },
            // SAFETY: NEON is part of every aarch64 target.
            #[cfg(target_arch = "aarch64")]
            Set::Neon => unsafe { kernel.run::<vector::Neon>() },
        }
    }

    /// Runs a kernel on bits. AVX-512 counts them only with an extension of its own; without
    /// it AVX2 does.
    pub(crate) fn run_bits<K: BitKernel>(self, kernel: K) {
        match self.0 {
            // SAFETY: plain Rust needs nothing.
            Set::Scalar => unsafe { kernel.run::<words::ScalarWord>() },
            // SAFETY: a `Simd` is an instruction set that the machine has, and the extension
            // is there.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 if is_x86_feature_detected!("avx512vpopcntdq") => unsafe {
                bits_avx512(kernel);
            },
            // SAFETY: as above; AVX-512 stands for AVX2 too.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 | Set::Avx2 => unsafe { bits_avx2(kernel) },
            // SAFETY: NEON is part of every aarch64 target.
            #[cfg(target_arch = "aarch64")]
            Set::Neon => unsafe { kernel.run::<words::NeonWords>() },
        }
    }

    /// Runs plain loops compiled for this instruction set. Without fused multiply-add in
    /// the source the bits are the same under all of them.
    #[inline(always)]
    pub(crate) fn vectorize<R>(self, plain: impl FnOnce() -> R) -> R {
        match self.0 {
            // SAFETY: a `Simd` is an instruction set that the machine has.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { with_avx512(plain) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { with_avx2(plain) },
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_machine_has_is_found() {
        let available = Simd::available();
        assert_eq!(available[0], Simd::SCALAR);
        assert_eq!(available.last(), Some(&Simd::best()));
        for simd in &available {
            assert_eq!(Simd::find(simd.name()), Ok(*simd));
        }
        for name in ["scalar", "avx2", "avx512", "neon", "sse2", ""] {
            let is_there = available.iter().any(|simd| simd.name() == name);
            match Simd::find(name) {
                Ok(simd) => assert!(is_there && simd.name() == name),
                Err(refused) => assert!(!is_there && refused.got == name, "{refused}"),
            }
        }
    }
}

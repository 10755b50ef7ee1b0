//! Quaver: how quantized and binarized networks behave under adversarial input.

/// Declares the plug-ins of a folder, a file each, and the list of their entries, in this order.
macro_rules! plug_ins {
    ($(#[$about:meta])* pub const $list:ident: $entry:ty = [$($name:ident),+ $(,)?];) => {
        $(pub mod $name;)+
        $(#[$about])*
        pub const $list: &[&$entry] = &[$(&$name::ENTRY),+];
    };
}

pub mod attack;
pub mod binomial;
pub mod classifier;
pub mod data;
pub mod decision;
pub mod detect;
pub mod evaluate;
pub mod feature;
pub mod guard;
pub mod network;
pub mod observe;
pub mod report;
pub mod rng;
pub mod run;
pub mod suite;
pub mod threat;
pub mod training;
pub mod uncertainty;
pub mod wrap;

pub use quaver_nn::{atomic_file, spec};

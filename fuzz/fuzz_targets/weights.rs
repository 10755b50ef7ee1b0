//! Weights in safetensors files without a network.

#![no_main]

use libfuzzer_sys::fuzz_target;
use quaver_fuzz::{FLOOR, with_file, within};
use quaver_nn::format::safetensors::load_tensors;

/// What the values of any header may take.
const HEADER: usize = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let loaded = with_file(bytes, |path| {
        within(4 * bytes.len() + HEADER + FLOOR, || load_tensors(path))
    });
    for (name, (shape, values)) in loaded.unwrap_or_default() {
        let size: usize = shape.iter().product();
        assert_eq!(size, values.len(), "{name}");
    }
});

//! ONNX files.

#![no_main]

use libfuzzer_sys::fuzz_target;
use quaver_fuzz::{run, within};
use quaver_nn::format::onnx::{Options, read, to_bytes};

/// What `read` promises for any file, beside three times its size.
const FLOOR: usize = 4 << 20;

fuzz_target!(|bytes: &[u8]| {
    let file = bytes.to_vec();
    let imported = within(3 * bytes.len() + FLOOR, || read(file, &Options::default()));
    let Ok(imported) = imported else { return };
    if let Ok(file) = to_bytes(&imported.model) {
        read(file, &Options::default()).expect("what was written can be read");
    }
    run(imported.model);
});

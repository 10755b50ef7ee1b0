//! One array in NumPy's format.

#![no_main]

use libfuzzer_sys::fuzz_target;
use quaver::data::npy::NpyArray;
use quaver_fuzz::{FLOOR, within};

fuzz_target!(|bytes: &[u8]| {
    let array = within(4 * bytes.len() + FLOOR, || NpyArray::from_bytes(bytes));
    if let Ok(array) = array {
        let written = array.to_bytes().expect("what was read can be written");
        let again = NpyArray::from_bytes(&written).expect("what was written can be read");
        // NaN is not itself, but its bytes are.
        assert_eq!(again.to_bytes().ok(), Some(written));
    }
});

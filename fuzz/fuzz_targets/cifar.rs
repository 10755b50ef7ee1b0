//! Records of CIFAR-10.

#![no_main]

use libfuzzer_sys::fuzz_target;
use quaver::data::source::cifar10::parse;
use quaver_fuzz::{FLOOR, within};
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    let (mut labels, mut pixels) = (Vec::new(), Vec::new());
    let parsed = within(4 * bytes.len() + FLOOR, || {
        parse(bytes, Path::new("batch"), &mut labels, &mut pixels)
    });
    if parsed.is_ok() {
        assert!(labels.iter().all(|&label| label < 10));
        assert_eq!(labels.len() + pixels.len(), bytes.len());
    }
});

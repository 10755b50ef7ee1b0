//! Detectors in JSON.

#![no_main]

use libfuzzer_sys::fuzz_target;
use quaver::detect::Saved;
use quaver::feature::Features;
use quaver_fuzz::{FLOOR, within};

fuzz_target!(|text: &str| {
    // A bracket is a value of some thirty bytes, and lists grow by doubling.
    let read = within(100 * text.len() + FLOOR, || Saved::from_json(text));
    let Ok(saved) = read else { return };
    let written = saved.to_json().expect("what was read can be written");
    assert_eq!(Saved::from_json(&written).expect("it was written"), saved);
    if let Ok((features, fitted)) = saved.load() {
        let numbers = vec![0.5; features.width()];
        let _ = (fitted.suspicion(&numbers), fitted.threshold());
        let again = Features::load(&features.saved()).expect("it was loaded");
        assert!(again.specs().eq(features.specs()));
    }
});

//! Everything that is written as a text with parameters.

#![no_main]

use libfuzzer_sys::fuzz_target;
use quaver::attack::noise::NoiseMode;
use quaver::spec::Spec;
use quaver::{attack, detect};
use quaver_fuzz::{FLOOR, within};

fuzz_target!(|text: &str| {
    within(100 * text.len() + FLOOR, || {
        let _ = attack::build(text);
        let _ = detect::build(text);
        let _ = text.parse::<NoiseMode>();
        let _ = text.parse::<attack::Dialect>();
        let Ok(spec) = text.parse::<Spec>() else {
            return;
        };
        let printed = spec.to_string();
        let again: Spec = printed.parse().expect("what was printed can be read");
        assert_eq!(again.to_string(), printed);
    });
});

//! Model files and checkpoints.

#![no_main]

use libfuzzer_sys::fuzz_target;
use quaver_fuzz::{FLOOR, run, with_file, within};
use quaver_nn::format::safetensors::{load, save};

/// What the values of any header may take.
const HEADER: usize = 1 << 20;

/// A bit of a packed weight declares a number of 32.
const PACKED: usize = 32;

fuzz_target!(|bytes: &[u8]| {
    let allowed = 4 * PACKED * bytes.len() + HEADER + FLOOR;
    let loaded = with_file(bytes, |path| within(allowed, || load(path)));
    let Ok((model, state)) = loaded else { return };
    with_file(&[], |path| {
        save(path, &model, state.as_ref()).expect("what was read can be written");
        let (again, _) = load(path).expect("what was written can be read");
        assert_eq!(again.params, model.params);
        assert_eq!(again.graph.to_json(), model.graph.to_json());
    });
    run(model);
});

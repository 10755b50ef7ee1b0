//! Model files and checkpoints.

#![no_main]

use libfuzzer_sys::fuzz_target;
use quaver_fuzz::{FLOOR, run, with_file, within};
use quaver_nn::format::safetensors::{load, save};

/// What the values of any header may take.
const HEADER: usize = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let loaded = with_file(bytes, |path| {
        within(4 * bytes.len() + HEADER + FLOOR, || load(path))
    });
    let Ok((model, state)) = loaded else { return };
    with_file(&[], |path| {
        save(path, &model, state.as_ref()).expect("what was read can be written");
        let (again, _) = load(path).expect("what was written can be read");
        assert_eq!(again.params, model.params);
        assert_eq!(again.graph.to_json(), model.graph.to_json());
    });
    run(model);
});

//! Model files and checkpoints.

#![no_main]

use libfuzzer_sys::fuzz_target;
use quaver_fuzz::{FLOOR, run, with_file, within};
use quaver_nn::format::safetensors::{load, save};
use safetensors::{Dtype, SafeTensors};

/// What the values of any header may take.
const HEADER: usize = 1 << 20;

/// Bytes that a byte of packed weights declares: each bit is a number of four.
const PACKED: usize = 32;

fuzz_target!(|bytes: &[u8]| {
    let allowed = 4 * declared(bytes) + HEADER + FLOOR;
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

/// Bytes of the file, and of the weights that its bits stand for.
fn declared(bytes: &[u8]) -> usize {
    let packed = |file: SafeTensors| -> usize {
        let tensors = file
            .iter()
            .filter(|(_, tensor)| tensor.dtype() == Dtype::U8);
        tensors
            .map(|(_, tensor)| PACKED * tensor.data().len())
            .sum()
    };
    bytes.len() + SafeTensors::deserialize(bytes).map_or(0, packed)
}

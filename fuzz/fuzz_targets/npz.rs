//! Archives of arrays, as images, labels and adversarial batches.

#![no_main]

use libfuzzer_sys::fuzz_target;
use quaver::attack::record::AdversarialBatch;
use quaver::data::npz::{Arrays, NpzReader};
use quaver::data::{self, Split, input::ImageInput};
use quaver_fuzz::{DEFLATE_RATIO, FLOOR, with_file, within};
use rawzip::ZipArchive;

fuzz_target!(|bytes: &[u8]| {
    let allowed = 4 * (bytes.len() + declared(bytes)) + FLOOR;
    with_file(bytes, |path| {
        let arrays = within(allowed, || {
            let reader = NpzReader::open(path).ok()?;
            let names = reader.names();
            let read = |name: String| Some((name.clone(), reader.read(&name).ok()??));
            Some(names.into_iter().filter_map(read).collect::<Arrays>())
        });
        let Some(arrays) = arrays else { return };
        if let Ok(batch) = AdversarialBatch::from_arrays(&arrays) {
            let again = batch.to_arrays().expect("what was read can be written");
            assert!(AdversarialBatch::from_arrays(&again).is_ok());
        }
        // Pixels become floats and labels words of the machine.
        for name in ["x", "x_adv"] {
            within(2 * allowed, || {
                ImageInput::read_named(path, name, [1, 2, 2], 10)
            })
            .ok();
        }
        for split in [Split::Train, Split::Test] {
            within(2 * allowed, || data::arrays::read(path, split)).ok();
        }
    });
});

/// Bytes of the arrays, when the file can hold them.
fn declared(bytes: &[u8]) -> usize {
    let Ok(archive) = ZipArchive::from_slice(bytes) else {
        return 0;
    };
    let sizes = archive.entries().map_while(|entry| {
        let place = entry.ok()?.wayfinder();
        let packed = (place.compressed_size_hint() as usize).min(bytes.len());
        Some((place.uncompressed_size_hint() as usize).min(packed * DEFLATE_RATIO))
    });
    sizes.sum()
}

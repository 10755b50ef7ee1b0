//! IDX files, as they are and compressed.

#![no_main]

use flate2::Compression;
use flate2::read::{GzEncoder, MultiGzDecoder};
use libfuzzer_sys::fuzz_target;
use quaver::data::idx::{read_images, read_labels};
use quaver_fuzz::{DEFLATE_RATIO, FLOOR, with_file, within};
use std::io::Read;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    let mut compressed = Vec::new();
    let mut encoder = GzEncoder::new(bytes, Compression::fast());
    if !bytes.starts_with(&[0x1f, 0x8b]) && encoder.read_to_end(&mut compressed).is_ok() {
        check(&compressed);
    }
});

fn check(bytes: &[u8]) {
    with_file(bytes, |path| {
        for n_axes in [3, 1] {
            let declared = declared(bytes, n_axes);
            within(4 * declared + FLOOR, || match n_axes {
                3 => read_images(path).map(|images| assert_eq!(images.len(), declared)),
                _ => read_labels(path).map(|labels| assert_eq!(labels.len(), declared)),
            })
            .ok();
        }
    });
}

/// Bytes that the header declares, when the file can hold them.
fn declared(bytes: &[u8], n_axes: usize) -> usize {
    let mut header = vec![0; 4 + 4 * n_axes];
    let (read, room) = match bytes.starts_with(&[0x1f, 0x8b]) {
        true => {
            let read = MultiGzDecoder::new(bytes).read_exact(&mut header);
            (read, bytes.len() * DEFLATE_RATIO)
        }
        false => ((&mut &bytes[..]).read_exact(&mut header), bytes.len()),
    };
    let (words, _) = header[4..].as_chunks::<4>();
    let sizes = words.iter().map(|&word| u32::from_be_bytes(word) as usize);
    let declared = sizes.fold(1_usize, usize::saturating_mul);
    if read.is_ok() && declared <= room {
        declared
    } else {
        0
    }
}

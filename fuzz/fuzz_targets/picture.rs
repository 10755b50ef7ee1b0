//! PNG and JPEG files.

#![no_main]

use image::{ImageDecoder, ImageReader};
use libfuzzer_sys::fuzz_target;
use quaver::data::image_file::{MAX_SIDE, Picture};
use quaver_fuzz::within;
use std::io::Cursor;
use std::path::Path;

/// Tables and windows of the decoders.
const FLOOR: usize = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let allowed = 4 * declared(bytes) + FLOOR;
    let decoded = within(allowed, || Picture::decode(bytes, Path::new("picture")));
    let Ok(picture) = decoded else { return };
    let [height, width] = picture.size();
    assert_eq!(picture.planes(3).len(), 3 * height * width);
    assert_eq!(picture.scaled([28, 28]).planes(1).len(), 28 * 28);
});

/// Bytes of the pixels that the header declares, red, green and blue at least, when they are not
/// too many.
fn declared(bytes: &[u8]) -> usize {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let Some(decoder) = reader.ok().and_then(|reader| reader.into_decoder().ok()) else {
        return bytes.len();
    };
    let (width, height) = decoder.dimensions();
    if width > MAX_SIDE || height > MAX_SIDE {
        return bytes.len();
    }
    let pixels = width as usize * height as usize;
    bytes.len() + (decoder.total_bytes() as usize).max(3 * pixels)
}

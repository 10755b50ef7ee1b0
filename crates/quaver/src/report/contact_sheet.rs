//! Many images on one PNG, to look at.

use crate::data::{Dataset, Pixels};
use std::io;

/// Pixels between images and around them.
const GAP: usize = 2;
const GAP_GRAY: u8 = 96;

/// How a contact sheet is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Images in a row, at least 1.
    pub n_columns: usize,
    /// Side of the square that shows one pixel, at least 1.
    pub zoom: usize,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            n_columns: 10,
            zoom: 2,
        }
    }
}

/// Draws the rows `rows` of a data set, in that order from left to right and top to bottom,
/// as an 8-bit PNG: gray for one channel, red-green-blue for three (the first channel in gray
/// for any other number). The same images give the same bytes.
///
/// # Errors
/// What the encoder says, such as a sheet without images or too large for PNG.
pub fn draw(dataset: &Dataset, rows: &[usize], layout: Layout) -> io::Result<Vec<u8>> {
    let [channels, h, w] = dataset.image_shape();
    let n_colors = if channels == 3 { 3 } else { 1 };
    let (n_columns, zoom) = (layout.n_columns.max(1), layout.zoom.max(1));
    let n_columns = n_columns.min(rows.len().max(1));
    let width = GAP + n_columns * (w * zoom + GAP);
    let height = GAP + rows.len().div_ceil(n_columns) * (h * zoom + GAP);
    let mut sheet = vec![GAP_GRAY; width * height * n_colors];
    for (place, &row) in rows
        .iter()
        .enumerate()
        .filter(|&(_, &row)| row < dataset.len())
    {
        let top = GAP + place / n_columns * (h * zoom + GAP);
        let left = GAP + place % n_columns * (w * zoom + GAP);
        for y in 0..h * zoom {
            for x in 0..w * zoom {
                for color in 0..n_colors {
                    let at = ((top + y) * width + left + x) * n_colors + color;
                    sheet[at] = byte(dataset.pixels(), [row, color, y / zoom, x / zoom]);
                }
            }
        }
    }
    encode(&sheet, width, height, n_colors)
}

/// Rows of `dataset` such that each sheet row shows one class: `per_class` images of class 0,
/// then of class 1 and so on; a class with fewer has fewer.
#[must_use]
pub fn rows_by_class(dataset: &Dataset, per_class: usize) -> Vec<usize> {
    let of_class = |class| {
        let rows = dataset.labels().iter().enumerate();
        rows.filter(move |&(_, &label)| label == class)
            .map(|(row, _)| row)
            .take(per_class)
    };
    (0..dataset.n_classes()).flat_map(of_class).collect()
}

fn byte(pixels: &Pixels, at: [usize; 4]) -> u8 {
    match pixels {
        Pixels::Bytes(x) => x[at],
        Pixels::Floats(x) => (x[at] * 255.0).round() as u8,
    }
}

fn encode(sheet: &[u8], width: usize, height: usize, n_colors: usize) -> io::Result<Vec<u8>> {
    let side = |pixels: usize| u32::try_from(pixels).map_err(io::Error::other);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side(width)?, side(height)?);
    encoder.set_color(if n_colors == 3 {
        png::ColorType::Rgb
    } else {
        png::ColorType::Grayscale
    });
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(sheet)?;
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Split;
    use ndarray::Array4;

    fn three() -> Dataset {
        let x = Array4::from_shape_vec((3, 1, 1, 1), vec![10, 20, 30]).unwrap();
        let names = vec!["a".to_owned(), "b".to_owned()];
        Dataset::new("three", Split::Test, Pixels::Bytes(x), vec![1, 0, 1], names).unwrap()
    }

    fn decode(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut reader = png::Decoder::new(io::Cursor::new(bytes))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info.width, info.height, pixels)
    }

    #[test]
    fn images_stand_in_their_places() {
        let bytes = draw(
            &three(),
            &[2, 0, 1],
            Layout {
                n_columns: 2,
                zoom: 1,
            },
        )
        .unwrap();
        let (width, height, pixels) = decode(&bytes);
        assert_eq!((width, height), (8, 8));
        let at = |x: usize, y: usize| pixels[y * 8 + x];
        assert_eq!(
            [at(2, 2), at(5, 2), at(2, 5), at(5, 5)],
            [30, 10, 20, GAP_GRAY]
        );
    }

    #[test]
    fn classes_stand_in_order() {
        assert_eq!(rows_by_class(&three(), 2), [1, 0, 2]);
        assert_eq!(rows_by_class(&three(), 1), [1, 0]);
    }
}

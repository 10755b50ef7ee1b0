//! Handwriting-like digits drawn by the program, so that everything runs on a machine
//! without data. Any number of them; each image is a function of (seed, split, row) alone.
//!
//! A digit is one of several ways to write it (`glyphs`), its points moved by an unsteady
//! hand, stretched, slanted, turned and bent (`hand`), drawn with a soft pen (`pen`),
//! sized and centered like MNIST: in a box of 20 pixels, center of mass in the middle of 28.

mod glyphs;
mod hand;
mod pen;

use super::super::{DataError, Dataset, Pixels, Split};
use super::{Entry, NUMERALS, Origin, SplitReader};
use crate::observe::{Observer, Silent};
use crate::rng::Rng;
use glyphs::{GLYPHS, Glyph};
use ndarray::Array4;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// Height and width of an image in pixels.
pub const SIDE: usize = 28;
/// Images between two words to an observer.
const TOLD: u64 = 256;
/// The most images of one split: 4 GB of pixels.
pub const MAX_IMAGES: usize = 5_000_000;

pub(super) const ENTRY: Entry = Entry {
    id: "digits",
    title: "handwriting-like digits, drawn by the program",
    source: "",
    image_shape: Some([1, SIDE, SIDE]),
    class_names: &NUMERALS,
    n_images: Some([60_000, 10_000]),
    is_papers: false,
    origin: Origin::Drawn(|split, seed, n| Box::new(Digits { seed, split, n })),
};

/// The first `n` digits of a split, yet to be drawn.
struct Digits {
    seed: u64,
    split: Split,
    n: usize,
}

impl SplitReader for Digits {
    /// With its seed where that is not 0.
    fn name(&self) -> String {
        name(self.seed)
    }

    fn len(&self) -> usize {
        self.n
    }

    fn image_shape(&self) -> [usize; 3] {
        [1, SIDE, SIDE]
    }

    fn class_names(&self) -> Vec<String> {
        ENTRY.classes()
    }

    fn rows(&self, rows: Range<usize>) -> Result<Dataset, DataError> {
        let end = rows.end.min(self.n);
        let rows = rows.start.min(end) as u64..end as u64;
        draw_rows(self.seed, self.split, rows, &Silent)
    }

    fn all(self: Box<Self>, observer: &dyn Observer) -> Result<Dataset, DataError> {
        draw(self.seed, self.split, self.n, observer)
    }
}

/// Draws the first `n` digits of a split: a data set of shape (n, 1, 28, 28) named `digits`,
/// with its seed where that is not 0, since other digits are another data set.
/// Fewer digits are the first rows of more; the two splits never share a random stream.
/// Runs in the caller's rayon pool and gives the same bytes in any. The observer is told how far
/// it is, and not asked to go on.
///
/// # Errors
/// [`DataError::TooMany`] above [`MAX_IMAGES`].
pub fn draw(
    seed: u64,
    split: Split,
    n: usize,
    observer: &dyn Observer,
) -> Result<Dataset, DataError> {
    if n > MAX_IMAGES {
        return Err(DataError::TooMany {
            got: n,
            allowed: MAX_IMAGES,
        });
    }
    observer.begin("drawing digits", n as u64);
    let drawn = draw_rows(seed, split, 0..n as u64, observer);
    observer.end();
    drawn
}

/// Draws some rows of a split, with their ids.
fn draw_rows(
    seed: u64,
    split: Split,
    rows: Range<u64>,
    observer: &dyn Observer,
) -> Result<Dataset, DataError> {
    let done = AtomicU64::new(0);
    let n = rows.end.saturating_sub(rows.start) as usize;
    let mut pixels = Array4::zeros((n, 1, SIDE, SIDE));
    let mut labels = vec![0; n];
    if let Some(all) = pixels.as_slice_mut() {
        all.par_chunks_exact_mut(SIDE * SIDE)
            .zip(&mut labels)
            .enumerate()
            .for_each(|(i, (image, label))| {
                *label = draw_one(seed, split, rows.start + i as u64, image);
                let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                if done.is_multiple_of(TOLD) {
                    observer.progress(done, "");
                }
            });
    }
    let pixels = Pixels::Bytes(pixels);
    let drawn = Dataset::new(&name(seed), split, pixels, labels, ENTRY.classes())?;
    Ok(drawn.with_first_id(rows.start))
}

/// Name of the data set, with its seed where that is not 0.
fn name(seed: u64) -> String {
    match seed {
        0 => ENTRY.id.to_owned(),
        _ => format!("{}(seed={seed})", ENTRY.id),
    }
}

/// Draws one digit into a black image and returns its class.
fn draw_one(seed: u64, split: Split, row: u64, image: &mut [u8]) -> usize {
    let purpose = match split {
        Split::Train => "digits/train",
        Split::Test => "digits/test",
    };
    let mut rng = Rng::new(seed, purpose, row);
    let class = rng.below(GLYPHS.len());
    let glyph = choose(GLYPHS[class], &mut rng);
    let pen = pen::Pen::choose(&mut rng);
    let curves = hand::write(glyph.strokes, &mut rng);
    let curves = hand::place(curves, pen.radius(), &mut rng);
    pen.draw(&curves, &mut rng, image);
    class
}

fn choose<'a>(ways: &'a [Glyph], rng: &mut Rng) -> &'a Glyph {
    let total: u32 = ways.iter().map(|way| way.weight).sum();
    let mut left = rng.below(total as usize) as u32;
    for way in ways {
        if left < way.weight {
            return way;
        }
        left -= way.weight;
    }
    &ways[0]
}

/// Uniform in [low, high).
fn between(rng: &mut Rng, low: f32, high: f32) -> f32 {
    low + (high - low) * rng.uniform() as f32
}

/// Normal with deviation `sigma`, cut at two and a half deviations.
fn normal(rng: &mut Rng, sigma: f32) -> f32 {
    sigma * (rng.normal() as f32).clamp(-2.5, 2.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(dataset: &Dataset) -> &Array4<u8> {
        match dataset.pixels() {
            Pixels::Bytes(x) => x,
            Pixels::Floats(_) => panic!("digits are bytes"),
        }
    }

    #[test]
    fn an_image_is_a_function_of_seed_split_and_row() {
        let ten = draw(7, Split::Train, 10, &Silent).unwrap();
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap();
        let alone = pool.install(|| draw(7, Split::Train, 4, &Silent)).unwrap();
        assert_eq!(alone, ten.first(4));
        assert_ne!(
            bytes(&draw(8, Split::Train, 4, &Silent).unwrap()),
            bytes(&alone)
        );
        assert_ne!(
            bytes(&draw(7, Split::Test, 4, &Silent).unwrap()),
            bytes(&alone)
        );
    }

    #[test]
    fn classes_are_about_equally_frequent() {
        let dataset = draw(0, Split::Train, 4000, &Silent).unwrap();
        for class in 0..10 {
            let count = dataset
                .labels()
                .iter()
                .filter(|&&label| label == class)
                .count();
            // 400 expected, deviation 19.
            assert!((325..475).contains(&count), "{count} of class {class}");
        }
    }

    #[test]
    fn pixels_are_distributed_as_on_mnist() {
        let dataset = draw(0, Split::Test, 2000, &Silent).unwrap();
        let x = bytes(&dataset);
        let n = x.len() as f64;
        let mean = x.iter().map(|&v| f64::from(v) / 255.0).sum::<f64>() / n;
        let black = x.iter().filter(|&&v| v == 0).count() as f64 / n;
        let white = x.iter().filter(|&&v| v >= 240).count() as f64 / n;
        // MNIST: 0.131, 0.81 and 0.08.
        assert!((0.10..0.16).contains(&mean), "{mean}");
        assert!((0.75..0.87).contains(&black), "{black}");
        assert!((0.05..0.12).contains(&white), "{white}");
    }

    #[test]
    fn digits_lie_in_the_middle_and_touch_no_edge() {
        let dataset = draw(3, Split::Test, 500, &Silent).unwrap();
        for image in bytes(&dataset).outer_iter() {
            let ink = |on_edge: bool| {
                let pixels = image.indexed_iter().filter(move |&((_, y, x), _)| {
                    !on_edge || [x, y].iter().any(|&at| at == 0 || at == SIDE - 1)
                });
                pixels.map(|(_, &v)| u64::from(v)).sum::<u64>()
            };
            assert!(ink(false) > 20 * 255, "hardly any ink");
            assert_eq!(ink(true), 0, "ink on the edge");
        }
    }

    #[test]
    fn absurd_counts_are_refused() {
        let error = draw(0, Split::Train, usize::MAX, &Silent).unwrap_err();
        assert!(matches!(
            error,
            DataError::TooMany {
                allowed: MAX_IMAGES,
                ..
            }
        ));
    }
}

//! Labeled images: where they come from, how they are checked, how they are held.

pub mod arrays;
mod check;
pub mod columns;
mod dataset;
mod error;
pub mod folder;
pub mod idx;
pub mod image_file;
pub mod input;
pub mod npy;
pub mod npz;
mod pixels;
pub mod source;

pub use check::check_images;
pub use dataset::{Dataset, Split};
pub use error::{DataError, ImageError};
pub use pixels::Pixels;
pub use source::digits;

use check::check_labels;
use pixels::unit;

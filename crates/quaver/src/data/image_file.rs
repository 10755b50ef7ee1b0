//! One picture of a PNG or JPEG file as pixels.
//!
//! What a header declares is checked before anything of that size is allocated. A picture counts
//! as colored by what is in it, not by how it is stored.

use super::DataError;
use image::imageops::FilterType;
use image::{DynamicImage, ImageReader, Limits};
use std::cell::Cell;
use std::io::Cursor;
use std::panic::{self, UnwindSafe};
use std::path::Path;

/// No picture is larger, in pixels a side.
pub const MAX_SIDE: u32 = 4096;
/// A picture of the largest size with four channels of two bytes, and as much to decode it.
const MAX_BYTES: u64 = 1 << 28;

/// Ends of the names of files that are read, in lower case.
pub const EXTENSIONS: [&str; 3] = ["png", "jpg", "jpeg"];

thread_local! {
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is decoding a picture. Decoders panic on some broken files; that is caught
/// and becomes a [`DataError::Picture`], but the process's panic hook hears of it first. A program
/// whose hook asks here can keep silent.
#[must_use]
pub fn is_decoding() -> bool {
    DECODING.get()
}

/// What `decode` gives, or `None` if it panics.
fn caught<T>(decode: impl FnOnce() -> T + UnwindSafe) -> Option<T> {
    DECODING.set(true);
    let result = panic::catch_unwind(decode);
    DECODING.set(false);
    result.ok()
}

/// How pictures become images of a data set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decoding {
    /// 1 (grey) or 3 (red, green, blue); what is in the files unless given.
    pub channels: Option<usize>,
    /// `[height, width]` to scale to, in pixels; the files' unless given.
    pub size: Option<[usize; 2]>,
}

/// Grey or red, green and blue, one byte each.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture(DynamicImage);

impl Picture {
    /// Reads a file.
    ///
    /// # Errors
    /// [`DataError::Io`], [`DataError::Picture`].
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let bytes = std::fs::read(path).map_err(DataError::io(path))?;
        Self::decode(&bytes, path)
    }

    /// Decodes the bytes of a file; `path` is for messages. 16-bit values become 8-bit ones.
    ///
    /// # Errors
    /// [`DataError::Picture`] when they are no PNG or JPEG, broken, larger than [`MAX_SIDE`], or
    /// partly transparent (what lies behind is not in the file).
    pub fn decode(bytes: &[u8], path: &Path) -> Result<Self, DataError> {
        let refuse = |reason: String| DataError::Picture {
            path: path.to_owned(),
            max_side: MAX_SIDE,
            reason: reason.trim_end_matches('.').to_owned(),
        };
        let mut reader = ImageReader::new(Cursor::new(bytes))
            .with_guessed_format()
            .map_err(|problem| refuse(problem.to_string()))?;
        let mut limits = Limits::default();
        limits.max_image_width = Some(MAX_SIDE);
        limits.max_image_height = Some(MAX_SIDE);
        limits.max_alloc = Some(MAX_BYTES);
        reader.limits(limits);
        let image = caught(|| reader.decode())
            .ok_or_else(|| refuse("its contents contradict each other".to_owned()))?
            .map_err(|problem| refuse(problem.to_string()))?;
        if image.color().has_alpha() && image.to_rgba8().pixels().any(|p| p.0[3] != u8::MAX) {
            return Err(refuse(
                "it is partly transparent; save it on a plain background".to_owned(),
            ));
        }
        let rgb = image.to_rgb8();
        let is_grey = rgb.pixels().all(|p| p.0[0] == p.0[1] && p.0[1] == p.0[2]);
        Ok(Self(if is_grey {
            DynamicImage::ImageLuma8(image.to_luma8())
        } else {
            DynamicImage::ImageRgb8(rgb)
        }))
    }

    /// Whether any pixel is not grey.
    #[must_use]
    pub fn is_colored(&self) -> bool {
        matches!(self.0, DynamicImage::ImageRgb8(_))
    }

    /// `[height, width]` in pixels.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        [self.0.height() as usize, self.0.width() as usize]
    }

    /// The picture scaled to `[height, width]` (1 to [`MAX_SIDE`] each), its shape left out of
    /// account; smaller by averaging, larger by linear interpolation.
    #[must_use]
    pub fn scaled(&self, [height, width]: [usize; 2]) -> Self {
        let side = |n: usize| n.clamp(1, MAX_SIDE as usize) as u32;
        Self(
            self.0
                .resize_exact(side(width), side(height), FilterType::Triangle),
        )
    }

    /// Light becomes dark and dark light.
    #[must_use]
    pub fn inverted(mut self) -> Self {
        self.0.invert();
        self
    }

    /// The pixels `(channels, height, width)` in row-major order, for 1 or 3 channels. Grey of
    /// color is (299 r + 587 g + 114 b) / 1000, in the fixed point that Pillow uses (ITU-R 601).
    #[must_use]
    pub fn planes(&self, channels: usize) -> Vec<u8> {
        let rgb = self.0.to_rgb8();
        if channels == 1 {
            let grey = |[r, g, b]: [u8; 3]| {
                let [r, g, b] = [r, g, b].map(u32::from);
                ((19_595 * r + 38_470 * g + 7_471 * b + 0x8000) >> 16) as u8
            };
            return rgb.pixels().map(|p| grey(p.0)).collect();
        }
        let plane = |channel: usize| rgb.pixels().map(move |p| p.0[channel]);
        (0..3).flat_map(plane).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use image::{ImageFormat, Luma, LumaA, Rgb, Rgba};

    /// The bytes of a file of `format`.
    pub(in crate::data) fn file(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.into().write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn decode(bytes: &[u8]) -> Result<Picture, DataError> {
        Picture::decode(bytes, Path::new("f.png"))
    }

    #[test]
    fn a_panic_is_caught_and_the_next_call_works() {
        let seen = caught(|| {
            assert!(is_decoding());
            Vec::<u8>::new().remove(0)
        });
        assert_eq!((seen, is_decoding()), (None, false));
        assert_eq!(caught(|| 7), Some(7));
    }

    /// Found by fuzzing: the frame is described twice, and the decoder panics.
    #[test]
    fn a_jpeg_whose_contents_contradict_each_other_is_refused() {
        let bytes = include_bytes!("../../tests/files/contradictory.jpg");
        let error = Picture::decode(bytes, Path::new("a.jpg")).unwrap_err();
        assert!(error.to_string().contains("a.jpg"), "{error}");
    }

    #[test]
    fn planes_are_in_order_and_grey_is_pillows() {
        let mut image = image::RgbImage::new(2, 1);
        image.put_pixel(0, 0, Rgb([10, 200, 30]));
        image.put_pixel(1, 0, Rgb([255, 0, 0]));
        let picture = decode(&file(image, ImageFormat::Png)).unwrap();
        assert!(picture.is_colored());
        assert_eq!(picture.size(), [1, 2]);
        assert_eq!(picture.planes(3), [10, 255, 200, 0, 30, 0]);
        // 124 = round(2.99 + 117.4 + 3.42), 76 = round(76.245).
        assert_eq!(picture.planes(1), [124, 76]);
    }

    #[test]
    fn what_is_grey_counts_as_grey_however_it_is_stored() {
        let grey = image::GrayImage::from_pixel(3, 2, Luma([7]));
        let rgb = image::RgbImage::from_pixel(3, 2, Rgb([7; 3]));
        let opaque = image::RgbaImage::from_pixel(3, 2, Rgba([7, 7, 7, 255]));
        for bytes in [
            file(grey.clone(), ImageFormat::Png),
            file(rgb, ImageFormat::Png),
            file(opaque, ImageFormat::Png),
            file(grey, ImageFormat::Jpeg),
        ] {
            let picture = decode(&bytes).unwrap();
            assert!(!picture.is_colored());
            assert_eq!(picture.planes(1), [7; 6]);
            assert_eq!(picture.planes(3), [7; 18]);
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let whole = file(image::GrayImage::new(8, 8), ImageFormat::Png);
        let clear = image::GrayAlphaImage::from_pixel(2, 2, LumaA([9, 254]));
        let mut huge = whole.clone();
        huge[16..20].copy_from_slice(&0x7fff_ffff_u32.to_be_bytes());
        for (bytes, part) in [
            (b"GIF89a".to_vec(), "Gif is not supported"),
            (Vec::new(), "could not be determined"),
            (whole[..whole.len() - 20].to_vec(), ""),
            (huge, ""),
            (file(clear, ImageFormat::Png), "transparent"),
        ] {
            let text = decode(&bytes).unwrap_err().to_string();
            assert!(text.starts_with("f.png: ") && text.contains(part), "{text}");
        }
    }

    #[test]
    fn scaling_averages_and_inverting_mirrors() {
        let image = image::GrayImage::from_fn(4, 4, |x, _| Luma([if x < 2 { 0 } else { 200 }]));
        let picture = decode(&file(image, ImageFormat::Png)).unwrap();
        let small = picture.scaled([1, 2]);
        assert_eq!(small.size(), [1, 2]);
        let planes = small.planes(1);
        assert!(planes[0] < 40 && planes[1] > 160, "{planes:?}");
        assert_eq!(picture.inverted().planes(1)[..4], [255, 255, 55, 55]);
    }
}

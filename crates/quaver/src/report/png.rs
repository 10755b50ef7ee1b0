//! PNG: a scene as pixels, and small images. Letters are drawn from a font
//! that the library carries, so a machine without fonts makes the same picture.

use ::png::{BitDepth, ColorType, Encoder};
use tiny_skia::{FillRule, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, Transform};
use ttf_parser::{Face, OutlineBuilder};

use super::RenderError;
use super::scene::{Anchor, Ink, Scene, Shape};

/// DejaVu Sans reduced to the characters that figures use; its license stands beside it.
const FONT: &[u8] = include_bytes!("data/dejavu-sans-subset.ttf");

/// Pixels a unit of the scene: sharp on screens of high density.
const SCALE: f32 = 3.0;

/// A scene in pixels.
///
/// # Errors
/// [`RenderError::Picture`] when it is empty or too large for the memory.
pub fn draw(scene: &Scene) -> Result<Vec<u8>, RenderError> {
    let width = (scene.width as f32 * SCALE).ceil() as u32;
    let height = (scene.height as f32 * SCALE).ceil() as u32;
    let failed = || RenderError::Picture {
        name: scene.description.clone(),
        width: width as usize,
        height: height as usize,
    };
    let mut pixels = Pixmap::new(width, height).ok_or_else(failed)?;
    let face = Face::parse(FONT, 0).map_err(|_| failed())?;
    for shape in &scene.shapes {
        draw_shape(&mut pixels, &face, shape);
    }
    let rgb: Vec<u8> = pixels
        .data()
        .chunks_exact(4)
        .flat_map(|p| [p[0], p[1], p[2]])
        .collect();
    encode(
        &scene.description,
        (width as usize, height as usize),
        3,
        &rgb,
    )
}

/// `width · height · channels` bytes, rows from top to bottom, as a PNG file.
///
/// # Errors
/// [`RenderError::Picture`] when the sizes do not agree with the bytes or channels are not 1 or 3.
pub fn encode(
    name: &str,
    (width, height): (usize, usize),
    channels: usize,
    pixels: &[u8],
) -> Result<Vec<u8>, RenderError> {
    let failed = || RenderError::Picture {
        name: name.into(),
        width,
        height,
    };
    let color = match channels {
        1 => ColorType::Grayscale,
        3 => ColorType::Rgb,
        _ => return Err(failed()),
    };
    let size = |n: usize| u32::try_from(n).map_err(|_| failed());
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, size(width)?, size(height)?);
    encoder.set_color(color);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(|_| failed())?;
    writer.write_image_data(pixels).map_err(|_| failed())?;
    writer.finish().map_err(|_| failed())?;
    Ok(out)
}

fn draw_shape(pixels: &mut Pixmap, face: &Face<'_>, shape: &Shape) {
    let mut path = PathBuilder::new();
    match shape {
        Shape::Rectangle {
            x,
            y,
            width,
            height,
            ink,
        } => {
            let (x, y) = (*x as f32, *y as f32);
            if let Some(rect) = Rect::from_xywh(x, y, *width as f32, *height as f32) {
                path.push_rect(rect);
            }
            fill(pixels, path.finish(), *ink);
        }
        Shape::Line {
            from,
            to,
            width,
            ink,
        } => {
            path.move_to(from.0 as f32, from.1 as f32);
            path.line_to(to.0 as f32, to.1 as f32);
            stroke(pixels, path.finish(), *width as f32, *ink);
        }
        Shape::Disk {
            center,
            radius,
            ink,
        } => {
            path.push_circle(center.0 as f32, center.1 as f32, *radius as f32);
            fill(pixels, path.finish(), *ink);
        }
        Shape::Diamond {
            center,
            radius,
            ink,
        } => {
            let (x, y, r) = (center.0 as f32, center.1 as f32, *radius as f32);
            path.move_to(x - r, y);
            path.line_to(x, y - r);
            path.line_to(x + r, y);
            path.line_to(x, y + r);
            path.close();
            stroke(pixels, path.finish(), 1.5, *ink);
        }
        Shape::Text {
            at,
            size,
            anchor,
            ink,
            text,
        } => {
            letters(
                &mut path,
                face,
                (at.0 as f32, at.1 as f32),
                *size as f32,
                *anchor,
                text,
            );
            fill(pixels, path.finish(), *ink);
        }
    }
}

fn fill(pixels: &mut Pixmap, path: Option<Path>, ink: Ink) {
    if let Some(path) = path {
        pixels.fill_path(
            &path,
            &paint(ink),
            FillRule::Winding,
            Transform::from_scale(SCALE, SCALE),
            None,
        );
    }
}

fn stroke(pixels: &mut Pixmap, path: Option<Path>, width: f32, ink: Ink) {
    if let Some(path) = path {
        let stroke = Stroke {
            width,
            ..Stroke::default()
        };
        pixels.stroke_path(
            &path,
            &paint(ink),
            &stroke,
            Transform::from_scale(SCALE, SCALE),
            None,
        );
    }
}

fn paint(ink: Ink) -> Paint<'static> {
    let [r, g, b] = ink.rgb();
    let mut paint = Paint {
        anti_alias: true,
        ..Paint::default()
    };
    paint.set_color_rgba8(r, g, b, 255);
    paint
}

/// Appends the outlines of `text`; characters the font lacks become its empty box.
fn letters(
    path: &mut PathBuilder,
    face: &Face<'_>,
    at: (f32, f32),
    size: f32,
    anchor: Anchor,
    text: &str,
) {
    let scale = size / f32::from(face.units_per_em());
    let glyphs: Vec<_> = text
        .chars()
        .map(|c| face.glyph_index(c).unwrap_or_default())
        .collect();
    let advance = |glyph| f32::from(face.glyph_hor_advance(glyph).unwrap_or(0)) * scale;
    let width: f32 = glyphs.iter().map(|&glyph| advance(glyph)).sum();
    let mut x = match anchor {
        Anchor::Start => at.0,
        Anchor::Middle => at.0 - width / 2.0,
        Anchor::End => at.0 - width,
    };
    for glyph in glyphs {
        face.outline_glyph(
            glyph,
            &mut Outline {
                path,
                x,
                y: at.1,
                scale,
            },
        );
        x += advance(glyph);
    }
}

/// Puts a glyph's outline, whose y runs upwards, at its place on the picture.
struct Outline<'a> {
    path: &'a mut PathBuilder,
    x: f32,
    y: f32,
    scale: f32,
}

impl Outline<'_> {
    fn place(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + x * self.scale, self.y - y * self.scale)
    }
}

impl OutlineBuilder for Outline<'_> {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.path.move_to(x, y);
    }
    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.path.line_to(x, y);
    }
    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.place(x1, y1), self.place(x, y));
        self.path.quad_to(x1, y1, x, y);
    }
    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) =
            (self.place(x1, y1), self.place(x2, y2), self.place(x, y));
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }
    fn close(&mut self) {
        self.path.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut reader = ::png::Decoder::new(std::io::Cursor::new(bytes))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info.width, info.height, pixels)
    }

    #[test]
    fn small_images_keep_their_pixels() {
        let pixels = [0, 128, 255, 7, 8, 9];
        let (width, height, got) = decode(&encode("test", (3, 2), 1, &pixels).unwrap());
        assert_eq!((width, height), (3, 2));
        assert_eq!(got, pixels);
    }

    #[test]
    fn sizes_that_do_not_agree_are_refused() {
        assert!(encode("test", (3, 2), 1, &[0; 5]).is_err());
        assert!(encode("test", (1, 1), 2, &[0; 2]).is_err());
    }

    #[test]
    fn shapes_and_letters_leave_ink_where_they_stand() {
        let mut scene = Scene {
            description: "test".into(),
            width: 40.0,
            height: 20.0,
            shapes: Vec::new(),
        };
        scene.rectangle((0.0, 0.0), (40.0, 20.0), Ink::Paper);
        scene.rectangle((0.0, 0.0), (10.0, 10.0), Ink::First);
        scene.text((40.0, 16.0), 16.0, Anchor::End, Ink::Text, "8");
        let (width, height, pixels) = decode(&draw(&scene).unwrap());
        assert_eq!((width, height), (120, 60));
        let at = |x: usize, y: usize| {
            let start = (y * 120 + x) * 3;
            [pixels[start], pixels[start + 1], pixels[start + 2]]
        };
        assert_eq!(at(15, 15), Ink::First.rgb());
        assert_eq!(at(45, 50), Ink::Paper.rgb());
        let dark = (90..120).any(|x| (0..60).any(|y| at(x, y) == Ink::Text.rgb()));
        assert!(dark, "no letter was drawn");
    }

    #[test]
    fn the_font_has_what_figures_say() {
        let face = Face::parse(FONT, 0).unwrap();
        for c in (' '..='~').chain("±·×–−≥≤μσ…’".chars()) {
            assert!(face.glyph_index(c).is_some(), "{c}");
        }
    }
}

//! What images and labels must be, checked once, where they enter.

use super::{DataError, ImageError};
use ndarray::ArrayView4;
use std::path::Path;

/// Whether a classifier of `[c, h, w]` images may be given `x`: the one check of shape,
/// range [0, 1] and finiteness, made where images enter and on what an attack returns.
///
/// # Errors
/// [`ImageError`] with both shapes, or with the first bad image and its first bad value.
pub fn check_images(x: ArrayView4<'_, f32>, expected: [usize; 3]) -> Result<(), ImageError> {
    let (_, c, h, w) = x.dim();
    if [c, h, w] != expected {
        return Err(ImageError::Shape {
            expected,
            got: vec![c, h, w],
        });
    }
    for (image, pixels) in x.outer_iter().enumerate() {
        if let Some(&value) = pixels.iter().find(|v| !(0.0..=1.0).contains(*v)) {
            return Err(ImageError::Pixel { image, value });
        }
    }
    Ok(())
}

/// Refuses labels that are no class, naming the file.
pub(super) fn check_labels(
    path: &Path,
    labels: &[usize],
    n_classes: usize,
) -> Result<(), DataError> {
    match labels.iter().position(|&label| label >= n_classes) {
        None => Ok(()),
        Some(row) => {
            let got = labels[row] as i128;
            Err(DataError::Label {
                path: path.to_owned(),
                row,
                got,
                n_classes,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array4;

    #[test]
    fn images_are_checked_once_and_the_first_bad_one_is_named() {
        let good = Array4::from_elem((2, 1, 2, 2), 1.0);
        assert_eq!(check_images(good.view(), [1, 2, 2]), Ok(()));
        assert!(matches!(
            check_images(good.view(), [3, 2, 2]),
            Err(ImageError::Shape { .. })
        ));
        for bad in [f32::NAN, f32::INFINITY, -1e-6, 255.0] {
            let mut x = good.clone();
            x[[1, 0, 1, 0]] = bad;
            let error = check_images(x.view(), [1, 2, 2]).unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("image 1 has a pixel of {bad};"))
            );
        }
    }
}
